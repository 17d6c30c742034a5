"""What the lowerings of layers share: Flax's own classes, with our initial values in them."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from .deferral import Law, Tied
from .state import place_of


def laws(layer: nn.Module, binding: Binding, **names: str) -> dict[str, Any]:
    """Return Flax's arguments for the initializers of the parameters that the layer has."""
    own, place = layer.own_parameters(), place_of(binding, layer)
    found = {field: Law(place, own[name]) for field, name in names.items() if name in own}
    return {**found, "param_dtype": jnp.dtype(binding.options.dtype)}


def leaf(kind: type, layer: nn.Module, binding: Binding, fields: dict[str, Any]) -> Any:
    """Return a native layer, one that looks elsewhere for parameters it shares."""
    if any(id(parameter) in binding.slots for parameter in layer.own_parameters().values()):
        kind = _tied_class(kind)
    if "_isomorph" in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        fields = fields | {"_isomorph": place_of(binding, layer)}
    return kind(**fields)


@functools.cache
def _tied_class(kind: type) -> type:
    return type(kind.__name__, (Tied, kind), {"__module__": __name__})


class Function(linen.Module):
    """A function of one tensor as a module."""

    function: Any

    def __call__(self, x: Any) -> Any:
        """Return the function's value."""
        return self.function(x)


def activation_of(value: Any, binding: Binding) -> Any:
    """Return a layer's activation as a function; None if it has none."""
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value

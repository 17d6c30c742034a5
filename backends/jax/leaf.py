"""How layers are lowered: Flax's own classes that know their description.

A layer of your own is lowered by `leaf`, from a linen class of yours and from `laws`, which gives that
class's initializers::

    class LinenScale(linen.Module):
        weight_init: Callable

        @linen.compact
        def __call__(self, x):
            return x * self.param("weight", self.weight_init, (x.shape[-1],), self.param_dtype)

    @JaxAdapter.lowers(Scale)
    def scale(layer, binding):
        return leaf(LinenScale, layer, binding, weight_init="weight")
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from .deferral import Law, Tied
from .native import Described, hidden
from .state import place_of
from .values import plain, reader


def leaf(
    kind: type, layer: nn.Module, binding: Binding, fields: dict[str, Any] | None = None, **laws: str
) -> Any:
    """Return a native layer: an instance of a subclass of a linen class.

    Its initial values are those of the description, also in Flax's own ``init``. In the forward of a
    module around it, its parameters have their canonical names and layouts.

    Args:
        kind: A class of linen modules. Its variables have the names that `Adapter.lowers` was told,
            learned ones in ``params``, buffers in ``buffers`` (those of a layer that keeps running
            statistics in ``batch_stats``).
        layer: The layer that is lowered.
        binding: The lowering under way.
        fields: Values of the class's fields. A field ``param_dtype`` gets the net's type.
        laws: Fields that hold initializers, with the canonical names of their parameters.
    """
    own, place = layer.own_parameters(), place_of(binding, layer)
    given = {field: Law(place, own[name]) for field, name in laws.items() if name in own}
    known: Any = kind.__dataclass_fields__  # type: ignore[attr-defined]
    if "param_dtype" in known:
        given["param_dtype"] = jnp.dtype(binding.options.dtype)
    absent = tuple(name for name, value in vars(layer).items() if value is None)
    is_tied = any(id(parameter) in binding.slots for parameter in own.values())
    return _class(kind, tuple(own), absent, is_tied)(_isomorph=place, **given, **fields or {})


@functools.cache
def _class(kind: type, names: tuple[str, ...], absent: tuple[str, ...], is_tied: bool) -> Any:
    """Return the subclass by which a linen class knows its description and has canonical names."""
    readers = {name: reader(name) for name in names if not hasattr(kind, name)}
    nothing = {name: None for name in absent if not hasattr(kind, name)}
    about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    field = {"__annotations__": {"_isomorph": Any}, "_isomorph": hidden()}
    bases = (Tied, Described, kind) if is_tied else (Described, kind)
    return type(kind.__name__, bases, {**about, **nothing, **readers, **field})


class Function(linen.Module):
    """A function of one tensor as a module."""

    function: Any

    def __call__(self, x: Any) -> Any:
        """Return the function's value."""
        return self.function(plain(x))


def activation_of(value: Any, binding: Binding) -> Any:
    """Return a layer's activation as a function; None if it has none."""
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value

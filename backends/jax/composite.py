"""Composites: the user's class and Flax's in one."""

from __future__ import annotations

import dataclasses
import keyword
import operator
import re
from typing import Any

import jax.numpy as jnp
from flax import linen
from flax.linen.module import DescriptorWrapper

from isomorph import nn
from isomorph.adapter import Binding, native_class
from isomorph.errors import LayerNotSupportedError

from .deferral import Law, build
from .state import place_of, state_of


def hidden() -> Any:
    """Return the field by which a native module knows its description."""
    return dataclasses.field(default=None, repr=False, kw_only=True)


def trains(native: Any, asked: bool) -> bool:
    """Return whether a module trains: as Flax's arguments ask, unless it alone is in evaluation."""
    return asked and not native.is_initializing() and not native._isomorph.frozen


class Composite(linen.Module):
    """Base of the classes whose call is a user's `forward`."""

    _isomorph: Any = hidden()

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the user's `forward` does; in Flax's `init`, after the user's `build`."""
        own = self._isomorph.module.own_parameters()
        if any(not parameter.shape.is_known for parameter in own.values()) and self.is_initializing():
            build(self._isomorph, (*inputs, *named.values()))
        return self.forward(*inputs, **named)

    @property
    def training(self) -> bool:
        """Whether the call is one in training."""
        return trains(self, self.has_rng("dropout") or self.is_mutable_collection("batch_stats"))


def composite(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    """Return a native module whose call is the user's `forward`."""
    _refuse_flax_names(module, attributes)
    place, own = place_of(binding, module), tuple(module.own_parameters())
    children = {name: value for name, value in attributes.items() if _holds_module(value)}
    place.plain = {name: value for name, value in attributes.items() if name not in children}
    fields: dict[str, str] = {}
    for name in children:
        fields[name] = _field_name(name, {*attributes, *fields.values()})
    classes = binding.memory.setdefault("classes", {})
    key = type(module), tuple(attributes), tuple(fields), own
    if key not in classes:
        readers = {name: _plain(name) for name in place.plain} | {name: _own(name) for name in own}
        classes[key] = _class(module, fields, readers)
    return classes[key](_isomorph=place, **{fields[name]: value for name, value in children.items()})


def _class(module: nn.Module, fields: dict[str, str], readers: dict[str, Any]) -> Any:
    renamed = {name: property(operator.attrgetter(f)) for name, f in fields.items() if name != f}
    annotations = {"__annotations__": dict.fromkeys(fields.values(), Any)}
    namespace = {**dict.fromkeys(fields.values()), **annotations, **readers, **renamed}
    cls: Any = native_class(Composite, module, namespace)
    for name, value in list(vars(cls).items()):
        # Flax wraps properties so that an AttributeError in them is another error (0.12): not in ours.
        if isinstance(value, DescriptorWrapper):
            setattr(cls, name, value.wrapped)
    return cls


def _plain(name: str) -> Any:
    return property(lambda native: native._isomorph.plain[name])


def _own(name: str) -> Any:
    """Return the property that reads a parameter of the user's module in Flax's variables."""

    def value(native: Any) -> Any:
        place, scope = native._isomorph, native.scope
        if scope is None:
            raise AttributeError(f"{name} has a value inside a call only; net.variables holds it.")
        parameter = place.module.own_parameters()[name]
        law, dtype = Law(place, parameter), jnp.dtype(parameter.dtype)
        shape = parameter.shape if parameter.shape.is_known else state_of(place.binding).shapes[id(parameter)]
        found = law.shared(scope, shape, dtype)
        return law.held(scope, shape, dtype) if found is None else found

    return property(value)


def _holds_module(value: Any) -> bool:
    if isinstance(value, (tuple, dict)):
        return any(map(_holds_module, value.values() if isinstance(value, dict) else value))
    return isinstance(value, linen.Module)


_OURS = {*nn.Sequential.__mro__, *nn.ModuleDict.__mro__}
_FLAX_NAMES = {name for name in (*dir(linen.Module), "name", "parent", "scope") if not name.startswith("__")}


def _refuse_flax_names(module: nn.Module, attributes: dict[str, Any]) -> None:
    methods = {name for kind in type(module).__mro__ if kind not in _OURS for name in vars(kind)}
    for name in sorted(_FLAX_NAMES & {*attributes, *module.own_parameters(), *methods}):
        what = f"an attribute or method named {name!r}"
        hint = f"flax.linen.Module.{name} exists already. Rename it."
        raise LayerNotSupportedError.at(module.label, "jax", what, hint, f"name.{name}")


def _field_name(name: str, taken: set[str]) -> str:
    """Return the name of a field for an attribute: Flax's fields are identifiers."""
    if name.isidentifier() and not keyword.iskeyword(name):
        return name
    field = "layer_" + re.sub(r"\W", "_", name)
    while field in taken:
        field += "_"
    return field

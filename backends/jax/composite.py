"""Composites: the user's class and Flax's in one."""

from __future__ import annotations

import dataclasses
import keyword
import operator
import re
from collections.abc import Iterator
from typing import Any

from flax import linen
from flax.linen.module import DescriptorWrapper

from isomorph import nn
from isomorph.adapter import Binding, native_class
from isomorph.errors import LayerNotSupportedError

from .deferral import build
from .native import Described, hidden, trains
from .state import place_of
from .values import Reader, reader


class Composite(Described, linen.Module):
    """Base of the classes whose call is a user's `forward`."""

    _isomorph: Any = hidden()

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the user's `forward` does; in Flax's `init`, after the user's `build`."""
        if self.is_initializing():
            self._make_variables((*inputs, *named.values()))
        return self.forward(*inputs, **named)

    def _make_variables(self, inputs: tuple[Any, ...]) -> None:
        own = self._isomorph.module.own_parameters()
        if any(not parameter.shape.is_known for parameter in own.values()):
            build(self._isomorph, inputs)
        for name in own:  # those too that this call does not use
            getattr(self, name)

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
    fields = _field_names(children, set(attributes), set(own))
    classes = binding.memory.setdefault("classes", {})
    key = type(module), tuple(attributes), tuple(fields.items()), own
    if key not in classes:
        classes[key] = _class(module, fields, place.plain, own)
    return classes[key](_isomorph=place, **{fields[name]: value for name, value in children.items()})


def _class(module: nn.Module, fields: dict[str, str], plain: dict[str, Any], own: tuple[str, ...]) -> Any:
    # The fields of a user's own dataclass are attributes here, not arguments.
    theirs = {*getattr(type(module), "__dataclass_fields__", ())} - {*fields.values()}
    unset = {name: dataclasses.field(init=False) for name in theirs}
    annotations = {"__annotations__": dict.fromkeys((*unset, *fields.values()), Any)}
    cls: Any = native_class(Composite, module, {**unset, **dict.fromkeys(fields.values()), **annotations})
    readers = {name: _plain(name) for name in plain} | {name: reader(name) for name in own}
    readers |= {name: Reader(operator.attrgetter(f)) for name, f in fields.items() if name != f}
    for name, each in readers.items():
        setattr(cls, name, each)
    for name, value in list(vars(cls).items()):
        # Flax wraps descriptors so that an AttributeError in them is another error (0.12): not in ours.
        if isinstance(value, DescriptorWrapper):
            setattr(cls, name, value.wrapped)
    return cls


def _plain(name: str) -> Reader:
    return Reader(lambda native: native._isomorph.plain[name])


def _holds_module(value: Any) -> bool:
    if isinstance(value, (tuple, dict)):
        return any(map(_holds_module, value.values() if isinstance(value, dict) else value))
    return isinstance(value, linen.Module)


_FLAX_NAMES = {name for name in (*dir(linen.Module), "name", "parent", "scope") if not name.startswith("__")}


def _refuse_flax_names(module: nn.Module, attributes: dict[str, Any]) -> None:
    theirs = (kind for kind in type(module).__mro__ if not kind.__module__.startswith("isomorph."))
    methods = {name for kind in theirs for name in vars(kind)}
    for name in sorted(_FLAX_NAMES & {*attributes, *module.own_parameters(), *methods}):
        what = f"an attribute or method named {name!r}"
        hint = f"flax.linen.Module.{name} exists already. Rename it."
        raise LayerNotSupportedError.at(module.label, "jax", what, hint, f"name.{name}")


def _field_names(children: dict[str, Any], taken: set[str], made: set[str]) -> dict[str, str]:
    """Return the name of a field for each attribute with modules, so that Flax's names differ.

    Flax's fields are identifiers, and it calls the items of a list 'blocks' blocks_0, blocks_1.
    """
    fields: dict[str, str] = {}
    for name, value in children.items():
        is_plain = name.isidentifier() and not keyword.iskeyword(name)
        field = name if is_plain else "layer_" + re.sub(r"\W", "_", name)
        while (field != name and field in taken) or any(each in made for each in _flax_names(field, value)):
            field += "_"
        fields[name] = field
        made |= {field, *_flax_names(field, value)}
    return fields


def _flax_names(field: str, value: Any) -> Iterator[str]:
    """Yield the names that Flax gives the modules in a field."""
    if isinstance(value, (tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flax_names(f"{field}_{key}", item)
    else:
        yield field

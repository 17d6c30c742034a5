"""The user's own nets: Gluon blocks whose call is the user's `forward`."""

from __future__ import annotations

import weakref
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, native_class

from .blocks import Nested, declare, prefix_of
from .framework import gluon, is_training
from .values import Value


class View:
    """What `self` is in a forward that uses names that Gluon uses too: the block with the user's meanings."""


class Composite(Nested, gluon.HybridBlock):
    """A user's net as a block."""

    isomorph_training = True
    training = property(is_training)
    isomorph_user: Any
    isomorph_view: Any = None
    isomorph_names: tuple[tuple[str, ...], frozenset[str]]

    def isomorph_forward(self, *inputs: Any, **named: Any) -> Any:
        """Return what the user's `forward` computes."""
        seen: Any = self
        if self.isomorph_view is not None:
            seen = object.__new__(self.isomorph_view)
            vars(seen).update({**vars(self), **self.isomorph_hidden})
        return self.isomorph_user.forward(seen, *inputs, **named)

    def isomorph_made_of(self) -> Any:
        """Return what makes the block anew without its attributes."""
        return _new, (self.isomorph_user, *self.isomorph_names)


_GLUONS = frozenset(dir(Composite(prefix=""))) - {"forward", "training"}
_CLASSES: weakref.WeakValueDictionary[Any, type] = weakref.WeakValueDictionary()


def composite(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    """Return a block whose children are native and whose call is the user's `forward`."""
    user, own = type(module), module.own_parameters()
    ours = {cls for kind in (nn.Module, nn.Layer, nn.ParameterList, nn.ParameterDict) for cls in kind.__mro__}
    defined = {name for cls in user.__mro__ if cls not in ours for name in vars(cls)}
    both = {name for name in {*attributes, *own, *defined} & _GLUONS if not name.startswith("__")}
    native = _class(user, tuple(own), frozenset(both))(prefix=prefix_of(binding, module))
    vars(native)["isomorph_hidden"] = {name: attributes[name] for name in both & attributes.keys()}
    for name, value in attributes.items():
        if name not in both:
            setattr(native, name, value)
        elif isinstance(value, gluon.Block):
            native.register_child(value, name)
    declare(native, module)
    vars(native).update({name: each for name, each in native._reg_params.items() if name not in both})
    return native


def _class(user: type, own: tuple[str, ...], both: frozenset[str]) -> type:
    """Return the class of a user's nets with these parameters and these names that Gluon uses too."""
    found = _CLASSES.get((user, own, both))
    if found is None:
        module: Any = object.__new__(user)
        values = {name: Value(name) for name in own if name not in both}
        about = {"isomorph_user": user, "isomorph_names": (own, both)}
        if both:
            seen = {"training": property(is_training), **{name: Value(name) for name in own}}
            about["isomorph_view"] = native_class(View, module, seen)
        found = _CLASSES[user, own, both] = native_class(Composite, module, {**values, **about})
    return found


def _new(user: type, own: tuple[str, ...], both: frozenset[str]) -> Any:
    cls = _class(user, own, both)
    return cls.__new__(cls)

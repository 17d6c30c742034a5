"""A user's own modules, called as their forward is written."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import native_class

from .framework import NumpyModule


def compose(module: nn.Module, attributes: dict[str, Any]) -> Any:
    """Return the native module of a user's; see `Adapter.compose`."""
    cls = composite_class(type(module))
    native = cls.__new__(cls)
    for name, value in (*attributes.items(), *dict.fromkeys(module.own_parameters()).items()):
        setattr(native, name, value)
    return native


def composite_class(user: Any) -> Any:
    """Return the native class of a user's, one for each."""
    for made in user.__subclasses__():
        if vars(made).get("_made_of") is user:
            return made
    namespace = {"training": True, "__reduce_ex__": _reduce, "_made_of": user}
    return native_class(NumpyModule, object.__new__(user), namespace, calls=("forward", "__call__"))


# A class made here can't be found by its name: a pickle holds what it was made of.


def _reduce(native: Any, protocol: Any) -> Any:
    reduced: Any = object.__reduce_ex__(native, 2)
    _, _, *rest = reduced
    return (_new, (native._made_of,), *rest)


def _new(user: type) -> Any:
    cls = composite_class(user)
    return cls.__new__(cls)

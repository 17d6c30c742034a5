"""A user's own modules: PyTorch modules whose call is the user's forward."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding, Tree, native_class
from isomorph.errors import LayerNotSupportedError

from .deferral import Held, deferred, reduce_made
from .framework import creating

# What only users of a torch.nn.Module call: PyTorch itself goes on without these on an inner module.
_GIVEN_UP = frozenset(
    {"bfloat16", "compile", "cpu", "cuda", "double", "extra_repr", "float", "forward", "half", "ipu", "mtia"}
    | {"requires_grad_", "share_memory", "to_empty", "type", "xpu", "zero_grad"}
)
_ATTRIBUTES = frozenset(vars(torch.nn.Module()))


def compose(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    """Return the native module of a user's; see `Adapter.compose`."""
    _refuse_taken_names(module, attributes)
    inside = {name for name, value in attributes.items() if isinstance(value, torch.nn.Module)}
    # A class's attribute would hide what PyTorch keeps apart: its method, or a dataclass's default.
    classes = torch.nn.Module, type(module)
    names = (*inside, *module.own_parameters())
    taken = {name for name in names if any(hasattr(cls, name) for cls in classes)}
    cls = composite_class(type(module), *sorted(taken))
    native: Any = cls.__new__(cls)
    with creating(binding.options):
        torch.nn.Module.__init__(native)
        for name, value in attributes.items():
            setattr(native, name, value)
        return deferred(native, module, binding)


def composite_class(user: Any, *taken: str) -> Any:
    """Return the native class of a user's, one for each.

    Args:
        user: The class.
        taken: Names of its parameters and modules that a class of it has for something else.
    """
    made = (composite_class, user, *taken)
    for cls in user.__subclasses__():
        if vars(cls).get("_made") == made:
            return cls
    own = {name: vars(cls)[name] for cls in user.__mro__[::-1] for name in _defined(cls) if name in _GIVEN_UP}
    namespace = {"training": True, "__reduce_ex__": reduce_made, "_made": made}
    held = {name: Held(name) for name in taken}
    return native_class(
        torch.nn.Module, object.__new__(user), {**namespace, **own, **held}, calls=("forward",)
    )


def is_taken(name: str) -> bool:
    """Return whether PyTorch needs a name on each module for itself."""
    return name in _ATTRIBUTES or (hasattr(torch.nn.Module, name) and name not in _GIVEN_UP)


def _defined(cls: type) -> tuple[str, ...]:
    """Return the names that a user's class defines, without Python's own; none for a class of ours."""
    if cls is object or cls in Tree._describing:
        return ()
    return tuple(name for name in vars(cls) if not name.startswith("__") and name != "forward")


def _refuse_taken_names(module: nn.Module, attributes: dict[str, Any]) -> None:
    """Raise if the user's module defines what PyTorch needs: that one would be called."""
    methods = [name for cls in type(module).__mro__ for name in _defined(cls)]
    kinds = {"method": methods, "attribute": [*attributes, *module.own_parameters()]}
    for kind, names in kinds.items():
        for name in filter(is_taken, names):
            raise LayerNotSupportedError.at(
                module.label,
                "torch",
                f"{'a method' if kind == 'method' else 'an attribute'} named {name!r}",
                f"torch.nn.Module.{name} exists already. Rename the {kind}.",
                f"name.{name}",
            )

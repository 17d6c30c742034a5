"""Classes that are a framework's module and the user's at once."""

from __future__ import annotations

from typing import Any

from .nn.containers import ModuleDict, ModuleList, Sequential
from .nn.module import Module
from .nn.tree import Tree


class _Hidden:
    """A name of the description that the native module does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, native: Any, owner: type) -> Any:
        raise AttributeError(
            f"{owner.__name__} is a native module and has no {self.name!r}: "
            "that belongs to the Isomorph net it was lowered from."
        )


def native_class(framework: type, module: Module, namespace: dict[str, Any]) -> type:
    """Return ``class Name(framework, UserClass)`` with the given namespace.

    The user's own methods, `super()` and `isinstance` work in it; what the description's base
    class would add to the framework's module is hidden.
    """
    user = type(module)
    ours = [Tree, Module, ModuleList, ModuleDict, Sequential]
    kept = {
        "_is_native",
        "__setattr__",
        "__delattr__",
        "__iter__",
        "__len__",
        "__getitem__",
        "__contains__",
        "keys",
        "values",
        "items",
        "forward",
    }
    theirs = [cls for cls in framework.__mro__ if cls is not object]
    own = [cls for cls in user.__mro__ if cls not in ours and cls is not object]
    hidden: dict[str, Any] = {}
    for name in {name for cls in ours if issubclass(user, cls) for name in vars(cls)}:
        if name in kept or any(name in vars(cls) for cls in (*theirs, *own)):
            continue
        hidden[name] = vars(object)[name] if name in vars(object) else _Hidden(name)
    for name in ("__module__", "__doc__", "__qualname__", "__dict__", "__weakref__", "__annotations__"):
        hidden.pop(name, None)
    about = {"__module__": user.__module__, "__qualname__": user.__qualname__, "__doc__": user.__doc__}
    return type(user.__name__, (framework, user), {**hidden, **about, "_is_native": True, **namespace})

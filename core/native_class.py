"""Classes that are a framework's module and the user's at once."""

from __future__ import annotations

import weakref
from typing import Any

from .tree import CLASS_CHANGED, Tree


class _Hidden:
    """A name of the description that the native module does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, native: Any, owner: type) -> Any:
        raise AttributeError(
            f"{owner.__name__} is a native module and has no {self.name!r}: "
            "that belongs to the Isomorph net it was lowered from."
        )


def native_class(
    framework: type, module: Tree, namespace: dict[str, Any], calls: tuple[str, ...] = ()
) -> type:
    """Return ``class Name(framework, UserClass)`` with the given namespace.

    The user's own methods, `super()` and `isinstance` work in it; what the description's base
    class would add to the framework's module is hidden.

    Args:
        framework: The framework's module class, or a backend's subclass of it.
        module: The user's module.
        namespace: What the class has besides.
        calls: Names under which it has the user's `forward`, the present one if it is replaced.
    """
    user: Any = type(module)
    theirs = [cls for cls in framework.__mro__ if cls is not object]
    own = [cls for cls in user.__mro__ if cls not in Tree._describing and cls is not object]
    hidden = _hidden(user, [*theirs, *own])
    if any("__eq__" in vars(cls) for cls in own):  # a dataclass compares its fields, and has no hash
        hidden.update({"__eq__": framework.__eq__, "__hash__": framework.__hash__})
    about = {"__module__": user.__module__, "__qualname__": user.__qualname__, "__doc__": user.__doc__}
    forwards = dict.fromkeys(calls, user.forward)
    made = {**hidden, **about, "_is_native": True, **forwards, **namespace}
    cls: type = type(user)(user.__name__, (framework, user), made)
    _MADE.setdefault(user, []).append((weakref.ref(cls), calls))
    return cls


# What a native class takes over from the description: containers, and what Python itself asks of a class.
_KEPT = frozenset(
    {"_is_native", "_abc_impl", "__setattr__", "__delattr__", "__iter__", "__len__", "__getitem__"}
    | {"__contains__", "keys", "values", "items", "forward", "__abstractmethods__"}
)
# Classes made of each user's class, and the names of its forward in them.
_MADE: weakref.WeakKeyDictionary[type, list[tuple[weakref.ref[type], tuple[str, ...]]]] = (
    weakref.WeakKeyDictionary()
)


def _hidden(user: type, others: list[type]) -> dict[str, Any]:
    """Return what hides the names that only the description has."""
    hidden: dict[str, Any] = {}
    for name in {name for cls in Tree._describing if issubclass(user, cls) for name in vars(cls)}:
        if name not in _KEPT and not any(name in vars(cls) for cls in others):
            hidden[name] = vars(object)[name] if name in vars(object) else _Hidden(name)
    for name in ("__module__", "__doc__", "__qualname__", "__dict__", "__weakref__", "__annotations__"):
        hidden.pop(name, None)
    return hidden


def _renew(changed: type, name: str) -> None:
    """Give the classes made of a changed class its new forward."""
    for user, made in list(_MADE.items()) if name == "forward" else ():
        if issubclass(user, changed):
            for reference, calls in made:
                cls = reference()
                for each in calls if cls is not None else ():
                    setattr(cls, each, user.forward)  # type: ignore[attr-defined]


CLASS_CHANGED.append(_renew)

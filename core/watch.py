"""Python state that a forward reads: plain containers, arrays and objects that attributes hold."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from .errors import StructureError
from .parameter import Parameter
from .tree import INTERNAL, Tree, is_module

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type, types.ModuleType)
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class Watch:
    """What attributes of modules held when this was made.

    >>> class Scaled(nn.Module):
    ...     __module__ = "mine"
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.settings = {"gain": [1.0]}
    >>> net = Scaled()
    >>> watch = Watch([net])
    >>> net.settings["gain"][0] = 2.0
    >>> watch.changed()
    'Scaled.settings'
    """

    def __init__(self, modules: Iterable[Tree]) -> None:
        own = [module for module in modules if _own_classes(type(module))]
        self._places = list(_places(own))
        self._state = self._now()
        self._functions = [(function, function.__code__) for function in _functions(own)]
        self._copies = [copy for _, _, value in self._places for copy in _copies(value)]

    def __bool__(self) -> bool:
        return bool(self._places or self._functions)

    def _now(self) -> list[Hashable]:
        return [frozen(value) for _, _, value in self._places]

    def is_unchanged(self) -> bool:
        """Return whether everything is as it was, the code of forwards too."""
        for function, code in self._functions:
            if function.__code__ is not code:
                return False
        return not self._places or self._now() == self._state

    def changed(self) -> str | None:
        """Return where something changed, None if nothing did."""
        for (label, name, _), before, after in zip(self._places, self._state, self._now()):
            if before != after:
                return f"{label}.{name}"
        return None

    def require_unchanged(self) -> None:
        """Raise `StructureError` where something changed."""
        place = self.changed() if self._places else None
        if place is not None:
            raise StructureError(
                f"forward changes what {place} holds; a compiled call would do so once, or never.\n"
                "  Return the value, pass it in, or keep it in an nn.Buffer and call its update."
            )

    def restore(self) -> None:
        """Give lists, dicts and sets the items that they had."""
        for container, items in self._copies:
            if _items(container) == _items(items):
                continue
            if isinstance(container, list):
                container[:] = items
            else:
                container.clear()
                container.update(items)


def _places(modules: list[Tree]) -> Iterator[tuple[str, str, Any]]:
    """Yield (label, name, value) of what can change in place, in users' modules and their classes."""
    for module in modules:
        for name, value in vars(module).items():
            if name != INTERNAL and _can_change(value):
                yield module.label, name, value
    for cls in dict.fromkeys(cls for module in modules for cls in _own_classes(type(module))):
        for name, value in vars(cls).items():
            if not name.startswith("__") and isinstance(value, (list, dict, set, np.ndarray)):
                yield cls.__name__, name, value


def _functions(modules: list[Tree]) -> list[types.FunctionType]:
    """Return the forwards that users wrote; editors' reloading replaces the code in them."""
    forwards = dict.fromkeys(type(module).forward for module in modules)
    return [each for each in forwards if isinstance(each, types.FunctionType) and not _is_ours(each)]


def _is_ours(value: Any) -> bool:
    return str(value.__module__).partition(".")[0] == "isomorph"


@functools.lru_cache(maxsize=1024)
def _own_classes(kind: type) -> list[type]:
    return [cls for cls in kind.__mro__ if not _is_ours(cls) and cls is not object]


def _can_change(value: Any) -> bool:
    if is_module(value) or isinstance(value, (*_PLAIN, *_CODE, Parameter, np.generic)):
        return False
    if isinstance(value, (tuple, frozenset)):
        return any(map(_can_change, value))
    return isinstance(value, (list, dict, set, np.ndarray)) or _is_record(value)


def _is_record(value: Any) -> bool:
    """Return whether an object is a user's own, whose attributes a forward may read."""
    home = type(value).__module__.partition(".")[0]
    own = home in ("types", "argparse") or home not in sys.stdlib_module_names
    return own and isinstance(getattr(value, "__dict__", None), dict) and not callable(value)


def frozen(value: Any, depth: int = 8) -> Hashable:
    """Return something hashable that differs once a value changed; what is too deep counts by identity."""
    if isinstance(value, _PLAIN):
        return (type(value), value)
    if isinstance(value, types.FunctionType):
        return (id(value), value.__code__)
    if is_module(value) or isinstance(value, Parameter) or depth == 0:
        return id(value)
    if isinstance(value, (list, tuple)):
        return (type(value), *[frozen(each, depth - 1) for each in value])
    if isinstance(value, dict):
        return (dict, *[(id(k), frozen(k, depth - 1), frozen(v, depth - 1)) for k, v in value.items()])
    if isinstance(value, (set, frozenset)):
        return (set, frozenset(map(id, value)))
    if isinstance(value, np.ndarray):
        return (id(value), value.dtype.str, value.shape, value.tobytes())
    return (id(value), frozen(vars(value), depth - 1)) if _is_record(value) else id(value)


def _items(container: Any) -> Any:
    """Return which objects a list, dict or set holds."""
    if isinstance(container, dict):
        return [(id(key), id(value)) for key, value in container.items()]
    return set(map(id, container)) if isinstance(container, set) else list(map(id, container))


def _copies(value: Any, depth: int = 8) -> Iterator[tuple[Any, Any]]:
    """Yield each list, dict and set in a value with a copy of its items."""
    if depth == 0 or is_module(value) or isinstance(value, (*_PLAIN, *_CODE, Parameter, np.ndarray)):
        return
    if isinstance(value, (list, dict, set)):
        yield value, value.copy()
    items = value.values() if isinstance(value, dict) else value
    for each in items if isinstance(value, (list, tuple, dict)) else ():
        yield from _copies(each, depth - 1)

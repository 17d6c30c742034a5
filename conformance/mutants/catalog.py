"""What a mutant is, and where mutants are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from isomorph import registry

HERE = __name__.rpartition(".")[0]
# Faults of the library itself; they show on the reference backend.
CORE = ("defer", "initial", "state", "forwards", "errors", "inferred", "extremes")


class Patch:
    """Changes that can be taken back: attributes of objects, and items of mappings."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], Any]] = []

    def __call__(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a module or class."""
        own, before = name in vars(owner), vars(owner).get(name)
        self._undo.append(lambda: setattr(owner, name, before) if own else delattr(owner, name))
        setattr(owner, name, value)

    def around(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Replace a function by `wrapper(original, *arguments, **named)`."""
        original = getattr(owner, name)

        @wraps(original)
        def changed(*arguments: Any, **named: Any) -> Any:
            return wrapper(original, *arguments, **named)

        self(owner, name, changed)

    def around_all(self, owners: Iterable[Any], name: str, wrapper: Callable[..., Any]) -> None:
        """Replace a function in every module that has it by name."""
        for owner in owners:
            self.around(owner, name, wrapper)

    def item(self, mapping: Any, key: Any, value: Any) -> None:
        """Set an item of a mapping."""
        before = mapping[key]
        self._undo.append(lambda: mapping.__setitem__(key, before))
        mapping[key] = value

    def undo(self) -> None:
        """Take everything back."""
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True)
class Mutant:
    """One fault, and the case that must notice it."""

    name: str
    fault: str
    of: str
    kills: str
    beside: int
    patch: Callable[[Patch], None]

    def facts(self) -> dict[str, Any]:
        """Return all but the patch, as plain data."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "patch"}


_known: dict[str, Mutant] = {}


def mutant(kills: str, beside: int = 2, of: str = registry.DEFAULT) -> Callable[[Any], Any]:
    """Enter a function as a mutant: its name is the mutant's, its docstring the fault.

    Args:
        kills: The case that names the fault; it must fail.
        beside: How many other cases may fail at most; blocked ones don't count.
        of: The backend that it is a mutant of.
    """

    def enter(patch: Callable[[Patch], None]) -> Callable[[Patch], None]:
        name = f"{of}.{patch.__name__.replace('_', '-')}"
        if name in _known:
            raise ValueError(f"two mutants are named {name}")
        _known[name] = Mutant(name, (patch.__doc__ or "").strip().rstrip("."), of, kills, beside, patch)
        return patch

    return enter


def of(backend: str) -> list[Mutant]:
    """Return a backend's mutants; this imports its framework."""
    modules = [f"{HERE}.{name}" for name in CORE] if backend == registry.DEFAULT else []
    package = registry.info(backend).entry_point.module
    modules += [f"{package}.mutants"] if find_spec(f"{package}.mutants") else []
    for module in modules:
        import_module(module)
    return [each for each in _known.values() if each.of == backend]

"""Modules that hold others: their children by name, in a row or under keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True)
class Container:
    """A container of `isomorph.nn`, which no backend may leave out.

    Args:
        name: Its name in `isomorph.nn`, and its kind in data.
        is_keyed: Whether its children have keys of their own; in a row they are numbered.
        is_listed: Whether its constructor takes its children as one list.
    """

    name: str
    is_keyed: bool = False
    is_listed: bool = False

    def children(self, spec: Data) -> Iterator[tuple[str, Data]]:
        """Yield each child's name and data."""
        children = spec["children"]
        yield from children.items() if self.is_keyed else ((str(i), each) for i, each in enumerate(children))


CONTAINERS = {
    each.name: each
    for each in (
        Container("Sequential"),
        Container("ModuleList", is_listed=True),
        Container("ModuleDict", is_keyed=True),
    )
}

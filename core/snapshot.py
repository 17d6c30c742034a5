"""All or nothing: what attributes held, put back when something fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Snapshot:
    """The values that attributes of some objects have now; of lists, the items.

    >>> from types import SimpleNamespace
    >>> net = SimpleNamespace(shape=(3, None), requests=[1])
    >>> kept = Snapshot().keep([net], "shape", "requests")
    >>> net.shape = (3, 4)
    >>> net.requests.append(2)
    >>> kept.restore()
    >>> net.shape, net.requests
    ((3, None), [1])
    """

    def __init__(self) -> None:
        self._kept: list[tuple[Any, str, Any]] = []

    def keep(self, objects: Iterable[Any], *names: str) -> Snapshot:
        """Note these attributes of each object."""
        for each in objects:
            for name in names:
                value = getattr(each, name)
                self._kept.append((each, name, list(value) if isinstance(value, list) else value))
        return self

    def restore(self) -> None:
        """Give each attribute the value it had; lists stay the same objects."""
        for each, name, value in self._kept:
            if isinstance(value, list):
                getattr(each, name)[:] = value
            else:
                setattr(each, name, value)


@contextmanager
def all_or_nothing(snapshot: Snapshot, always: bool = False) -> Iterator[None]:
    """On any exception inside, or always, restore what the snapshot keeps."""
    done = False
    try:
        yield
        done = not always
    finally:
        if not done:
            snapshot.restore()

"""Parameters by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .errors import InvalidArgumentError
from .initialize import compile_pattern
from .parameter import Parameter


class ParameterMapping(Mapping[str, Parameter]):
    """Parameters by dotted path, in order; printing it shows shapes and states.

    >>> net = nn.Sequential(nn.Dense(3), nn.Dense(2))
    >>> net.parameters()
    0.weight  (3, ?)  float32  declared
    0.bias    (3,)    float32  shaped
    1.weight  (2, ?)  float32  declared
    1.bias    (2,)    float32  shaped
    >>> list(net.parameters().select(r".*bias"))
    ['0.bias', '1.bias']
    """

    def __init__(self, items: dict[str, Parameter]) -> None:
        self._items = items

    def __getitem__(self, path: str) -> Parameter:
        if path not in self._items:
            raise InvalidArgumentError.choice("parameters()", "path", list(self._items), path)
        return self._items[path]

    def __contains__(self, path: object) -> bool:
        return path in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def select(self, pattern: str) -> ParameterMapping:
        """Return those whose whole path matches a regular expression."""
        match = compile_pattern(pattern).fullmatch
        return ParameterMapping({path: p for path, p in self._items.items() if match(path)})

    def __repr__(self) -> str:
        rows = [(path, str(p.shape), p.dtype, str(p.state)) for path, p in self._items.items()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
        return "\n".join(lines) if rows else "no parameters"

"""Containers of tensors as the model has them: by kind, with their items by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isomorph.conformance.data import nest, told

TENSOR = "tensor"
_PLAIN = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Nest:
    """A tuple, list, dict, named tuple or data class."""

    kind: str
    items: dict[str, Any]


def read(data: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return what data describe, with each part that is no container made by a function."""
    found = nest(data)
    if found is None:
        return leaf(data)
    kind, items = found
    return Nest(kind, {name: read(each, leaf) for name, each in items.items()})


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return a value with each part that is no container replaced."""
    if not isinstance(value, Nest):
        return leaf(value)
    return Nest(value.kind, {name: mapped(each, leaf) for name, each in value.items.items()})


def parts(value: Any) -> list[Any]:
    """Return every part of a value that is no container, in order."""
    if not isinstance(value, Nest):
        return [value]
    return [part for each in value.items.values() for part in parts(each)]


def tensors(value: Any) -> list[Any]:
    """Return the tensors in a value, in order."""
    return [part for part in parts(value) if not is_plain(part)]


def is_plain(value: Any) -> bool:
    """Whether a part is no tensor; NumPy's numbers are."""
    return type(value) in _PLAIN


def structure(value: Any) -> Any:
    """Return what is around the tensors of a value, as JSON."""
    if not isinstance(value, Nest):
        return told(value) if is_plain(value) else TENSOR
    items = {name: structure(each) for name, each in value.items.items()}
    return {value.kind: list(items.values()) if value.kind in ("tuple", "list") else items}

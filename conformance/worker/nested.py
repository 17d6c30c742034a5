"""Containers of tensors as a user has them, and as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

from isomorph.conformance.data import nest, told


class Pair(NamedTuple):
    """A named tuple."""

    left: Any
    right: Any


@dataclass
class Bundle:
    """A data class."""

    left: Any
    right: Any


# The suite's own containers; a case's script shows their source.
OWN_CONTAINERS: dict[str, Callable[..., Any]] = {"named_tuple": Pair, "dataclass": Bundle}


def made(data: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return what data describe, with each part that is no container made by a function."""
    found = nest(data)
    if found is None:
        return leaf(data)
    kind, described = found
    items = {name: made(each, leaf) for name, each in described.items()}
    if kind in OWN_CONTAINERS:
        return OWN_CONTAINERS[kind](**items)
    return items if kind == "dict" else tuple(items.values()) if kind == "tuple" else list(items.values())


def opened(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return a container's kind and items by name, None for what is none."""
    if is_dataclass(value) and not isinstance(value, type):
        return "dataclass", {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, dict):
        return "dict", value
    if isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", [str(position) for position in range(len(value))])
        kind = "named_tuple" if hasattr(value, "_fields") else type(value).__name__
        return kind, dict(zip(names, value))
    return None


def tensors(value: Any, is_tensor: Callable[[Any], bool]) -> list[Any]:
    """Return the tensors in a value, in order."""
    found = opened(value)
    if found is None:
        return [value] if is_tensor(value) else []
    return [each for item in found[1].values() for each in tensors(item, is_tensor)]


def structure(value: Any, is_tensor: Callable[[Any], bool]) -> Any:
    """Return what is around the tensors of a value, as JSON."""
    found = opened(value)
    if found is None:
        return "tensor" if is_tensor(value) else told(value)
    kind, opened_items = found
    items = {name: structure(each, is_tensor) for name, each in opened_items.items()}
    return {kind: list(items.values()) if kind in ("tuple", "list") else items}

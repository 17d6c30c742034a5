"""Nested arguments and outputs: their tensors in a row, and what is around them.

Tuples, lists, dicts, named tuples and dataclasses are taken apart; anything else that is no tensor
is a static part, kept with its type: `True`, `1` and `1.0` are three.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Structure = Any
"""What is around the tensors of a value: hashable, unless a static part is not."""

LEAF = "tensor"
"""The structure of a single tensor."""


def flatten(value: Any, is_leaf: Callable[[Any], bool]) -> tuple[list[Any], Structure]:
    """Return the leaves of a nested value in order, and the structure around them.

    >>> leaves, structure = flatten({"a": 1.5, "b": [2.5, None]}, lambda v: isinstance(v, float))
    >>> leaves, unflatten(structure, [0, 1])
    ([1.5, 2.5], {'a': 0, 'b': [1, None]})
    """
    leaves: list[Any] = []
    return leaves, _flatten(value, is_leaf, leaves)


def _flatten(value: Any, is_leaf: Callable[[Any], bool], leaves: list[Any]) -> Structure:
    if is_leaf(value):
        leaves.append(value)
        return LEAF
    kind = type(value)
    parts = parts_of(value)
    if parts is None:
        return (None, kind, value)
    keys, items = parts
    return (kind, keys, *[_flatten(each, is_leaf, leaves) for each in items])


def parts_of(value: Any) -> tuple[tuple[Any, ...] | None, list[Any]] | None:
    """Return a container's keys (None if it has none) and items; None for what is no container."""
    if isinstance(value, (tuple, list)):
        return None, list(value)
    if isinstance(value, dict):
        return tuple(value), list(value.values())
    if is_dataclass(value):
        names = tuple(field.name for field in dataclasses.fields(value) if hasattr(value, field.name))
        return names, [getattr(value, name) for name in names]
    return None


def is_dataclass(value: Any) -> bool:
    """Return whether a value is an object of a dataclass that holds data: a module is none."""
    return hasattr(type(value), "__dataclass_fields__") and not hasattr(value, "named_modules")


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """Return the value that `flatten` took apart, with these leaves in it."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is LEAF:
        return next(leaves)
    kind, keys, *rest = structure
    if kind is None:
        return rest[0]
    return _joined(kind, keys, [_unflatten(each, leaves) for each in rest])


def _joined(kind: type, keys: tuple[Any, ...] | None, items: list[Any]) -> Any:
    if keys is None:
        return kind(*items) if hasattr(kind, "_fields") else kind(items)
    if not issubclass(kind, dict):
        joined = object.__new__(kind)
        for name, item in zip(keys, items):
            object.__setattr__(joined, name, item)
        return joined
    joined = kind.__new__(kind)
    dict.update(joined, zip(keys, items))
    return joined


def map_leaves(function: Callable[[Any], Any], value: Any, is_leaf: Callable[[Any], bool]) -> Any:
    """Return a nested value with a function of each leaf in its place."""
    leaves, structure = flatten(value, is_leaf)
    return unflatten(structure, map(function, leaves))


def is_array(value: Any) -> bool:
    """Return whether a value has a shape and a type, as arrays and frameworks' tensors do."""
    if isinstance(value, type):
        return False
    try:
        _ = value.shape, value.dtype
    except (AttributeError, NotImplementedError):  # a symbol may have the names without an answer
        return False
    return True


# What a call is remembered by.

_VALUES = frozenset({type(None), bool, int, str})


def key_by_sizes(inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return what calls that may share a bound call have in common.

    Of tensors the type, the data type and the sizes behind the first; of a vector all. Plain
    values count with their types, floats by their type alone.
    """
    if len(inputs) == 1 and not named:
        return _part_by_sizes(inputs[0])
    return (*map(_part_by_sizes, inputs), *named, *map(_part_by_sizes, named.values()))


def key_by_values(inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return the same with the values of floats: where they are constants of a compiled call."""
    if len(inputs) == 1 and not named:
        return _part_by_values(inputs[0])
    return (*map(_part_by_values, inputs), *named, *map(_part_by_values, named.values()))


def key_by_rank(inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return the same as `key_by_sizes` with the number of axes in place of sizes."""
    if len(inputs) == 1 and not named:
        return _part_by_rank(inputs[0])
    return (*map(_part_by_rank, inputs), *named, *map(_part_by_rank, named.values()))


# A tensor is tried first: it is what most arguments are.


def _part_by_sizes(value: Any) -> Any:
    try:
        shape = value.shape
        return (type(value), shape[1:] if len(shape) > 1 else (shape,), value.dtype)
    except AttributeError:
        kind = type(value)
    if kind is float:
        return kind
    return (kind, value) if kind in _VALUES else _part_of_container(_part_by_sizes, value)


def _part_by_values(value: Any) -> Any:
    try:
        shape = value.shape
        return (type(value), shape[1:] if len(shape) > 1 else (shape,), value.dtype)
    except AttributeError:
        kind = type(value)
    if kind in _VALUES:
        return (kind, value)
    if kind is float:  # one NaN is as good as another
        return (kind, value if value == value else None)
    return _part_of_container(_part_by_values, value)


def _part_by_rank(value: Any) -> Any:
    try:
        return (type(value), value.ndim, value.dtype)
    except AttributeError:
        kind = type(value)
    if kind is float:
        return kind
    return (kind, value) if kind in _VALUES else _part_of_container(_part_by_rank, value)


def _part_of_container(part: Callable[[Any], Any], value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return (kind, *value, *map(part, value.values()))
    if kind is tuple or kind is list:
        return (kind, *map(part, value))
    parts = parts_of(value)
    if parts is None:
        return (kind, value)
    keys, items = parts
    return (kind, keys, *map(part, items))


class Row(list[Any]):
    """Modules of a row that a forward sliced: called one after the other.

    >>> Row([abs, float])(-2)
    2.0
    """

    def __call__(self, x: Any) -> Any:
        """Call each on what the one before returned."""
        for module in self:
            x = module(x)
        return x

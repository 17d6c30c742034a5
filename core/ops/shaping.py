"""Functions that move or regroup elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidArgumentError
from ..framework import Tensor
from .dispatch import table_of


def shape(x: Tensor) -> tuple[Any, ...]:
    """Return the sizes, one per axis: integers, or the framework's own sizes while it traces."""
    sizes: tuple[Any, ...] = table_of(x).shape(x)
    return sizes


def reshape(x: Tensor, shape: Sequence[Any]) -> Tensor:
    """Return the elements in a new shape, in row-major order; one size may be -1."""
    return table_of(x).reshape(x, tuple(shape))


def flatten(x: Tensor, start_axis: int = 1) -> Tensor:
    """Return ``x`` with all axes from `start_axis` on made one, in row-major order.

    A `start_axis` that is the rank itself adds an axis of size one.
    """
    return table_of(x).flatten(x, start_axis)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` with a new axis of size one at this position."""
    return table_of(x).expand_dims(x, axis)


def squeeze(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` without this axis, whose size must be one."""
    return table_of(x).squeeze(x, axis)


def permute_dims(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return ``x`` with its axes in this order."""
    return table_of(x).permute_dims(x, tuple(axes))


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors, of one rank and type, joined along an axis they have."""
    return table_of(*_some("concat", tensors)).concat(tensors, axis)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors, of one shape and type, joined along a new axis."""
    return table_of(*_some("stack", tensors)).stack(tensors, axis)


def split(x: Tensor, sizes: Sequence[int], axis: int = -1) -> list[Tensor]:
    """Return a list of pieces of these sizes along an axis; together they are its whole length."""
    pieces: list[Tensor] = table_of(x).split(x, tuple(sizes), axis)
    return pieces


def pad(x: Tensor, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Return ``x`` with (before, after) elements of a constant added on each axis."""
    return table_of(x).pad(x, tuple((int(before), int(after)) for before, after in widths), value)


def _some(name: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    if not len(tensors):
        raise InvalidArgumentError.of(f"ops.{name}", "tensors", "at least one tensor", tensors)
    return tensors

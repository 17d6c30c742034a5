"""Sums and the like over axes, and products of tensors."""

from __future__ import annotations

from ..framework import Tensor
from .dispatch import table_of


def sum(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """Return the sum over one axis, several, or all (None); integers and truth values in int64."""
    return table_of(x).sum(x, axis, keepdims)


def mean(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """Return the mean over one axis, several, or all (None)."""
    return table_of(x).mean(x, axis, keepdims)


def max(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """Return the greatest element over one axis, several, or all (None)."""
    return table_of(x).max(x, axis, keepdims)


def cumsum(x: Tensor, axis: int) -> Tensor:
    """Return the sum up to each element along an axis; integers and truth values in int64.

    >>> cumsum(numpy.array([[1, 2, 3], [4, 5, 6]]), axis=1).tolist()
    [[1, 3, 6], [4, 9, 15]]
    """
    return table_of(x).cumsum(x, axis)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product over the last two axes; leading axes broadcast."""
    return table_of(a, b).matmul(a, b)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Return a sum of products in Einstein's notation, such as ``"bij,bjk->bik"``.

    The arrow is always there, and each axis has a letter: ``...`` is refused.
    """
    return table_of(*operands).einsum(equation, *operands)

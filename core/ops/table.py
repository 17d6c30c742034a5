"""The table of functions that a backend fills in, and the dispatch on a tensor's own type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

Tensor = Any


class Ops(ABC):
    """One backend's functions; `isomorph.ops` documents what each one means.

    The functions there call these with every argument, by position. Of the tensors at least one is
    the framework's own, tracers and symbols included; in `add` to `where` the other operands may be
    Python numbers. Axes arrive as given, negative or None too, several as a tuple; `shape`, `axes`,
    `sizes` and `widths` as tuples; `dtype` as a name such as ``"float32"`` or ``"bool"``; `tensors`
    as the caller's list or tuple.

    A layer's activation is called by its name with the tensor alone: those that take an option have
    its default here. The type checker finds a missing function.
    """

    # Elementwise, named as in the Array API standard where it has them.
    @abstractmethod
    def add(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def subtract(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def multiply(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def divide(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def pow(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def maximum(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def minimum(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def negative(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def abs(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def exp(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def log(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def sqrt(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def square(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def tanh(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def sigmoid(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def relu(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor: ...
    @abstractmethod
    def gelu(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def silu(self, x: Tensor) -> Tensor: ...
    @abstractmethod
    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor: ...
    @abstractmethod
    def astype(self, x: Tensor, dtype: str) -> Tensor: ...

    # Along an axis.
    @abstractmethod
    def softmax(self, x: Tensor, axis: int = -1) -> Tensor: ...
    @abstractmethod
    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor: ...
    @abstractmethod
    def sum(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...
    @abstractmethod
    def mean(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...
    @abstractmethod
    def max(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...

    # Products.
    @abstractmethod
    def matmul(self, a: Tensor, b: Tensor) -> Tensor: ...
    @abstractmethod
    def einsum(self, equation: str, *operands: Tensor) -> Tensor: ...

    # Shapes.
    @abstractmethod
    def shape(self, x: Tensor) -> tuple[Any, ...]: ...
    @abstractmethod
    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor: ...
    @abstractmethod
    def flatten(self, x: Tensor, start_axis: int) -> Tensor: ...
    @abstractmethod
    def expand_dims(self, x: Tensor, axis: int) -> Tensor: ...
    @abstractmethod
    def squeeze(self, x: Tensor, axis: int) -> Tensor: ...
    @abstractmethod
    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
    @abstractmethod
    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor: ...
    @abstractmethod
    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor: ...
    @abstractmethod
    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]: ...
    @abstractmethod
    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor: ...


_TABLES: dict[type, Ops] = {}


def register(kind: type, table: Ops) -> None:
    """Let tensors of this exact type use this table."""
    _TABLES[kind] = table


def table_of(*tensors: Tensor) -> Ops:
    """Return the table of the first tensor; NumPy's arrays give way to others, numbers to both."""
    plain: Ops | None = None
    for tensor in tensors:
        table = _TABLES.get(type(tensor))
        if table is None:
            if isinstance(tensor, (bool, int, float)) or (plain and not hasattr(tensor, "shape")):
                continue
            table = _registered(tensor)
        if not isinstance(tensor, (np.ndarray, np.generic)):
            return table
        plain = plain or table
    return plain if plain is not None else _table_for(tensors[0])


def _registered(tensor: Tensor) -> Ops:
    table = _table_for(tensor)
    register(type(tensor), table)
    return table


def _table_for(tensor: Tensor) -> Ops:
    from ..registry import ops_of

    return ops_of(tensor)

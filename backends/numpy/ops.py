"""The functions of `isomorph.ops` in NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isomorph.adapter import Array, Ops, Tensor, numpy_dtype

Axes = int | tuple[int, ...] | None


def _float(x: Any) -> Array:
    array = np.asarray(x)
    return array if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array.astype(np.float32)


def _wide(array: Array) -> Array:
    """Return half types in float32, in which they are computed."""
    return array if array.dtype.name in ("float32", "float64") else array.astype(np.float32)


def in_float32(function: Any) -> Any:
    """Let a method compute half types in float32, and round its result alone."""

    @functools.wraps(function)
    def computed(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        array = _float(x)
        return function(self, _wide(array), *args, **kwargs).astype(array.dtype, copy=False)

    return computed


def _sigmoid(x: Array) -> Array:
    # tanh does not overflow where exp(-x) would.
    return (np.tanh(x * 0.5) + 1) * 0.5


def _erf(x: Array) -> Array:
    """The error function to double precision, by `math.erf`."""
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)  # type: ignore[no-any-return]


class NumpyOps(Ops):
    """The functions of `isomorph.ops` in NumPy. Floating types stay what they are."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _same_type(a, b)
        return a + b

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _same_type(a, b)
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _same_type(a, b)
        return a * b

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return (_float(a) if not isinstance(a, (int, float)) else a) / (
            _float(b) if not isinstance(b, (int, float)) else b
        )

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _same_type(a, b)
        return a**b

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return np.maximum(*_same_type(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return np.minimum(*_same_type(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return np.where(condition, *_same_type(a, b))

    def negative(self, x: Tensor) -> Tensor:
        return -x

    def abs(self, x: Tensor) -> Tensor:
        return np.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return np.exp(_float(x))

    def log(self, x: Tensor) -> Tensor:
        return np.log(_float(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return np.sqrt(_float(x))

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def tanh(self, x: Tensor) -> Tensor:
        return np.tanh(_float(x))

    @in_float32
    def sigmoid(self, x: Tensor) -> Tensor:
        return _sigmoid(x)

    def relu(self, x: Tensor) -> Tensor:
        return np.maximum(x, np.zeros((), np.asarray(x).dtype))

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return np.where(x > 0, x, x * np.asarray(negative_slope, _float(x).dtype))

    @in_float32
    def gelu(self, x: Tensor) -> Tensor:
        return x * ((_erf(x / np.asarray(math.sqrt(2), x.dtype)) + 1) * np.asarray(0.5, x.dtype))

    @in_float32
    def silu(self, x: Tensor) -> Tensor:
        return x * _sigmoid(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return np.asarray(x).clip(low, high) if low is not None or high is not None else x

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return np.asarray(x).astype(numpy_dtype(dtype))

    @in_float32
    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        powers = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
        return powers / powers.sum(axis, keepdims=True)

    @in_float32
    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        shifted = x - x.max(axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        array = np.asarray(x)
        if array.dtype.kind in "iub":
            return np.sum(array, axis=axis, keepdims=keepdims, dtype=np.int64)
        return np.sum(_wide(array), axis=axis, keepdims=keepdims).astype(array.dtype, copy=False)

    @in_float32
    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return np.mean(x, axis=axis, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return np.max(x, axis=axis, keepdims=keepdims)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        array = np.asarray(x)
        if array.dtype.kind in "iub":
            return np.cumsum(array, axis, np.int64)
        return np.cumsum(_wide(array), axis).astype(array.dtype, copy=False)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return np.matmul(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return np.einsum(equation, *operands)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(np.shape(x))

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return np.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return flat(x, start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return np.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return np.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return np.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return np.concatenate(tensors, axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return np.stack(tensors, axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(np.split(x, np.cumsum(sizes)[:-1], axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return np.pad(x, widths, constant_values=value)


def _same_type(a: Any, b: Any) -> tuple[Any, Any]:
    """Let a Python number take the other operand's type, as in NumPy 2 on every version.

    Two numbers are single precision if one of them is a float.
    """
    if not hasattr(a, "dtype") and not hasattr(b, "dtype"):
        return (np.float32(a), np.float32(b)) if isinstance(a, float) or isinstance(b, float) else (a, b)
    if isinstance(a, (int, float)) and hasattr(b, "dtype"):
        if isinstance(a, float) and b.dtype.kind in "iub":
            b = b.astype(np.float32)
        a = np.asarray(a, b.dtype)
    elif isinstance(b, (int, float)) and hasattr(a, "dtype"):
        b, a = _same_type(b, a)
    return a, b


def flat(x: Array, start: int) -> Array:
    """Return the array with all axes from `start` on made one."""
    start = start + x.ndim if start < 0 else start
    return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))

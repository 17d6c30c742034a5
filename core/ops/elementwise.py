"""Elementwise functions, and the two softmaxes."""

from __future__ import annotations

from ..framework import Tensor
from ..tensor import dtype_name
from .dispatch import table_of


def add(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a + b``."""
    return table_of(a, b).add(a, b)


def subtract(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a - b``."""
    return table_of(a, b).subtract(a, b)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a * b``."""
    return table_of(a, b).multiply(a, b)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a / b`` in floating point."""
    return table_of(a, b).divide(a, b)


def pow(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a`` to the power ``b``."""
    return table_of(a, b).pow(a, b)


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """Return the greater of two, element by element."""
    return table_of(a, b).maximum(a, b)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """Return the lesser of two, element by element."""
    return table_of(a, b).minimum(a, b)


def where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a`` where the condition holds, ``b`` elsewhere; the three broadcast.

    The condition is a tensor of truth values; either of the others may be a number.
    """
    return table_of(condition, a, b).where(condition, a, b)


def negative(x: Tensor) -> Tensor:
    """Return ``-x``."""
    return table_of(x).negative(x)


def abs(x: Tensor) -> Tensor:
    """Return the absolute value."""
    return table_of(x).abs(x)


def exp(x: Tensor) -> Tensor:
    """Return e to the power ``x``."""
    return table_of(x).exp(x)


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return table_of(x).log(x)


def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""
    return table_of(x).sqrt(x)


def square(x: Tensor) -> Tensor:
    """Return ``x * x``."""
    return table_of(x).square(x)


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return table_of(x).tanh(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-x))``, computed without overflow."""
    return table_of(x).sigmoid(x)


def relu(x: Tensor) -> Tensor:
    """Return ``max(x, 0)``."""
    return table_of(x).relu(x)


def gelu(x: Tensor) -> Tensor:
    """Return ``x * Phi(x)``, Phi the normal distribution's, by the exact error function.

    Source: Hendrycks and Gimpel, arXiv:1606.08415, without the tanh approximation.
    """
    return table_of(x).gelu(x)


def silu(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)`` (also called swish)."""
    return table_of(x).silu(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return ``x`` where it is positive, ``negative_slope * x`` elsewhere."""
    return table_of(x).leaky_relu(x, negative_slope)


def clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """Return ``x`` held between two bounds; None leaves a side open."""
    return table_of(x).clip(x, low, high)


def astype(x: Tensor, dtype: str) -> Tensor:
    """Return ``x`` converted to the data type of this name, such as ``"float32"``."""
    return table_of(x).astype(x, dtype_name(dtype))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return ``exp(x)`` divided by its sum over the axis, computed without overflow."""
    return table_of(x).softmax(x, axis)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of `softmax`, computed without overflow."""
    return table_of(x).log_softmax(x, axis)

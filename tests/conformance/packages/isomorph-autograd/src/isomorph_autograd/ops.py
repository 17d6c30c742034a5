"""The functions of `isomorph.ops` in autograd."""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as np
from autograd.scipy.special import erf

from isomorph.init.streams import numpy_dtype
from isomorph.ops import Ops


def floating(x: Any) -> Any:
    """Return a tensor of whole numbers in single precision, anything else as it is."""
    return x.astype("float32") if hasattr(x, "dtype") and x.dtype.kind in "iub" else x


def numbered(a: Any, b: Any) -> tuple[Any, Any]:
    """Return both; whole numbers that meet a Python float become floating."""
    return floating(a) if isinstance(b, float) else a, floating(b) if isinstance(a, float) else b


def alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Return both as tensors: a number takes the other's type."""
    a, b = numbered(a, b)
    alone = "float32" if isinstance(a, float) or isinstance(b, float) else "int64"
    kind = getattr(a, "dtype", getattr(b, "dtype", alone))
    return a if hasattr(a, "dtype") else np.array(a, kind), b if hasattr(b, "dtype") else np.array(b, kind)


class AutogradOps(Ops):
    """The functions of `isomorph.ops`: autograd's own where the semantics are the same."""

    negative = staticmethod(np.negative)
    abs = staticmethod(np.abs)
    matmul = staticmethod(np.matmul)
    einsum = staticmethod(np.einsum)
    shape = staticmethod(np.shape)
    reshape = staticmethod(np.reshape)
    expand_dims = staticmethod(np.expand_dims)
    squeeze = staticmethod(np.squeeze)
    permute_dims = staticmethod(np.transpose)
    concat = staticmethod(np.concatenate)
    stack = staticmethod(np.stack)

    def add(self, a, b):
        a, b = numbered(a, b)
        return a + b

    def subtract(self, a, b):
        a, b = numbered(a, b)
        return a - b

    def multiply(self, a, b):
        a, b = numbered(a, b)
        return a * b

    def divide(self, a, b):
        return floating(a) / floating(b)

    def pow(self, a, b):
        a, b = numbered(a, b)
        return a**b

    def maximum(self, a, b):
        return np.maximum(*alike(a, b))

    def minimum(self, a, b):
        return np.minimum(*alike(a, b))

    def where(self, condition, a, b):
        return np.where(condition, *alike(a, b))

    def exp(self, x):
        return np.exp(floating(x))

    def log(self, x):
        return np.log(floating(x))

    def sqrt(self, x):
        return np.sqrt(floating(x))

    def square(self, x):
        return x * x

    def tanh(self, x):
        return np.tanh(floating(x))

    def sigmoid(self, x):
        return (np.tanh(floating(x) * 0.5) + 1) * 0.5

    def relu(self, x):
        return np.where(x <= 0, np.array(0, x.dtype), x)

    def leaky_relu(self, x, negative_slope=0.01):
        return np.where(x > 0, x, x * negative_slope)

    def gelu(self, x):
        x = floating(x)
        return x * (erf(x / math.sqrt(2)).astype(x.dtype) + 1) * 0.5

    def silu(self, x):
        return x * self.sigmoid(x)

    def clip(self, x, low, high):
        return x if low is None and high is None else np.clip(x, low, high)

    def astype(self, x, dtype):
        return x.astype(numpy_dtype(dtype))

    def softmax(self, x, axis=-1):
        powers = np.exp(x - np.max(x, axis, keepdims=True))
        return powers / np.sum(powers, axis, keepdims=True)

    def log_softmax(self, x, axis=-1):
        shifted = x - np.max(x, axis, keepdims=True)
        return shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))

    def sum(self, x, axis, keepdims):
        return np.sum(x.astype("int64") if x.dtype.kind in "iub" else x, axis=axis, keepdims=keepdims)

    def mean(self, x, axis, keepdims):
        return np.mean(floating(x), axis=axis, keepdims=keepdims)

    def max(self, x, axis, keepdims):
        return np.max(x, axis=axis, keepdims=keepdims)

    def flatten(self, x, start_axis):
        start = range(x.ndim + 1)[start_axis] if start_axis >= 0 else start_axis + x.ndim
        return np.reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))

    def split(self, x, sizes, axis):
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        before = (slice(None),) * (axis % x.ndim)
        return [x[(*before, slice(end - size, end))] for size, end in zip(sizes, ends)]

    def pad(self, x, widths, value):
        return np.pad(x, widths, "constant", constant_values=value)

"""The functions of `isomorph.ops`: autograd's own where they mean the same."""

from __future__ import annotations

import math
import operator

import autograd.numpy as np
from autograd.scipy.special import erf

from isomorph.adapter import Ops, numpy_dtype


def floating(x):
    """Return a tensor of whole numbers in single precision, anything else as it is."""
    return x.astype("float32") if hasattr(x, "dtype") and x.dtype.kind in "iub" else x


def numbered(a, b):
    """Return both; whole numbers that meet a Python float become floating."""
    return floating(a) if isinstance(b, float) else a, floating(b) if isinstance(a, float) else b


def alike(a, b):
    """Return both as tensors: a number takes the other's type."""
    a, b = numbered(a, b)
    alone = "float32" if isinstance(a, float) or isinstance(b, float) else "int64"
    kind = getattr(a, "dtype", getattr(b, "dtype", alone))
    return a if hasattr(a, "dtype") else np.array(a, kind), b if hasattr(b, "dtype") else np.array(b, kind)


def of_two(function, prepare=numbered):
    """Return a function of two operands that are brought to one type first."""
    return lambda self, a, b: function(*prepare(a, b))


def of_floats(function):
    """Return a function that computes in floating point."""
    return lambda self, x: function(floating(x))


class AutogradOps(Ops):
    """The table of functions."""

    # A number is brought to the tensor's type: beside a single number NumPy 1.26 would widen both.
    add, subtract = of_two(operator.add, alike), of_two(operator.sub, alike)
    multiply, pow = of_two(operator.mul, alike), of_two(operator.pow)
    divide = of_two(operator.truediv, lambda a, b: (floating(a), floating(b)))
    maximum, minimum = of_two(np.maximum, alike), of_two(np.minimum, alike)
    exp, log, sqrt, tanh = map(of_floats, (np.exp, np.log, np.sqrt, np.tanh))
    gelu = of_floats(lambda x: x * (erf(x / math.sqrt(2)).astype(x.dtype) + 1) * 0.5)
    negative, abs = map(staticmethod, (np.negative, np.abs))
    matmul, einsum, shape, reshape = map(staticmethod, (np.matmul, np.einsum, np.shape, np.reshape))
    expand_dims, squeeze, permute_dims = map(staticmethod, (np.expand_dims, np.squeeze, np.transpose))
    concat = staticmethod(np.concatenate)

    def where(self, condition, a, b):
        return np.where(condition, *alike(a, b))

    def relu(self, x):
        return np.where(x <= 0, np.array(0, x.dtype), x)

    def clip(self, x, low, high):
        return x if low is None and high is None else np.clip(x, low, high)

    def astype(self, x, dtype):
        return x.astype(numpy_dtype(dtype))

    def softmax(self, x, axis=-1):
        return np.exp(self.log_softmax(x, axis))

    def log_softmax(self, x, axis=-1):
        shifted = x - (np.max(x, axis, keepdims=True) if x.size else 0)
        return shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))

    def sum(self, x, axis, keepdims):
        return np.sum(x.astype("int64") if x.dtype.kind in "iub" else x, axis, keepdims=keepdims)

    def mean(self, x, axis, keepdims):
        return np.mean(floating(x), axis, keepdims=keepdims)

    def max(self, x, axis, keepdims):
        return np.max(x, axis, keepdims=keepdims)

    def flatten(self, x, start_axis):
        kept = x.shape[: start_axis + x.ndim if start_axis < 0 else start_axis]
        return np.reshape(x, (*kept, math.prod(x.shape[len(kept) :])))

    def split(self, x, sizes, axis):
        return list(np.split(x, np.cumsum(sizes)[:-1], axis))

    def pad(self, x, widths, value):
        return np.pad(x, widths, "constant", constant_values=value)

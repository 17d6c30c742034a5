"""The functions of `isomorph.ops` in TensorFlow, and on the symbols of Keras's functional API."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from isomorph.adapter import FUNCTIONS, Ops, Tensor, promote

from .framework import keras, tf

_NUMBERS = (bool, int, float)


def _tensor(x: Any) -> Any:
    return x if isinstance(x, tf.Tensor) else tf.convert_to_tensor(x)


def _floating(x: Any) -> Any:
    x = _tensor(x)
    return x if x.dtype.is_floating else tf.cast(x, tf.float32)


def _alike(tensors: Sequence[Any]) -> list[Any]:
    """Return tensors of one type, the one they promote to."""
    tensors = [_tensor(x) for x in tensors]
    names = {x.dtype.name for x in tensors}
    return tensors if len(names) == 1 else [tf.cast(x, promote(*names)) for x in tensors]


def _pair(a: Any, b: Any) -> Sequence[Any]:
    """Return two operands of one type; a Python number takes the other's."""
    if isinstance(b, _NUMBERS):
        a = _floating(a) if isinstance(b, float) else _tensor(a)
        # tf.cast alone would round a Python number to float32 first.
        return a, tf.cast(b, a.dtype) if isinstance(b, bool) else tf.convert_to_tensor(b, a.dtype)
    return _pair(b, a)[::-1] if isinstance(a, _NUMBERS) else _alike((a, b))


def sizes_of(x: Any) -> tuple[Any, ...]:
    """Return sizes as integers where they are known, else as entries of `tf.shape`."""
    static = x.shape.as_list()
    if None not in static:
        return tuple(static)
    dynamic = tf.shape(x)
    return tuple(dynamic[axis] if size is None else size for axis, size in enumerate(static))


def flatten_from(x: Any, start_axis: int) -> Any:
    """Return a tensor with all axes from `start_axis` on made one."""
    sizes = sizes_of(x)
    start = start_axis if start_axis == len(sizes) else start_axis % len(sizes)
    return tf.reshape(x, (*sizes[:start], math.prod(sizes[start:])))


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, a, b: function(*_pair(a, b))


def _floated(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, x: function(_floating(x))


class TensorFlowOps(Ops):
    """The functions of `isomorph.ops` in TensorFlow."""

    add = _binary(tf.add)
    subtract = _binary(tf.subtract)
    multiply = _binary(tf.multiply)
    pow = _binary(tf.pow)
    maximum = _binary(tf.maximum)
    minimum = _binary(tf.minimum)
    exp = _floated(tf.exp)
    log = _floated(tf.math.log)
    sqrt = _floated(tf.sqrt)
    tanh = _floated(tf.tanh)
    sigmoid = _floated(tf.sigmoid)
    silu = _floated(tf.nn.silu)
    negative = staticmethod(tf.negative)
    abs = staticmethod(tf.abs)
    square = staticmethod(tf.square)
    relu = staticmethod(tf.nn.relu)
    astype = staticmethod(tf.cast)
    reshape = staticmethod(tf.reshape)
    expand_dims = staticmethod(tf.expand_dims)
    permute_dims = staticmethod(tf.transpose)

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _pair(a, b)
        return tf.divide(_floating(a), _floating(b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return tf.where(tf.cast(condition, tf.bool), *_pair(a, b))

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        x = _floating(x)
        if x.dtype == tf.float64:  # TensorFlow 2.21 holds the slope in float32
            return tf.where(x > 0, x, x * negative_slope)
        return tf.nn.leaky_relu(x, negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        x = _floating(x)
        if x.dtype == tf.float64:  # TensorFlow 2.21 holds the square root of 2 in float32
            return x * 0.5 * (tf.math.erf(x * 0.5**0.5) + 1)
        return tf.nn.gelu(x, approximate=False)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        x = _tensor(x)
        x = x if low is None else tf.maximum(x, tf.cast(low, x.dtype))
        return x if high is None else tf.minimum(x, tf.cast(high, x.dtype))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return tf.nn.softmax(_floating(x), axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return tf.nn.log_softmax(_floating(x), axis)

    def sum(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        x = _tensor(x)
        whole = x if x.dtype.is_floating else tf.cast(x, tf.int64)
        return tf.reduce_sum(whole, axis, keepdims)

    def mean(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return tf.reduce_mean(_floating(x), axis, keepdims)

    def max(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return tf.reduce_max(x, axis, keepdims)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        return tf.cumsum(x if _tensor(x).dtype.is_floating else tf.cast(x, tf.int64), axis)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _alike((a, b))
        rows, columns = len(a.shape) == 1, len(b.shape) == 1
        y = tf.matmul(a[None] if rows else a, b[:, None] if columns else b)
        y = tf.squeeze(y, [-2]) if rows else y
        return tf.squeeze(y, [-1]) if columns else y

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return tf.einsum(equation, *_alike(operands))

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return sizes_of(_tensor(x))

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return flatten_from(_tensor(x), start_axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return tf.squeeze(x, [axis])

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return tf.concat(_alike(tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return tf.stack(_alike(tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(tf.split(x, sizes, axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        x = _tensor(x)
        return tf.pad(x, widths, constant_values=tf.cast(value, x.dtype))


def _symbolic(name: str) -> Callable[..., Any]:
    """Return a function of the table as a layer of Keras's functional API."""

    def function(self: Ops, *arguments: Any) -> Any:
        leaves = tf.nest.flatten(arguments)
        symbols = [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]

        def compute(tensors: list[Any]) -> Any:
            given = iter(tensors)
            filled = [next(given) if isinstance(leaf, keras.KerasTensor) else leaf for leaf in leaves]
            return getattr(TensorFlowOps(), name)(*tf.nest.pack_sequence_as(arguments, filled))

        return keras.layers.Lambda(compute, autocast=False)(symbols)

    return function


class SymbolicOps(TensorFlowOps):
    """The same functions on the symbolic tensors of Keras's functional API."""

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(x.shape)


for _name in sorted(FUNCTIONS - {"shape"}):
    setattr(SymbolicOps, _name, _symbolic(_name))

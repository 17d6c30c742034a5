"""The functions of `isomorph.ops` in JAX."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from isomorph.adapter import Ops, Tensor

from .framework import require_x64
from .values import plain

Axes = int | tuple[int, ...] | None


def _floating(x: Any) -> Any:
    """Return integers as float32, whatever jax_enable_x64 says; other values as they are."""
    is_whole = hasattr(x, "dtype") and not jnp.issubdtype(x.dtype, jnp.floating)
    return jnp.asarray(x, jnp.float32) if is_whole else x


def _of_floats(function: Any) -> Any:
    """Return a function that takes integers as float32: JAX's make them float64 under x64."""

    @functools.wraps(function)
    def on_floats(x: Any, *options: Any, **named: Any) -> Any:
        return function(_floating(x), *options, **named)

    return staticmethod(on_floats)


def _on_buffers(table: Any) -> Any:
    """Let a table's functions take a buffer that a forward may update as the array it is now."""
    for name, function in list(vars(table).items()):
        if not name.startswith("_"):
            is_static = isinstance(function, staticmethod)
            reading = _reading(function.__func__ if is_static else function)
            setattr(table, name, staticmethod(reading) if is_static else reading)
    return table


def _reading(function: Any) -> Any:
    @functools.wraps(function)
    def on_arrays(*args: Any, **named: Any) -> Any:
        return function(*map(plain, args), **named)

    return on_arrays


@_on_buffers
class JaxOps(Ops):
    """The functions of `isomorph.ops` in JAX."""

    # Those that mean the same in JAX.
    add = staticmethod(jnp.add)
    subtract = staticmethod(jnp.subtract)
    multiply = staticmethod(jnp.multiply)
    maximum = staticmethod(jnp.maximum)
    minimum = staticmethod(jnp.minimum)
    where = staticmethod(jnp.where)
    negative = staticmethod(jnp.negative)
    abs = staticmethod(jnp.abs)
    square = staticmethod(jnp.square)
    relu = staticmethod(jax.nn.relu)
    clip = staticmethod(jnp.clip)
    matmul = staticmethod(jnp.matmul)
    einsum = staticmethod(jnp.einsum)
    shape = staticmethod(jnp.shape)
    reshape = staticmethod(jnp.reshape)
    expand_dims = staticmethod(jnp.expand_dims)
    squeeze = staticmethod(jnp.squeeze)
    permute_dims = staticmethod(jnp.transpose)

    exp = _of_floats(jnp.exp)
    log = _of_floats(jnp.log)
    sqrt = _of_floats(jnp.sqrt)
    tanh = _of_floats(jnp.tanh)
    sigmoid = _of_floats(jax.nn.sigmoid)
    leaky_relu = _of_floats(jax.nn.leaky_relu)
    silu = _of_floats(jax.nn.silu)
    softmax = _of_floats(jax.nn.softmax)
    log_softmax = _of_floats(jax.nn.log_softmax)

    def gelu(self, x: Tensor) -> Tensor:
        return jax.nn.gelu(_floating(x), approximate=False)

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.divide(_floating(a), _floating(b))

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return a**b

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return jnp.mean(_floating(x), axis, keepdims=keepdims)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        # JAX's own default: integers sum in its widest type, which is 32 bits unless x64 is on.
        whole = not jnp.issubdtype(x.dtype, jnp.floating)
        return jnp.sum(x, axis, None if whole else x.dtype, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return jnp.max(x, axis, keepdims=keepdims)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        return jnp.cumsum(x, axis, x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else int)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        if dtype == "float64":
            require_x64()
        return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(dtype))

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        start = start_axis + x.ndim if start_axis < 0 else start_axis
        return jnp.reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return jnp.concatenate([*map(plain, tensors)], axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return jnp.stack([*map(plain, tensors)], axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return jnp.split(x, np.cumsum(sizes)[:-1].tolist(), axis)

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return jnp.pad(x, widths, constant_values=value)

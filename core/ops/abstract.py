"""The table for tensors without values: every function answers with a shape and a type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ForwardError
from ..framework import Ops, Tensor, register
from ..shape import Dim, Size, broadcast, format_shape, product
from ..tensor import FLOATS, TensorSpec, as_spec, elementwise, matmul_spec, promote


def normal_axis(x: TensorSpec, axis: int, extra: int = 0) -> int:
    """Return the axis counted from the front; raises `ForwardError` outside the rank."""
    rank = x.ndim + extra
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ForwardError(f"axis {axis} is out of range for the shape {format_shape(x.shape)}.")
    return axis % rank


def _floating(x: Tensor) -> TensorSpec:
    spec = as_spec(x)
    return spec if spec.dtype in (*FLOATS, None) else spec.astype("float32")


class AbstractOps(Ops):
    """Shape rules, symbolic sizes included."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("add", a, b)

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("subtract", a, b)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("multiply", a, b)

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("pow", a, b)

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("maximum", a, b)

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("minimum", a, b)

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return elementwise("divide", a, b, floating=True)

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        values = elementwise("where", a, b)
        return values.with_shape(broadcast(as_spec(condition).shape, values.shape))

    def abs(self, x: Tensor) -> Tensor:
        return as_spec(x)

    negative = square = relu = abs

    def exp(self, x: Tensor) -> Tensor:
        return _floating(x)

    log = sqrt = tanh = sigmoid = gelu = silu = exp

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return _floating(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return as_spec(x)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return as_spec(x).astype(dtype)

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        normal_axis(as_spec(x), axis)
        return _floating(x)

    log_softmax = softmax

    def sum(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        spec = as_spec(x)
        axes = range(spec.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        gone = {normal_axis(spec, each) for each in axes}
        sizes = [1 if i in gone else size for i, size in enumerate(spec.shape) if keepdims or i not in gone]
        whole = spec.dtype not in (*FLOATS, None)
        return TensorSpec(sizes, "int64" if whole else spec.dtype)

    def max(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return self.sum(x, axis, keepdims).astype(as_spec(x).dtype)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        normal_axis(as_spec(x), axis)
        return as_spec(x).astype(self.sum(x, axis, False).dtype)

    def mean(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return self.sum(_floating(x), axis, keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return matmul_spec(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        specs = [as_spec(operand) for operand in operands]
        inputs, arrow, output = equation.replace(" ", "").partition("->")
        terms = inputs.split(",")
        if not arrow or "." in equation or len(terms) != len(specs):
            raise ForwardError(
                f"einsum {equation!r} needs an explicit '->', no '...' and {len(specs)} operands."
            )
        sizes: dict[str, Size] = {}
        for term, spec in zip(terms, specs):
            if len(term) != spec.ndim:
                raise ForwardError(f"einsum {equation!r}: {term!r} does not fit {format_shape(spec.shape)}.")
            for letter, size in zip(term, spec.shape):
                known = sizes.setdefault(letter, size)
                if known != size and isinstance(known, int) and isinstance(size, int):
                    raise ForwardError(f"einsum {equation!r}: {letter!r} is {known} and {size}.")
        if set(output) - set(sizes):
            raise ForwardError(f"einsum {equation!r}: the output names an unknown axis.")
        return TensorSpec((sizes[letter] for letter in output), promote(*(s.dtype for s in specs)))

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return as_spec(x).shape

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        spec = as_spec(x)
        total = product(spec.shape)
        rest = product(size for size in shape if not (isinstance(size, int) and size == -1))
        free = sum(isinstance(size, int) and size == -1 for size in shape)
        fits = free < 2
        if isinstance(total, int) and isinstance(rest, int):
            fits = fits and (total == rest if not free else rest > 0 and total % rest == 0)
        if not fits:
            raise ForwardError(f"cannot reshape {format_shape(spec.shape)} to {format_shape(shape)}.")
        missing = total // rest if free else 0
        return spec.with_shape(missing if isinstance(s, int) and s == -1 else s for s in shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        spec = as_spec(x)
        start = start_axis if start_axis == spec.ndim else normal_axis(spec, start_axis)
        return spec.with_shape((*spec.shape[:start], product(spec.shape[start:])))

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        spec = as_spec(x)
        at = normal_axis(spec, axis, extra=1)
        return spec.with_shape((*spec.shape[:at], 1, *spec.shape[at:]))

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        spec = as_spec(x)
        at = normal_axis(spec, axis)
        if spec.shape[at] != 1:
            raise ForwardError(
                f"cannot squeeze axis {axis} of {format_shape(spec.shape)}: its size is not 1."
            )
        return spec.with_shape((*spec.shape[:at], *spec.shape[at + 1 :]))

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        spec = as_spec(x)
        order = [normal_axis(spec, axis) for axis in axes]
        if sorted(order) != list(range(spec.ndim)):
            raise ForwardError(
                f"permute_dims needs each axis of {format_shape(spec.shape)} once, got {axes}."
            )
        return spec.with_shape(spec.shape[axis] for axis in order)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        specs = [as_spec(tensor) for tensor in tensors]
        at = normal_axis(specs[0], axis)
        total: Size = 0
        for spec in specs:
            same = spec.ndim == specs[0].ndim and all(
                i == at or a == b or isinstance(a, Dim) or isinstance(b, Dim)
                for i, (a, b) in enumerate(zip(spec.shape, specs[0].shape))
            )
            if not same:
                raise ForwardError(
                    f"cannot concat {format_shape(specs[0].shape)} and {format_shape(spec.shape)} "
                    f"along axis {axis}."
                )
            total = total + spec.shape[at]
        shape = (*specs[0].shape[:at], total, *specs[0].shape[at + 1 :])
        return TensorSpec(shape, promote(*(spec.dtype for spec in specs)))

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.concat([self.expand_dims(tensor, axis) for tensor in tensors], axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        spec = as_spec(x)
        at = normal_axis(spec, axis)
        if isinstance(spec.shape[at], int) and math.fsum(sizes) != spec.shape[at]:
            raise ForwardError(
                f"split sizes {sizes} do not add up to axis {axis} of {format_shape(spec.shape)}."
            )
        return [spec.with_shape((*spec.shape[:at], size, *spec.shape[at + 1 :])) for size in sizes]

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        spec = as_spec(x)
        if len(widths) != spec.ndim:
            raise ForwardError(
                f"pad needs a (before, after) pair for each axis of {format_shape(spec.shape)}."
            )
        return spec.with_shape(size + before + after for size, (before, after) in zip(spec.shape, widths))


ABSTRACT = AbstractOps()
register(TensorSpec, ABSTRACT)

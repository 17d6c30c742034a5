"""What every function of `isomorph.ops` returns: values in double precision, and the type.

Names and meaning are the Array API standard's where it has them, PyTorch's otherwise. A function
takes its arrays (and plain numbers) one by one and its options by name; operators are here under
their names in Python's `operator`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from isomorph.conformance.data import index as decoded
from isomorph.conformance.data import numpy_dtype
from isomorph.conformance.layers import activations

Array = npt.NDArray[Any]
Axes = int | Sequence[int] | None
Type = str | type[bool] | type[int] | type[float]

FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


def _wide(x: Any) -> Any:
    """Return floating arrays in double precision; integers, truth values and numbers as they are."""
    if isinstance(x, np.ndarray) and x.dtype.kind not in "iub":
        return x.astype(np.float64)
    return x


def _axes(axis: Axes) -> Any:
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


def _sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    total = np.int64 if x.dtype.kind in "iub" else np.float64
    return np.asarray(x.sum(_axes(axis), dtype=total, keepdims=keepdims))


def _mean(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    summed = _sum(x, axis, keepdims)
    return summed / (x.size // summed.size)


def _max(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    return np.asarray(x.max(_axes(axis), keepdims=keepdims))


def _cumsum(x: Array, axis: int) -> Array:
    upto = range(1, x.shape[axis] + 1)
    return np.stack([_sum(np.take(x, np.arange(count), axis), axis) for count in upto], axis)


def _clip(x: Array, low: float | None = None, high: float | None = None) -> Array:
    x = x if low is None else np.where(x < low, low, x)
    return x if high is None else np.where(x > high, high, x)


def _astype(x: Array, dtype: str) -> Array:
    if dtype == "bool":
        return np.not_equal(x, 0)
    return x.astype(numpy_dtype(dtype))


def _flatten(x: Array, start_axis: int = 1) -> Array:
    start = start_axis % x.ndim
    return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))


def _split(x: Array, sizes: Sequence[int], axis: int = -1) -> list[Array]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [np.take(x, np.arange(end - size, end), axis) for size, end in zip(sizes, ends)]


def _pad(x: Array, widths: Sequence[Sequence[int]], value: float = 0.0) -> Array:
    sizes = [before + size + after for (before, after), size in zip(widths, x.shape)]
    padded = np.full(sizes, value, x.dtype)
    padded[tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape))] = x
    return padded


_PLAIN: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "maximum": lambda a, b: np.where(np.greater(a, b), a, b),
    "minimum": lambda a, b: np.where(np.less(a, b), a, b),
    "where": np.where,
    "negative": lambda x: -x,
    "abs": lambda x: np.where(x < 0, -x, x),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": lambda x: x * x,
    "tanh": np.tanh,
    "sigmoid": activations.sigmoid,
    "relu": lambda x: np.where(x > 0, x, np.zeros_like(x)),
    "gelu": activations.gelu,
    "silu": lambda x: x * activations.sigmoid(x),
    "leaky_relu": activations.leaky_relu,
    "clip": _clip,
    "astype": _astype,
    "softmax": lambda x, axis=-1: activations.softmax(x, axis),
    "log_softmax": lambda x, axis=-1: activations.log_softmax(x, axis),
    "sum": _sum,
    "mean": _mean,
    "max": _max,
    "cumsum": _cumsum,
    "matmul": np.matmul,
    "einsum": lambda *operands, equation: np.einsum(equation, *operands),
    "shape": lambda x: tuple(x.shape),
    "reshape": lambda x, shape: x.reshape(tuple(shape)),
    "flatten": _flatten,
    "expand_dims": np.expand_dims,
    "squeeze": np.squeeze,
    "permute_dims": lambda x, axes: x.transpose(tuple(axes)),
    "concat": lambda *arrays, axis=0: np.concatenate(arrays, axis),
    "stack": lambda *arrays, axis=0: np.stack(arrays, axis),
    "split": _split,
    "pad": _pad,
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.truediv": operator.truediv,
    "operator.pow": operator.pow,
    "operator.neg": operator.neg,
    "operator.matmul": operator.matmul,
    "operator.lt": operator.lt,
    "operator.le": operator.le,
    "operator.gt": operator.gt,
    "operator.ge": operator.ge,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
    "operator.getitem": lambda x, index: x[decoded(index)],
}


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arrays: Any, **options: Any) -> Any:
        return function(*map(_wide, arrays), **options)

    return call


FUNCTIONS: dict[str, Callable[..., Any]] = {name: _widened(each) for name, each in _PLAIN.items()}
LISTED = ("concat", "stack")
"""Functions of `ops` that take their arrays as one list; those here take them one by one."""
EQUATION_FIRST = ("einsum",)
"""Functions of `ops` that take their option before their arrays."""

_COMPARISONS = {f"operator.{name}" for name in ("lt", "le", "gt", "ge", "eq", "ne")}
_FLOATING = {"exp", "log", "sqrt", "tanh", "sigmoid", "mean"}
_FLOATS_ONLY = {"gelu", "silu", "leaky_relu", "softmax", "log_softmax"}


def result_dtype(name: str, dtypes: Sequence[Type], options: dict[str, Any] | None = None) -> str | None:
    """Return the type of a function's result, None for one that returns no tensor.

    Args:
        name: The function's name in `FUNCTIONS`.
        dtypes: Types of what it is given: names, or ``int``, ``float``, ``bool`` for plain numbers.
        options: Its options.

    Raises `ValueError` where no document fixes the type: kinds mixed between arrays, for example.
    """
    if name == "shape":
        return None
    if name == "astype":
        return str((options or {})["dtype"])
    if name in _COMPARISONS:
        return "bool"
    dtype = promote(*dtypes[1:] if name == "where" else dtypes)
    if name in ("sum", "cumsum"):
        return dtype if dtype in FLOATS else "int64"
    if name in _FLOATS_ONLY and dtype not in FLOATS:
        raise ValueError(f"{name} of {dtype} is not specified")
    if name in _FLOATING | {"divide", "operator.truediv"}:
        return dtype if dtype in FLOATS else "float32"
    if name == "clip":
        bounds = (type(bound) for bound in (options or {}).values() if bound is not None)
        if promote(dtype, *bounds) != dtype:
            raise ValueError(f"clip of {dtype} to {options} is not specified")
    return dtype


def promote(*dtypes: Type) -> str:
    """Return the type that arrays and plain numbers give together.

    Arrays as in the Array API standard; float16 with bfloat16 is float32. A number takes the
    arrays' type if that can hold its kind; else a float makes it float32, an int int64.
    """
    arrays = [dtype for dtype in dtypes if isinstance(dtype, str)]
    numbers = [dtype for dtype in dtypes if not isinstance(dtype, str)]
    if not arrays:
        if float in numbers:
            return "float32"
        raise ValueError("the type of whole numbers alone is not specified")
    common = arrays[0]
    for dtype in arrays[1:]:
        common = _pair(common, dtype)
    if float in numbers and common not in FLOATS:
        return "float32"
    return "int64" if int in numbers and common == "bool" else common


def _pair(a: str, b: str) -> str:
    if a == b:
        return a
    for family in (FLOATS, SIGNED, UNSIGNED):
        if a in family and b in family:
            return "float32" if {a, b} == set(FLOATS[:2]) else max(a, b, key=family.index)
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    if signed in SIGNED and unsigned in UNSIGNED[:3]:
        return max(signed, SIGNED[UNSIGNED.index(unsigned) + 1], key=SIGNED.index)
    raise ValueError(f"the type of {a} and {b} is not specified")

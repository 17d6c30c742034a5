"""The functions of `isomorph.ops` in `mx.np`, on arrays or on symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isomorph.adapter import Ops, Tensor
from isomorph.errors import ForwardError, NotSupportedError

from .framework import FLOATS, NDArray, Symbol, mx, state

Axes = int | tuple[int, ...] | None
# Integer types that MXNet 1.9.1 lacks, and the least ones that hold their values.
WIDER = {"int16": "int32", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
_DTYPES = ("float16", "float32", "float64", "bool", "int8", "int32", "int64", "uint8")


def _type(x: Any) -> Any:
    """Return a tensor's type; None for a number, or where a symbol's is not known yet."""
    if isinstance(x, NDArray):
        return x.dtype
    return x.infer_type_partial()[1][0] if isinstance(x, Symbol) else None


def _binary(name: str) -> Any:
    """Return `mx.np`'s function of two tensors of one type."""
    return lambda self, a, b: getattr(self.np, name)(*self._pair(a, b))


class MXNetOps(Ops):
    """The functions of `isomorph.ops` in one of MXNet's two namespaces."""

    def __init__(self, framework: Any) -> None:
        self.np, self.npx, self.npi = framework.np, framework.npx, framework.numpy._internal

    def _float(self, x: Tensor) -> Tensor:
        """Return integers as float32: MXNet would compute in integers."""
        kind = _type(x)
        if kind in FLOATS or isinstance(x, (int, float)):
            return x
        return self.np.true_divide(x, 1) if kind is None else x.astype("float32")

    def tensor(self, value: Any, like: Tensor) -> Tensor:
        """Return a value, NumPy's array as a tensor: beside a floating one in its type."""
        if not isinstance(value, np.ndarray):
            return value
        kind, dtype = _type(like), WIDER.get(value.dtype.name, value.dtype.name)
        if value.dtype.kind == "f":
            dtype = np.dtype(kind).name if kind in FLOATS else "float32"
        if isinstance(like, NDArray):
            return mx.np.array(value, dtype=dtype, ctx=like.ctx)
        if state.trace is None:
            raise ForwardError(
                "NumPy's array in a graph that its own net does not trace.\n"
                "  Hybridize net.native itself, or keep the array in an nn.Buffer."
            )
        return state.trace.constant(value, dtype)

    def _tensors(self, *values: Any) -> list[Any]:
        like = next(value for value in values if isinstance(value, (NDArray, Symbol)))
        return [self.tensor(value, like) for value in values]

    def _pair(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Bring two operands to one type, floating if one is."""
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            a, b = self._tensors(a, b)
        if isinstance(a, float) or isinstance(b, float):
            return self._float(a), self._float(b)
        kinds = _type(a), _type(b)
        if kinds[0] is kinds[1] or None in kinds:
            return a, b
        dtype = np.result_type(*([kind for kind in kinds if kind in FLOATS] or kinds))
        return a.astype(dtype), b.astype(dtype)

    add = _binary("add")
    subtract = _binary("subtract")
    multiply = _binary("multiply")
    divide = _binary("true_divide")
    pow = _binary("power")
    maximum = _binary("maximum")
    minimum = _binary("minimum")

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        if isinstance(condition, np.ndarray):
            condition = self._tensors(condition, a, b)[0]
        return self.np.where(condition, *self._pair(a, b))

    def negative(self, x: Tensor) -> Tensor:
        return self.np.negative(x)

    def abs(self, x: Tensor) -> Tensor:
        return self.np.abs(x)

    def square(self, x: Tensor) -> Tensor:
        return self.np.square(x)

    def exp(self, x: Tensor) -> Tensor:
        return self.np.exp(self._float(x))

    def log(self, x: Tensor) -> Tensor:
        return self.np.log(self._float(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return self.np.sqrt(self._float(x))

    def tanh(self, x: Tensor) -> Tensor:
        return self.np.tanh(self._float(x))

    def sigmoid(self, x: Tensor) -> Tensor:
        return self.npx.sigmoid(self._float(x))

    def relu(self, x: Tensor) -> Tensor:
        return self.npx.relu(x)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        x = self._float(x)
        return self.np.where(x > 0, x, x * negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        x = self._float(x)
        if _type(x) in (np.float32, np.float16):
            return self.npx.leaky_relu(x, act_type="gelu")
        # MXNet's own gelu holds its constants in float32.
        return x * 0.5 * (self.npx.erf(x * 0.5**0.5) + 1)

    def silu(self, x: Tensor) -> Tensor:
        x = self._float(x)
        return x * self.npx.sigmoid(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return x if low is None and high is None else self.np.clip(x, low, high)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        if dtype not in _DTYPES:
            able = f"its types are {', '.join(_DTYPES)}"
            raise NotSupportedError.of("mxnet", f"dtype.{dtype}", able, "Convert to one of these.")
        return x.astype(dtype)

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return self.npx.softmax(self._float(x), axis=axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return self.npx.log_softmax(self._float(x), axis=axis)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        kind = _type(x)
        if kind is not None and np.dtype(kind).kind in "iub":
            x = x.astype("int64")
        return self.np.sum(x, axis=axis, keepdims=keepdims)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return self.np.mean(x, axis=axis, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return self.np.max(x, axis=axis, keepdims=keepdims)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        whole = np.dtype(_type(x) or "float32").kind in "iub"
        # MXNet 1.9.1 takes no negative axis.
        return self.np.cumsum(x, axis if axis >= 0 else axis % x.ndim, "int64" if whole else None)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.matmul(*self._tensors(a, b))

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return self.np.einsum(equation, *self._tensors(*operands))

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        if isinstance(x, Symbol) and state.trace is None:
            raise ForwardError("ops.shape: a symbol of MXNet has no shape; call the net with compile=False.")
        return x.shape  # type: ignore[no-any-return]

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return self.np.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        if isinstance(x, NDArray):
            start = start_axis % x.ndim if start_axis < 0 else start_axis
            return x.reshape(*x.shape[:start], int(np.prod(x.shape[start:])))
        if start_axis < 0 and state.trace is None:
            raise ForwardError("ops.flatten: a symbol of MXNet has no rank; count the axis from the front.")
        start_axis = start_axis + x.ndim if start_axis < 0 else start_axis
        return self.npx.reshape(x, (-2,) * start_axis + (-1,))  # -2 keeps an axis

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return self.np.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return self.np.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return self.np.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.np.concatenate(self._tensors(*tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.np.stack(self._tensors(*tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(self.np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        if len(widths) == 1:  # the operator takes no vectors
            return self.pad(x.reshape(1, -1), ((0, 0), *widths), value).reshape(-1)
        # mx.np.pad ignores its constant in 1.9.1, and asks NumPy for what NumPy 2 has not.
        return self.npi.pad(x, widths, mode="constant", constant_value=value)


ARRAYS, SYMBOLS = MXNetOps(mx.ndarray), MXNetOps(mx.symbol)


def table_of(x: Tensor) -> MXNetOps:
    """Return the functions for an array or a symbol."""
    return ARRAYS if isinstance(x, NDArray) else SYMBOLS

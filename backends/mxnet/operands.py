"""What MXNet 1.9.1's tensors lack in a forward of ours, elsewhere they are as they were.

Operators between a tensor and NumPy's array raise there; symbols have no shape, no rank, no rows and
no matrix product, and take a negative index for an empty slice.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .framework import Symbol, Trace, mx, state
from .ops import table_of

_BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"]
_OPERATORS = [f"__{way}{name}__" for name in _BINARY for way in ("", "r")]
_COMPARISONS = [f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge")]

_UFUNCS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "true_divide": operator.truediv, "floor_divide": operator.floordiv, "remainder": operator.mod,
    "power": operator.pow, "matmul": operator.matmul, "equal": operator.eq, "not_equal": operator.ne,
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
}  # fmt: skip


def _ours() -> bool:
    """Whether a call of a block of ours is under way."""
    return state.trace is not None or state.updates is not None


def _taking_arrays(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an operator that in a forward takes NumPy's array for the constant that it is."""

    @functools.wraps(method)
    def taking(self: Any, other: Any) -> Any:
        if isinstance(other, np.ndarray) and _ours():
            self, other = table_of(self)._pair(self, other)
        return method(self, other)

    return taking


def _take_arrays(kind: type) -> None:
    for name in (*_OPERATORS, *_COMPARISONS):
        if hasattr(kind, name):
            setattr(kind, name, _taking_arrays(getattr(kind, name)))


def _anew(method: Callable[[Any, Any], Any], name: str) -> Callable[[Any, Any], Any]:
    """Return an operator in place that in a forward makes a new tensor, as traces do.

    MXNet has none for symbols and refuses arrays on the record; an input keeps its values so.
    """

    @functools.wraps(method)
    def operate(self: Any, other: Any) -> Any:
        return getattr(self, f"__{name}__")(other) if _ours() else method(self, other)

    return operate


def _taking_ufuncs(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the protocol by which NumPy's array on the left hands an operation to MXNet."""

    def protocol(self: Any, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        function = _UFUNCS.get(ufunc.__name__) if method == "__call__" and not options and _ours() else None
        if function is None:
            return original(self, ufunc, method, *inputs, **options)
        tensors = table_of(self)
        return function(*tensors._pair(*(tensors.tensor(_plain(each), self) for each in inputs)))

    return protocol


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's: they take the tensor's type."""
    return value.item() if isinstance(value, np.generic) else value


def _trace(symbol: Any, name: str) -> Trace:
    if state.trace is None:
        raise AttributeError(f"'_Symbol' object has no attribute {name!r}")
    return state.trace


class Sizes(tuple[int, ...]):
    """A symbol's shape: who looks at more than what is behind the first size has asked for the batch."""

    trace: Trace

    def __new__(cls, sizes: Iterable[int], trace: Trace | None = None) -> Any:
        if trace is None:  # taken apart in an output and put together again
            return tuple(sizes)
        made = super().__new__(cls, sizes)
        made.trace = trace
        return made

    def __getitem__(self, key: Any) -> Any:
        found = range(len(self))[key]
        if 0 in (found if isinstance(key, slice) else (found,)):
            self.trace.asked.add("batch")
        return tuple.__getitem__(self, key)


def _asking(name: str) -> Callable[..., Any]:
    method = getattr(tuple, name)

    @functools.wraps(method)
    def asking(self: Any, *args: Any) -> Any:
        self.trace.asked.add("batch")
        return method(self, *args)

    return asking


for _name in ["eq", "ne", "lt", "le", "gt", "ge", "hash", "iter", "contains", "add", "mul", "rmul", "repr"]:
    setattr(Sizes, f"__{_name}__", _asking(f"__{_name}__"))
for _name in ("index", "count"):
    setattr(Sizes, _name, _asking(_name))
Sizes.__radd__ = lambda self, other: other + tuple(self)


def _shape(self: Any) -> Sizes:
    trace = _trace(self, "shape")
    return Sizes(trace.shape(self, "sizes"), trace)


def _ndim(self: Any) -> int:
    return len(_shape(self))


def _size(self: Any) -> int:
    return int(np.prod(tuple(_shape(self))))


def _dtype(self: Any) -> Any:
    _trace(self, "dtype")
    return self.infer_type_partial()[1][0]


_LENGTH, _ITEM, _ROWS = Symbol.__len__, Symbol.__getitem__, Symbol.__iter__


def _is_tensor(symbol: Any) -> bool:
    return state.trace is not None and symbol.num_outputs == 1


def _length(self: Any) -> int:
    return _shape(self)[0] if _is_tensor(self) else _LENGTH(self)


def _rows(self: Any) -> Iterator[Any]:
    return (_item(self, i) for i in range(_length(self))) if _is_tensor(self) else _ROWS(self)


def _item(self: Any, key: Any) -> Any:
    is_negative = isinstance(key, (int, np.integer)) and not isinstance(key, bool) and key < 0
    return _ITEM(self, (int(key),) if is_negative and _is_tensor(self) else key)


Symbol.shape, Symbol.ndim, Symbol.size, Symbol.dtype = map(property, (_shape, _ndim, _size, _dtype))
Symbol.__len__, Symbol.__getitem__, Symbol.__iter__ = _length, _item, _rows
Symbol.__matmul__ = lambda self, other: table_of(self).matmul(self, other)
Symbol.__rmatmul__ = lambda self, other: table_of(self).matmul(other, self)
for _kind in (Symbol, mx.np.ndarray):
    _take_arrays(_kind)
    for _name in _BINARY:
        if hasattr(_kind, f"__i{_name}__"):
            setattr(_kind, f"__i{_name}__", _anew(getattr(_kind, f"__i{_name}__"), _name))
mx.np.ndarray.__array_ufunc__ = _taking_ufuncs(mx.np.ndarray.__array_ufunc__)

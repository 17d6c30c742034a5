"""Tensors that are no arrays: they hold one, column by column, and have few manners of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph.adapter import FUNCTIONS, Ops
from isomorph.backends.numpy.ops import NumpyOps


class Kind:
    """A data type, by a name that is nobody else's."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"odd:{self.dtype.kind}{8 * self.dtype.itemsize}"


class Tensor:
    """A tensor; it neither is an array nor becomes one by itself."""

    __slots__ = ("held",)
    __array_ufunc__ = None

    def __init__(self, values: Any) -> None:
        self.held = np.asfortranarray(values) if np.ndim(values) else np.asarray(values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return self.held.shape

    @property
    def dtype(self) -> Kind:
        """The type."""
        return Kind(self.held.dtype)

    def __getitem__(self, index: Any) -> Any:
        return wrapped(self.held[plain(index)])

    def __iter__(self) -> Any:
        return (wrapped(each) for each in self.held)

    def __len__(self) -> int:
        return len(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __neg__(self) -> Any:
        return wrapped(-self.held)

    __hash__ = object.__hash__


def plain(value: Any) -> Any:
    """Return a value with arrays in place of tensors, at any depth."""
    if isinstance(value, Tensor):
        return value.held
    if isinstance(value, (list, tuple)):
        return type(value)(plain(each) for each in value)
    return value


def wrapped(value: Any) -> Any:
    """Return a value with tensors in place of arrays, at any depth."""
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(value)
    return type(value)(wrapped(each) for each in value) if isinstance(value, (list, tuple)) else value


def _function(name: str) -> Any:
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        found = getattr(_NUMPY, name)(*plain(arguments), **options)
        return found if name == "shape" else wrapped(found)

    return call


_NUMPY = NumpyOps()
OddOps = type("OddOps", (Ops,), {name: _function(name) for name in FUNCTIONS})
_TABLE: Any = OddOps()


def _operator(name: str, function: Any) -> None:
    setattr(Tensor, f"__{name}__", lambda one, two: function(one, two))
    setattr(Tensor, f"__r{name}__", lambda one, two: function(two, one))


for _name, _of in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide"}.items():
    _operator(_name, getattr(_TABLE, _of))
_operator("pow", _TABLE.pow)
_operator("matmul", _TABLE.matmul)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(
        Tensor,
        f"__{_name}__",
        lambda one, two, _own=f"__{_name}__": wrapped(getattr(one.held, _own)(plain(two))),
    )

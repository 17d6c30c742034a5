"""NumPy's arrays beside tensors.

A constant in a `forward`, ``self.dense(x) * numpy.array(...)``, is right on every backend. PyTorch 2.13
refuses such an array on the left, and on the right once the tensor needs gradients: its operator gives
way to NumPy's, which asks for `__array_ufunc__` and finds none. This one computes in PyTorch what is an
operator of an array and a tensor; all else goes NumPy's way, as without it.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

_OPERATORS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "true_divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "power": operator.pow,
    "matmul": operator.matmul,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
}


def beside(*values: Any) -> list[Any]:
    """Return tensors as they are, and arrays as tensors on the first one's device."""
    device = next((value.device for value in values if isinstance(value, torch.Tensor)), None)
    return [torch.as_tensor(v, device=device) if isinstance(v, np.ndarray) else v for v in values]


def _array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    function = _OPERATORS.get(ufunc.__name__)
    if function is None or method != "__call__" or options:
        arrays = [np.asarray(value) if isinstance(value, torch.Tensor) else value for value in inputs]
        found = getattr(ufunc, method)(*arrays, **options)
        return found if options.get("out") is not None else _wrapped(self, found)
    plain = [value.item() if isinstance(value, np.generic) else value for value in inputs]
    return function(*beside(*plain))


def _wrapped(tensor: Any, found: Any) -> Any:
    if isinstance(found, tuple):
        return tuple(_wrapped(tensor, each) for each in found)
    return tensor.__array_wrap__(np.asarray(found))


def meet_arrays() -> None:
    """Let operators of tensors take NumPy's arrays, unless PyTorch does so itself."""
    if not hasattr(torch.Tensor, "__array_ufunc__"):
        torch.Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]

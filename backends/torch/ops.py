"""The functions of `isomorph.ops` in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from isomorph.adapter import Ops, Tensor

from .arrays import beside

Axes = int | tuple[int, ...] | None


def _scalars(a: Any, b: Any) -> tuple[Any, Any]:
    """Return both as tensors; a number takes the other's type."""
    a, b = beside(a, b)
    if not isinstance(a, torch.Tensor):
        b, a = _scalars(b, a)
    elif not isinstance(b, torch.Tensor):
        whole = isinstance(b, int) or a.is_floating_point()
        b = torch.full((), b, dtype=a.dtype if whole else torch.float32, device=a.device)
    return a, b


class TorchOps(Ops):
    """The functions of `isomorph.ops` in PyTorch."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return a**b

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.maximum(*_scalars(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.minimum(*_scalars(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(*beside(condition, a, b))

    def negative(self, x: Tensor) -> Tensor:
        return -x

    def abs(self, x: Tensor) -> Tensor:
        return torch.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return torch.exp(x)

    def log(self, x: Tensor) -> Tensor:
        return torch.log(x)

    def sqrt(self, x: Tensor) -> Tensor:
        return torch.sqrt(x)

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def tanh(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def relu(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return F.leaky_relu(x, negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def silu(self, x: Tensor) -> Tensor:
        return F.silu(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return x if low is None and high is None else torch.clamp(x, low, high)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return x.to(getattr(torch, dtype))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return torch.softmax(x, axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return torch.log_softmax(x, axis)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return _reduced(torch.sum, x, axis, keepdims)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        x = x if x.is_floating_point() else x.to(torch.float32)
        return _reduced(torch.mean, x, axis, keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return _reduced(torch.amax, x, axis, keepdims)

    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        return torch.cumsum(x, axis)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(*beside(a, b))

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return torch.einsum(equation, *beside(*operands))

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(x.shape)

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return torch.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return flatten_from(x, start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return torch.unsqueeze(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return torch.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return torch.permute(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(beside(*tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return torch.stack(beside(*tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(torch.split(x, sizes, axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return F.pad(x, [width for pair in reversed(widths) for width in pair], value=value)


def _reduced(function: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    axes = tuple(range(x.dim())) if axis is None else (axis,) if isinstance(axis, int) else axis
    # PyTorch takes no axes for all of them: a new one stands in, which gives the result's type as well.
    return function(x, axes, keepdim=keepdims) if axes else function(x.unsqueeze(0), 0)


def flatten_from(x: Any, start: int) -> Any:
    """Return a tensor with all axes from `start` on made one."""
    return x.unsqueeze(-1) if start == x.dim() else torch.flatten(x, start)

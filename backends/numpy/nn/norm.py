"""Normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule
from ..ops import in_float32


@NumpyAdapter.lowers(nn.BatchNorm)
class BatchNorm(NumpyModule):
    """Batch statistics in training, running ones otherwise; the running variance is unbiased."""

    weight: Any = None
    bias: Any = None
    running_mean: Any = None
    running_var: Any = None

    def __init__(self, layer: nn.BatchNorm, binding: Binding) -> None:
        self.eps, self.momentum, self.channels_last = layer.eps, layer.momentum, binding.options.channels_last

    @in_float32
    def __call__(self, x: Array) -> Array:
        axis = x.ndim - 1 if self.channels_last else 1
        others = tuple(i for i in range(x.ndim) if i != axis)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(others), x.var(others)
            count = x.size // x.shape[axis]
            unbiased = var * (count / (count - 1))
            self._blend(self.running_mean, mean)
            self._blend(self.running_var, unbiased)
        y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + np.asarray(self.eps, x.dtype))
        return y if self.weight is None else y * self.weight.reshape(shape) + self.bias.reshape(shape)

    def _blend(self, running: Array, new: Array) -> None:
        running *= 1 - self.momentum
        running += self.momentum * new


@NumpyAdapter.lowers(nn.LayerNorm)
class LayerNorm(NumpyModule):
    """The last axis less its mean, over its standard deviation."""

    weight: Any = None
    bias: Any = None

    def __init__(self, layer: nn.LayerNorm, binding: Binding) -> None:
        self.eps = layer.eps

    @in_float32
    def __call__(self, x: Array) -> Array:
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        y = (x - mean) / np.sqrt(var + np.asarray(self.eps, x.dtype))
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias

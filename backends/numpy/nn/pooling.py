"""Pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule
from ..ops import in_float32
from ..windows import Images, padded, windows


@NumpyAdapter.lowers(nn.MaxPool2d)
class MaxPool2d(Images):
    """The greatest element of each window."""

    def compute(self, x: Array) -> Any:
        """Return the pooled images."""
        return np.max(windows(padded(x, self.layer, (1, 1), -np.inf), self.layer), axis=0)


@NumpyAdapter.lowers(nn.AvgPool2d)
class AvgPool2d(Images):
    """The mean of each window; padded zeros count if the layer says so."""

    @in_float32
    def compute(self, x: Array) -> Any:
        """Return the pooled images."""
        layer = self.layer
        total = np.sum(windows(padded(x, layer, (1, 1), 0.0), layer), axis=0)
        if layer.count_include_pad:
            return total / np.asarray(math.prod(layer.kernel_size), x.dtype)
        return total / np.sum(windows(padded(np.ones_like(x), layer, (1, 1), 0.0), layer), axis=0)


@NumpyAdapter.lowers(nn.GlobalAvgPool2d)
class GlobalAvgPool2d(NumpyModule):
    """The mean of each channel."""

    def __init__(self, layer: nn.GlobalAvgPool2d, binding: Binding) -> None:
        self.axes, self.keepdims = ((1, 2) if binding.options.channels_last else (2, 3)), layer.keepdims

    def __call__(self, x: Array) -> Array:
        return np.asarray(x.mean(self.axes, keepdims=self.keepdims))

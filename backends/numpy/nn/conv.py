"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..ops import in_float32
from ..windows import Images, padded, positions, shifted
from .activations import activation_of


@NumpyAdapter.lowers(nn.Conv1d, nn.Conv2d)
class Conv(Images):
    """For each element of the kernel, a product of its filters with the shifted image."""

    weight: Any = None
    bias: Any = None

    def __init__(self, layer: Any, binding: Binding) -> None:
        super().__init__(layer, binding)
        self.activation = activation_of(layer, binding)

    def __call__(self, x: Array) -> Array:
        y = super().__call__(x)
        return y if self.activation is None else self.activation(y)

    @in_float32
    def compute(self, x: Array) -> Any:
        """Return the convolution."""
        layer, weight, groups = self.layer, self.weight, self.layer.groups
        x = padded(x, layer, layer.dilation, 0.0)
        batch, out = x.shape[0], weight.shape[0]
        sizes = positions(x.shape[2:], layer.kernel_size, layer.stride, layer.dilation)
        grouped = x.reshape(batch, groups, weight.shape[1], *x.shape[2:])
        filters = weight.reshape(groups, out // groups, *weight.shape[1:])
        y = np.zeros((batch, groups, out // groups, *sizes), x.dtype)
        for element in np.ndindex(*layer.kernel_size):
            window = shifted(grouped, element, sizes, layer.stride, layer.dilation)
            y += np.einsum("gof,ngf...->ngo...", filters[(..., *element)], window)
        y = y.reshape(batch, out, *sizes)
        return y if self.bias is None else y + self.bias.reshape(-1, *[1] * layer.spatial)

"""Flatten."""

from __future__ import annotations

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule
from ..ops import flat


@NumpyAdapter.lowers(nn.Flatten)
class Flatten(NumpyModule):
    """Axes made one, in the order channels, height, width."""

    def __init__(self, layer: nn.Flatten, binding: Binding) -> None:
        self.layer, self.options = layer, binding.options

    def __call__(self, x: Array) -> Array:
        moved = np.moveaxis(x, -1, 1) if self.layer.moves_channels(x.ndim, self.options) else x
        return flat(moved, self.layer.start_axis)

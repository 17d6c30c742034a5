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
        self.moves, self.start_axis = layer.moves_channels(3, binding.options), layer.start_axis

    def __call__(self, x: Array) -> Array:
        return flat(np.moveaxis(x, -1, 1) if self.moves and x.ndim > 2 else x, self.start_axis)

"""Dropout."""

from __future__ import annotations

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule


@NumpyAdapter.lowers(nn.Dropout)
class Dropout(NumpyModule):
    """Zeros at random in training; NumPy's own entropy chooses them."""

    def __init__(self, layer: nn.Dropout, binding: Binding) -> None:
        self.p, self.generator = layer.p, np.random.default_rng()

    def __call__(self, x: Array) -> Array:
        if not self.training:
            return x
        kept = self.generator.random(x.shape) >= self.p
        return np.where(kept, x / np.asarray(1 - self.p, x.dtype), np.zeros((), x.dtype))

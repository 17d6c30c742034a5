"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule


@NumpyAdapter.lowers(nn.Embedding)
class Embedding(NumpyModule):
    """Rows of the weight; an index outside the table is an IndexError, a negative one too."""

    weight: Any = None

    def __init__(self, layer: nn.Embedding, binding: Binding) -> None:
        self.count = layer.num_embeddings

    def __call__(self, x: Array) -> Array:
        if x.size and (x.min() < 0 or x.max() >= self.count):
            raise IndexError(f"an index is outside 0..{self.count - 1}: {x.min()} to {x.max()}")
        return np.asarray(self.weight[x])

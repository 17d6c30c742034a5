"""Dense."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule
from .activations import activation_of


@NumpyAdapter.lowers(nn.Dense)
class Dense(NumpyModule):
    """``x @ weight.T + bias``, then the activation."""

    weight: Any = None
    bias: Any = None

    def __init__(self, layer: nn.Dense, binding: Binding) -> None:
        self.activation = activation_of(layer, binding)

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight.T
        if self.bias is not None:
            y += self.bias
        return y if self.activation is None else self.activation(y)

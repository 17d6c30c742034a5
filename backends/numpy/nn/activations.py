"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding

from ..adapter import NumpyAdapter
from ..framework import NumpyModule

Function = Callable[..., Any]


class Activation(NumpyModule):
    """A function in the table, with the layer's options."""

    def __init__(self, function: Function, *options: Any) -> None:
        self.function, self.options = function, options

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.function(x, *self.options))


@NumpyAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> NumpyModule:
    """Lower an activation without options."""
    return Activation(getattr(binding.adapter.ops, layer.function))


@NumpyAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> NumpyModule:
    """Lower Softmax."""
    return Activation(binding.adapter.ops.softmax, layer.axis)


@NumpyAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> NumpyModule:
    """Lower LeakyReLU."""
    return Activation(binding.adapter.ops.leaky_relu, layer.negative_slope)


def activation_of(layer: Any, binding: Binding) -> Function | None:
    """Return a layer's activation: NumPy's own function for a name."""
    name = getattr(layer, "activation", None)
    return getattr(binding.adapter.ops, name) if isinstance(name, str) else name

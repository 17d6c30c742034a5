"""Activations."""

from __future__ import annotations

import functools
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import Function, activation_of

SCRIPTS = {
    nn.ReLU: "jax.nn.relu(x)",
    nn.GELU: "jax.nn.gelu(x, approximate=False)",
    nn.SiLU: "jax.nn.silu(x)",
    nn.Tanh: "jnp.tanh(x)",
    nn.Sigmoid: "jax.nn.sigmoid(x)",
    nn.LeakyReLU: "jax.nn.leaky_relu(x, {negative_slope})",
    nn.Softmax: "jax.nn.softmax(x, {axis})",
}
_ACTIVATIONS = {
    nn.ReLU: "relu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.LeakyReLU: "leaky_relu",
    nn.Softmax: "softmax",
}


@JaxAdapter.lowers(*_ACTIVATIONS)
def activation(layer: Any, binding: Binding) -> Any:
    """Lower an activation by its function in the table."""
    name = next(name for kind, name in _ACTIVATIONS.items() if isinstance(layer, kind))
    function = activation_of(name, binding)
    if isinstance(layer, nn.LeakyReLU):
        function = functools.partial(function, negative_slope=layer.negative_slope)
    elif isinstance(layer, nn.Softmax):
        function = functools.partial(function, axis=layer.axis)
    return Function(function)

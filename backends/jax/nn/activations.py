"""Activations."""

from __future__ import annotations

import functools
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import Function, activation_of, leaf

SCRIPTS = {
    nn.ReLU: "jax.nn.relu(x)",
    nn.GELU: "jax.nn.gelu(x, approximate=False)",
    nn.SiLU: "jax.nn.silu(x)",
    nn.Tanh: "jnp.tanh(x)",
    nn.Sigmoid: "jax.nn.sigmoid(x)",
    nn.LeakyReLU: "jax.nn.leaky_relu(x, {negative_slope})",
    nn.Softmax: "jax.nn.softmax(x, {axis})",
}


@JaxAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Layer, binding: Binding) -> Any:
    """Lower an activation without options by its function in the table."""
    return leaf(Function, layer, binding, {"function": activation_of(layer.function, binding)})


@JaxAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU."""
    function = activation_of("leaky_relu", binding)
    options = {"negative_slope": layer.negative_slope}
    return leaf(Function, layer, binding, {"function": functools.partial(function, **options)})


@JaxAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    function = functools.partial(activation_of("softmax", binding), axis=layer.axis)
    return leaf(Function, layer, binding, {"function": function})

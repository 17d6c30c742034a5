"""Activations."""

from __future__ import annotations

from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import common
from ..framework import keras

SCRIPTS = {
    nn.ReLU: 'keras.layers.Activation("relu", dtype=dtype)',
    nn.GELU: 'keras.layers.Activation("gelu", dtype=dtype)',
    nn.SiLU: 'keras.layers.Activation("silu", dtype=dtype)',
    nn.Tanh: 'keras.layers.Activation("tanh", dtype=dtype)',
    nn.Sigmoid: 'keras.layers.Activation("sigmoid", dtype=dtype)',
    nn.LeakyReLU: "keras.layers.LeakyReLU({negative_slope}, dtype=dtype)",
    nn.Softmax: "keras.layers.Softmax({axis}, dtype=dtype)",
}


def keras_activation(value: Any, binding: Binding) -> Any:
    """Return what Keras takes as this activation.

    Keras's leaky_relu has another slope, and its gelu rounds to float32 (3.15 on TensorFlow 2.21).
    """
    other = ("leaky_relu", "gelu") if binding.options.dtype == "float64" else ("leaky_relu",)
    return getattr(ops, value) if value in other else value


@TensorFlowAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation by Keras's name of it."""
    function = keras_activation(layer.function, binding)
    return keras.layers.Activation(function, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return keras.layers.Softmax(layer.axis, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU. TensorFlow's own holds its slope in float32."""
    if binding.options.dtype == "float64":
        slope = layer.negative_slope
        return keras.layers.Activation(lambda x: ops.leaky_relu(x, slope), **common(layer, binding))
    return keras.layers.LeakyReLU(layer.negative_slope, **common(layer, binding))

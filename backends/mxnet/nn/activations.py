"""Activations, as layers and behind other layers."""

from __future__ import annotations

import functools
from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block, function_block
from ..framework import gluon

SCRIPTS: dict[type, str] = {
    nn.GELU: "mx.gluon.nn.GELU()",
    nn.LeakyReLU: "mx.gluon.nn.LeakyReLU({negative_slope})",
    nn.ReLU: "mx.npx.relu(x)",
    nn.SiLU: "x * mx.npx.sigmoid(x)",
    nn.Tanh: "mx.np.tanh(x)",
    nn.Sigmoid: "mx.npx.sigmoid(x)",
    nn.Softmax: "mx.npx.softmax(x, axis={axis})",
}


def named(layer: nn.Module, binding: Binding, name: str) -> Any:
    """Return the block of an activation's name."""
    if name in ("relu", "sigmoid", "tanh"):
        return block(gluon.nn.Activation, layer, binding, name)
    if name == "gelu" and binding.options.dtype != "float64":  # its constants are float32
        return block(gluon.nn.GELU, layer, binding)
    return function_block(layer, binding, getattr(ops, name), name)


def activation_of(layer: Any, binding: Binding) -> Any:
    """Return a layer's activation as a block, None if there is none."""
    value = layer.activation
    if value is None or "is_probe" in binding.memory:  # it may be any function, and changes no shape
        return None
    if isinstance(value, str):
        return named(layer, binding, value)
    return function_block(layer, binding, value, getattr(value, "__name__", "activation"))


@MXNetAdapter.lowers(nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation without options."""
    return named(layer, binding, layer.function)


@MXNetAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return function_block(layer, binding, functools.partial(ops.softmax, axis=layer.axis), "softmax")


@MXNetAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU. Gluon's own holds its slope in float32."""
    if binding.options.dtype != "float64":
        return block(gluon.nn.LeakyReLU, layer, binding, layer.negative_slope)
    function = functools.partial(ops.leaky_relu, negative_slope=layer.negative_slope)
    return function_block(layer, binding, function, "leaky_relu")

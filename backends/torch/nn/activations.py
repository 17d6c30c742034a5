"""Activations."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter

SCRIPTS = {
    nn.ReLU: "torch.nn.ReLU()",
    nn.GELU: "torch.nn.GELU()",
    nn.SiLU: "torch.nn.SiLU()",
    nn.Tanh: "torch.nn.Tanh()",
    nn.Sigmoid: "torch.nn.Sigmoid()",
    nn.LeakyReLU: "torch.nn.LeakyReLU({negative_slope})",
    nn.Softmax: "torch.nn.Softmax({axis})",
}


@TorchAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation that has PyTorch's name."""
    return _ACTIVATIONS[layer.function]()


_ACTIVATIONS = {
    kind.__name__.lower(): kind
    for kind in (torch.nn.ReLU, torch.nn.GELU, torch.nn.SiLU, torch.nn.Tanh, torch.nn.Sigmoid)
}


@TorchAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU."""
    return torch.nn.LeakyReLU(layer.negative_slope)


@TorchAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return torch.nn.Softmax(layer.axis)


def activation_of(value: Any, binding: Binding) -> Any:
    """Return PyTorch's own function for an activation's name."""
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value

"""Pooling."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..windows import same_pads

SCRIPTS = {
    nn.MaxPool2d: "torch.nn.MaxPool2d({kernel_size}, {stride}, {padding})",
    nn.AvgPool2d: "torch.nn.AvgPool2d({kernel_size}, {stride}, {padding}, count_include_pad={counted})",
    nn.GlobalAvgPool2d: "torch.nn.AdaptiveAvgPool2d(1)",
}


class Pool2d(torch.nn.Module):
    """A pooling module with TensorFlow's padding or channels last around it."""

    def __init__(self, pool: Any, layer: Any, binding: Binding) -> None:
        super().__init__()
        self.pool, self.same, self.channels_last = (
            pool,
            layer.padding == "same",
            binding.options.channels_last,
        )
        self.window = layer.kernel_size, layer.stride
        self.mean = isinstance(layer, nn.AvgPool2d)

    def forward(self, x: Any) -> Any:
        """Return the pooled images in the net's data format."""
        x = x.movedim(-1, 1) if self.channels_last else x
        y = self._same(x) if self.same else self.pool(x)
        return y.movedim(1, -1) if self.channels_last else y

    def _same(self, x: Any) -> Any:
        widths = same_pads(x.shape[2:], *self.window, (1, 1))
        y = self.pool(F.pad(x, widths, value=0.0 if self.mean else -math.inf))
        return y / self.pool(F.pad(torch.ones_like(x[:1, :1]), widths)) if self.mean else y


@TorchAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower pooling."""
    padding = 0 if layer.padding == "same" else layer.padding
    if isinstance(layer, nn.MaxPool2d):
        native: Any = torch.nn.MaxPool2d(layer.kernel_size, layer.stride, padding)
    else:
        counted = layer.count_include_pad or layer.padding == "same"
        native = torch.nn.AvgPool2d(layer.kernel_size, layer.stride, padding, count_include_pad=counted)
    plain = layer.padding != "same" and not binding.options.channels_last
    return native if plain else Pool2d(native, layer, binding)


class GlobalAvgPool2d(torch.nn.Module):
    """The mean of each channel."""

    def __init__(self, axes: tuple[int, int], keepdims: bool) -> None:
        super().__init__()
        self.axes, self.keepdims = axes, keepdims

    def forward(self, x: Any) -> Any:
        """Return the means over height and width."""
        return x.mean(self.axes, keepdim=self.keepdims)


@TorchAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    return GlobalAvgPool2d((1, 2) if binding.options.channels_last else (2, 3), layer.keepdims)

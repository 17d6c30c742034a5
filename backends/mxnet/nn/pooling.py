"""Pooling."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block, function_block
from ..framework import gluon
from ..windows import Pads, Windowed, window

SCRIPTS: dict[type, str] = {
    nn.MaxPool2d: "mx.gluon.nn.MaxPool2D({kernel_size}, {stride}, {pads})",
    nn.AvgPool2d: "mx.gluon.nn.AvgPool2D({kernel_size}, {stride}, {pads}, count_include_pad={counted})",
    nn.GlobalAvgPool2d: "mx.gluon.nn.GlobalAvgPool2D()",
}


class MaxPool2D(Windowed, gluon.nn.MaxPool2D):
    """Gluon's, on channels-last data or with uneven padding."""

    fill = -np.inf


class AvgPool2D(Windowed, gluon.nn.AvgPool2D):
    """Gluon's, on channels-last data or with uneven padding, which never counts."""

    def windows(self, F: Any, x: Any, pads: Pads, parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        """Return the means of what is not padding."""
        y = super().windows(F, x, pads, parameters)
        return y / super().windows(F, F.np.ones_like(x), pads, parameters) if pads else y


@MXNetAdapter.lowers(nn.MaxPool2d)
def max_pool(layer: nn.MaxPool2d, binding: Binding) -> Any:
    """Lower MaxPool2d."""
    return window(MaxPool2D, layer, binding, layer.kernel_size)


@MXNetAdapter.lowers(nn.AvgPool2d)
def avg_pool(layer: nn.AvgPool2d, binding: Binding) -> Any:
    """Lower AvgPool2d."""
    return window(AvgPool2D, layer, binding, layer.kernel_size, count_include_pad=layer.count_include_pad)


@MXNetAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    axes = (1, 2) if binding.options.channels_last else (2, 3)
    if layer.keepdims and axes == (2, 3):
        return block(gluon.nn.GlobalAvgPool2D, layer, binding)
    return function_block(
        layer, binding, functools.partial(ops.mean, axis=axes, keepdims=layer.keepdims), "global_avg_pool"
    )

"""Convolution."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..framework import gluon
from ..windows import Windowed, window
from .activations import activation_of

_CONV = (
    "mx.gluon.nn.Conv{spatial}D({out_channels}, {kernel_size}, {stride}, {pads}, {dilation}, {groups}, "
    'use_bias={has_bias}, in_channels=parameters["weight"].shape[1] * {groups})'
)
SCRIPTS: dict[type, str] = {nn.Conv1d: _CONV, nn.Conv2d: _CONV}


class Conv1D(Windowed, gluon.nn.Conv1D):
    """Gluon's, on channels-last data or with uneven padding."""


class Conv2D(Windowed, gluon.nn.Conv2D):
    """Gluon's, on channels-last data or with uneven padding."""


@MXNetAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution."""
    native = window(
        Conv1D if layer.spatial == 1 else Conv2D, layer, binding, layer.out_channels, layer.kernel_size,
        dilation=layer.dilation, groups=layer.groups, use_bias=layer.bias is not None,
    )  # fmt: skip
    # Behind the last move of the channels, where the block has one.
    setattr(native, "activation" if isinstance(native, Windowed) else "act", activation_of(layer, binding))
    return native

"""Convolutions."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import activation_of, leaf
from ..values import plain
from ..windows import channels_last, padding_of

_CONV = (
    "linen.Conv({out_channels}, {kernel_size}, {stride}, {pads!r}, kernel_dilation={dilation}, "
    "feature_group_count={groups}, use_bias={has_bias})"
)
SCRIPTS = {nn.Conv1d: _CONV, nn.Conv2d: _CONV}


class Conv(linen.Conv):
    """`linen.Conv`, perhaps with an activation behind it, also for images whose channels are axis 1."""

    channels_first: bool = False
    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the convolution, or its activation."""
        call, x = super().__call__, plain(x)
        x = channels_last(call, x) if self.channels_first else call(x)
        return x if self.activation is None else self.activation(x)


@JaxAdapter.lowers(nn.Conv1d, weight=("kernel", (2, 1, 0)))
@JaxAdapter.lowers(nn.Conv2d, weight=("kernel", (2, 3, 1, 0)))
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution."""
    fields = {
        "features": layer.out_channels,
        "kernel_size": layer.kernel_size,
        "strides": layer.stride,
        "padding": padding_of(layer),
        "kernel_dilation": layer.dilation,
        "feature_group_count": layer.groups,
        "use_bias": layer.bias is not None,
        "channels_first": not binding.options.channels_last,
        "activation": activation_of(layer.activation, binding),
    }
    return leaf(Conv, layer, binding, fields, kernel_init="weight", bias_init="bias")

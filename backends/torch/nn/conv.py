"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import Deferred
from ..windows import pads_itself, same_pads
from .activations import activation_of

_SCRIPT = (
    'torch.nn.Conv{spatial}d(parameters["weight"].shape[1] * {groups}, {out_channels}, {kernel_size}, '
    "{stride}, {padding!r}, {dilation}, {groups}, {has_bias})"
)
SCRIPTS = {nn.Conv1d: _SCRIPT, nn.Conv2d: _SCRIPT}


class _ConvExtras:
    """Channels last, padding that is not symmetric, an activation: around PyTorch's own call."""

    channels_last: bool
    same: bool
    activation: Callable[[Any], Any] | None

    def forward(self: Any, x: Any) -> Any:
        """Return the convolution in the net's data format."""
        if self.channels_last:
            x = x.movedim(-1, 1)
        if self.same:
            x = F.pad(x, same_pads(x.shape[2:], self.kernel_size, self.stride, self.dilation))
        x = super().forward(x)  # type: ignore[misc]
        if self.channels_last:
            x = x.movedim(1, -1)
        return x if self.activation is None else self.activation(x)

    def _get_in_channels(self: Any, x: Any) -> int:
        # The lazy class looks at axis 1 (torch 2.13, _LazyConvXdMixin).
        return int(x.shape[-1] if self.channels_last else x.shape[1])


class Conv1d(_ConvExtras, torch.nn.Conv1d):
    """`torch.nn.Conv1d` with what it lacks."""


class Conv2d(_ConvExtras, torch.nn.Conv2d):
    """`torch.nn.Conv2d` with what it lacks."""


class LazyConv1d(Deferred, torch.nn.LazyConv1d):
    """`torch.nn.LazyConv1d` with Isomorph's initial values."""


class LazyConv2d(Deferred, torch.nn.LazyConv2d):
    """`torch.nn.LazyConv2d` with Isomorph's initial values."""


class LazyConv1dExtras(Deferred, _ConvExtras, torch.nn.LazyConv1d):
    """Turns into `Conv1d`."""

    cls_to_become = Conv1d  # type: ignore[assignment]


class LazyConv2dExtras(Deferred, _ConvExtras, torch.nn.LazyConv2d):
    """Turns into `Conv2d`."""

    cls_to_become = Conv2d  # type: ignore[assignment]


@TorchAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution: to the plain class where that does all the layer asks for."""
    same = pads_itself(layer)
    plain = not (same or binding.options.channels_last or layer.activation)
    kinds = (LazyConv1d, LazyConv2d) if plain else (LazyConv1dExtras, LazyConv2dExtras)
    native: Any = kinds[layer.spatial - 1](
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        0 if same else layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias is not None,
    )
    if not plain:
        native.channels_last, native.same = binding.options.channels_last, same
        native.activation = activation_of(layer.activation, binding)
    return native

"""Normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import Deferred, channels_last_of, declare, fill_later
from ..framework import factory

SCRIPTS = {
    nn.BatchNorm: "kind(x.shape[1], {eps}, {momentum}, {affine})",
    nn.LayerNorm: "torch.nn.LayerNorm(x.shape[-1], {eps}, {affine}, {has_bias})",
}


class _ChannelsLastNorm:
    """Batch normalization of the last axis."""

    def forward(self: Any, x: Any) -> Any:
        """Return the normalized input."""
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)  # type: ignore[misc]


_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
_NORMS_LAST = tuple(type(cls.__name__, (_ChannelsLastNorm, cls), {}) for cls in _NORMS)


class LazyBatchNorm(
    Deferred, torch.nn.modules.batchnorm._LazyNormBase, torch.nn.modules.batchnorm._BatchNorm
):
    """Batch normalization of a rank that only the first input tells.

    With known channels it has values before that; it then turns into `BatchNorm1d`, `2d` or `3d`
    at its first call.
    """

    channels_last = False

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the channels, and the class to become."""
        super().initialize_parameters(x.movedim(-1, 1) if self.channels_last else x)

    def forward(self, x: Any) -> Any:
        """Become the class of the input's rank, and call it."""
        self.become(x.dim())
        return self.forward(x)

    def become(self, rank: int) -> None:
        """Turn into the class for inputs of this rank."""
        if "_initialize_hook" in self.__dict__:  # its values came from a file, not from inference
            self._initialize_hook.remove()
            self._load_hook.remove()
        last = self.channels_last and rank > 2
        self.__class__ = (_NORMS_LAST if last else _NORMS)[rank - 2]  # type: ignore[assignment]

    def _check_input_dim(self, x: Any) -> None:
        """Accept every rank."""


@TorchAdapter.lowers(nn.BatchNorm)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm."""
    native = LazyBatchNorm(layer.eps, layer.momentum, layer.affine, **factory(binding))
    native.channels_last = channels_last_of(binding)
    return fill_later(native, layer, binding)


class LazyLayerNorm(Deferred, torch.nn.LayerNorm):
    """`torch.nn.LayerNorm` of a size that the first input tells; PyTorch 2.13 has none."""

    cls_to_become = torch.nn.LayerNorm

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the last axis's size."""
        if self.normalized_shape == (0,):
            self.normalized_shape = (x.shape[-1],)
            waiting = [parameter for parameter in self.parameters() if is_lazy(parameter)]
            for parameter in waiting:
                parameter.materialize(self.normalized_shape)  # type: ignore[attr-defined]
            if waiting or not self.elementwise_affine:
                self.reset_parameters()


@TorchAdapter.lowers(nn.LayerNorm)
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    native = LazyLayerNorm(0, layer.eps, elementwise_affine=False)
    native.elementwise_affine = layer.affine
    for name, parameter in layer.own_parameters().items():
        declare(native, name, parameter, binding)
    return fill_later(native, layer, binding)

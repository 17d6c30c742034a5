"""Normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm, _LazyNormBase
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import Deferred

SCRIPTS = {
    nn.BatchNorm: "kind(x.shape[1], {eps}, {momentum}, {affine})",
    nn.LayerNorm: "torch.nn.LayerNorm(x.shape[-1], {eps}, {affine}, {has_bias})",
    nn.GroupNorm: "torch.nn.GroupNorm({num_groups}, x.shape[1], {eps}, {affine})",
}


class _ChannelsLast:
    """Batch normalization of the last axis."""

    def forward(self: Any, x: Any) -> Any:
        """Return the normalized input."""
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)  # type: ignore[misc]


class BatchNorm1d(_ChannelsLast, torch.nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` of the last axis."""


class BatchNorm2d(_ChannelsLast, torch.nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` of the last axis."""


class BatchNorm3d(_ChannelsLast, torch.nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` of the last axis."""


_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
_NORMS_LAST = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)


def any_rank(x: Any) -> None:
    """Accept every rank; PyTorch's classes check theirs, and compute all."""


class _LazyNorm(_LazyNormBase, _BatchNorm):
    """A lazy batch normalization of a rank that only the first input tells."""

    channels_last = False

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the channels."""
        super().initialize_parameters(x.movedim(-1, 1) if self.channels_last else x)


class LazyBatchNorm(Deferred, _LazyNorm):
    """Turns into `BatchNorm1d`, `2d` or `3d`, by its first input's rank, at its first call.

    With known channels it has values before that. Later inputs may be of any rank.
    """

    def forward(self, x: Any) -> Any:
        """Become the class of the input's rank, and call it."""
        if type(self) is LazyBatchNorm:  # it had values before its first input
            self.become(x.dim())
        return self.forward(x)

    def _infer_parameters(self: Any, module: Any, args: Any, kwargs: Any = None) -> Any:
        changed = super()._infer_parameters(module, args, kwargs)
        (x,) = args if changed is None else changed[0]
        if not x.is_meta:  # the sizes alone are known where it is
            self.become(x.dim())
        return changed

    def become(self, rank: int) -> None:
        """Turn into the class for inputs of this rank."""
        if "_initialize_hook" in self.__dict__:  # its values came from a file, not from inference
            self._initialize_hook.remove()
            self._load_hook.remove()
            del self._initialize_hook, self._load_hook
        self._check_input_dim = any_rank
        kinds = _NORMS_LAST if self.channels_last else _NORMS
        self.__class__ = kinds[min(max(rank, 2), 5) - 2]  # type: ignore[assignment]


@TorchAdapter.lowers(nn.BatchNorm)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm."""
    native = LazyBatchNorm(layer.eps, layer.momentum, layer.affine)
    native.channels_last = binding.options.channels_last
    return native


class _LazyLayerNorm(LazyModuleMixin, torch.nn.LayerNorm):
    """`torch.nn.LayerNorm` of a size that the first input tells; PyTorch 2.13 has none."""

    cls_to_become = torch.nn.LayerNorm

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the last axis's size."""
        self.normalized_shape = (x.shape[-1],)
        for parameter in self.parameters():
            if is_lazy(parameter):
                parameter.materialize(self.normalized_shape)  # type: ignore[attr-defined]


class LazyLayerNorm(Deferred, _LazyLayerNorm):
    """A lazy LayerNorm with Isomorph's initial values."""


@TorchAdapter.lowers(nn.LayerNorm)
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    native = LazyLayerNorm(0, layer.eps, elementwise_affine=False)
    native.elementwise_affine = layer.affine
    return native


class GroupNorm(torch.nn.GroupNorm):
    """`torch.nn.GroupNorm` also of channels in the last axis, and of one value alone."""

    channels_last = False

    def forward(self, x: Any) -> Any:
        """Return the normalized input."""
        x = x.movedim(-1, 1) if self.channels_last else x
        # F.group_norm refuses a batch of one with one value a group (PyTorch 2.13).
        y = torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        return y.movedim(1, -1) if self.channels_last else y


class _LazyGroupNorm(LazyModuleMixin, GroupNorm):
    """`torch.nn.GroupNorm` of channels that the first input tells; PyTorch 2.13 has none."""

    @property
    def cls_to_become(self) -> type:  # type: ignore[override]
        """PyTorch's own class where that does all the layer asks for."""
        is_plain = not self.channels_last and self.num_channels > self.num_groups
        return torch.nn.GroupNorm if is_plain else GroupNorm

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the channels."""
        self.num_channels = x.shape[-1 if self.channels_last else 1]
        for parameter in self.parameters():
            if is_lazy(parameter):
                parameter.materialize((self.num_channels,))  # type: ignore[attr-defined]


class LazyGroupNorm(Deferred, _LazyGroupNorm):
    """A lazy GroupNorm with Isomorph's initial values."""


@TorchAdapter.lowers(nn.GroupNorm)
def group_norm(layer: nn.GroupNorm, binding: Binding) -> Any:
    """Lower GroupNorm."""
    native = LazyGroupNorm(layer.num_groups, 0, layer.eps, affine=False)
    native.affine, native.channels_last = layer.affine, binding.options.channels_last
    return native

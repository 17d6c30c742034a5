"""The layers: PyTorch's own modules, or subclasses where those lack something."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Binding
from isomorph.nn.activations import function_name, moves_channels
from isomorph.nn.rules import same_padding

from .adapter import TorchAdapter
from .deferral import Deferred, channels_last_of, declare, fill_later
from .ops import flatten_from
from .tensors import factory


class _Activated:
    """An activation behind a linear map, in the same module."""

    activation: Callable[[Any], Any]

    def forward(self: Any, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(F.linear(x, self.weight, self.bias))

    def extra_repr(self: Any) -> str:
        """Name the activation."""
        return f"{super().extra_repr()}, activation={self.activation.__name__}"  # type: ignore[misc]


class Linear(_Activated, torch.nn.Linear):
    """`torch.nn.Linear` with an activation."""


class LazyLinear(Deferred, torch.nn.LazyLinear):
    """`torch.nn.LazyLinear` with Isomorph's initial values."""


# A lazy module's first call runs its lazy class's forward (torch 2.13, Module._call_impl).
class LazyActivatedLinear(Deferred, _Activated, torch.nn.LazyLinear):
    """`LazyLinear` with an activation."""

    cls_to_become = Linear  # type: ignore[assignment]


@TorchAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    kind = LazyLinear if layer.activation is None else LazyActivatedLinear
    native: Any = kind(layer.units, layer.bias is not None, **factory(binding))
    if layer.activation is not None:
        native.activation = _activation(layer.activation, binding)
    return fill_later(native, layer, binding)


def pads_itself(layer: Any) -> bool:
    """Whether a convolution's "same" is more than PyTorch's own does.

    That refuses strides, and warns where the two ends differ (2.13); else it is the same rule.
    """
    spans = (step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size))
    return layer.padding == "same" and (max(layer.stride) > 1 or any(span % 2 for span in spans))


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
            options = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation)
            pads = [same_padding(*each) for each in options]
            x = F.pad(x, [width for pair in reversed(pads) for width in pair])
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
    plain = not (same or channels_last_of(binding) or layer.activation)
    kinds = (LazyConv1d, LazyConv2d) if plain else (LazyConv1dExtras, LazyConv2dExtras)
    native: Any = kinds[layer.spatial - 1](
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        0 if same else layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias is not None,
        **factory(binding),
    )
    if not plain:
        native.channels_last, native.same = channels_last_of(binding), same
        native.activation = _activation(layer.activation, binding)
    return fill_later(native, layer, binding)


class Pool2d(torch.nn.Module):
    """A pooling module with TensorFlow's padding or channels last around it."""

    def __init__(self, pool: Any, layer: Any, binding: Binding) -> None:
        super().__init__()
        self.pool, self.same, self.channels_last = pool, layer.padding == "same", channels_last_of(binding)
        self.window = layer.kernel_size, layer.stride
        self.mean = isinstance(layer, nn.AvgPool2d)

    def forward(self, x: Any) -> Any:
        """Return the pooled images in the net's data format."""
        x = x.movedim(-1, 1) if self.channels_last else x
        y = self._same(x) if self.same else self.pool(x)
        return y.movedim(1, -1) if self.channels_last else y

    def _same(self, x: Any) -> Any:
        pads = [same_padding(*each, 1) for each in zip(x.shape[2:], *self.window)]
        widths = [width for pair in reversed(pads) for width in pair]
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
    plain = layer.padding != "same" and not channels_last_of(binding)
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
    return GlobalAvgPool2d((1, 2) if channels_last_of(binding) else (2, 3), layer.keepdims)


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


class LazyEmbedding(Deferred, torch.nn.Embedding):
    """`torch.nn.Embedding` whose table is not drawn when it is made."""

    cls_to_become = torch.nn.Embedding

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Give the table its memory."""
        if self.has_uninitialized_params():  # type: ignore[misc]
            self.weight.materialize((self.num_embeddings, self.embedding_dim))  # type: ignore[attr-defined]
            self.reset_parameters()


@TorchAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    sizes = layer.num_embeddings, layer.embedding_dim
    native = LazyEmbedding(*sizes, _weight=torch.empty(sizes, device="meta"))
    declare(native, "weight", layer.weight, binding)
    return fill_later(native, layer, binding)


class Flatten(torch.nn.Flatten):
    """PyTorch's, for vectors too, and in the order channels, height, width in both formats."""

    def __init__(self, layer: nn.Flatten, moves: bool) -> None:
        super().__init__(layer.start_axis)
        self.moves = moves

    def forward(self, x: Any) -> Any:
        """Return the flattened input."""
        return flatten_from(x.movedim(-1, 1) if self.moves and x.dim() > 2 else x, self.start_dim)


@TorchAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten."""
    return Flatten(layer, moves_channels(layer, 3, binding.options.data_format))


@TorchAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation that has PyTorch's name."""
    return _ACTIVATIONS[function_name(layer)]()


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


@TorchAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return torch.nn.Dropout(layer.p)


@TorchAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Any:
    """Lower Sequential."""
    return torch.nn.Sequential(*(binding.native(child) for child in layer))


@TorchAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower ModuleList."""
    return torch.nn.ModuleList([binding.native(child) for child in layer])


@TorchAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict."""
    return torch.nn.ModuleDict({name: binding.native(child) for name, child in layer.items()})


def _activation(value: Any, binding: Binding) -> Any:
    """Return PyTorch's own function for an activation's name."""
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value

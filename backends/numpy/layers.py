"""The layers, one small class each: the formulas that every backend is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Binding
from isomorph.init.laws import Array
from isomorph.nn.activations import function_name, moves_channels
from isomorph.nn.rules import same_padding

from .adapter import NumpyAdapter, NumpyModule
from .ops import flat

Function = Callable[..., Any]


@NumpyAdapter.lowers(nn.Dense)
class Dense(NumpyModule):
    """``x @ weight.T + bias``, then the activation."""

    weight: Any = None
    bias: Any = None

    def __init__(self, layer: nn.Dense, binding: Binding) -> None:
        self.activation = _activation(layer, binding)

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight.T
        if self.bias is not None:
            y += self.bias
        return y if self.activation is None else self.activation(y)


class _Images(NumpyModule):
    """A layer whose formula is written for channels first, in either data format."""

    def __init__(self, layer: Any, binding: Binding) -> None:
        self.layer, self.channels_last = layer, _last(binding)
        self.activation = _activation(layer, binding)

    def __call__(self, x: Array) -> Array:
        y = self.compute(np.moveaxis(x, -1, 1) if self.channels_last else x)
        y = np.moveaxis(y, 1, -1) if self.channels_last else y
        return y if self.activation is None else self.activation(y)

    def compute(self, x: Array) -> Any:
        """Return the layer's output for channels-first images."""
        raise NotImplementedError


@NumpyAdapter.lowers(nn.Conv1d, nn.Conv2d)
class Conv(_Images):
    """For each element of the kernel, a product of its filters with the shifted image."""

    weight: Any = None
    bias: Any = None

    def compute(self, x: Array) -> Any:
        """Return the convolution."""
        layer, weight, groups = self.layer, self.weight, self.layer.groups
        x = _padded(x, layer, layer.dilation, 0.0)
        batch, out = x.shape[0], weight.shape[0]
        sizes = _positions(x.shape[2:], layer.kernel_size, layer.stride, layer.dilation)
        grouped = x.reshape(batch, groups, weight.shape[1], *x.shape[2:])
        filters = weight.reshape(groups, out // groups, *weight.shape[1:])
        y = np.zeros((batch, groups, out // groups, *sizes), x.dtype)
        for element in np.ndindex(*layer.kernel_size):
            window = _shifted(grouped, element, sizes, layer.stride, layer.dilation)
            y += np.einsum("gof,ngf...->ngo...", filters[(..., *element)], window)
        y = y.reshape(batch, out, *sizes)
        return y if self.bias is None else y + self.bias.reshape(-1, *[1] * layer.spatial)


@NumpyAdapter.lowers(nn.MaxPool2d)
class MaxPool2d(_Images):
    """The greatest element of each window."""

    def compute(self, x: Array) -> Any:
        """Return the pooled images."""
        return np.max(_windows(_padded(x, self.layer, (1, 1), -np.inf), self.layer), axis=0)


@NumpyAdapter.lowers(nn.AvgPool2d)
class AvgPool2d(_Images):
    """The mean of each window; padded zeros count if the layer says so."""

    def compute(self, x: Array) -> Any:
        """Return the pooled images."""
        layer = self.layer
        total = np.sum(_windows(_padded(x, layer, (1, 1), 0.0), layer), axis=0)
        if layer.count_include_pad:
            return total / np.asarray(math.prod(layer.kernel_size), x.dtype)
        return total / np.sum(_windows(_padded(np.ones_like(x), layer, (1, 1), 0.0), layer), axis=0)


@NumpyAdapter.lowers(nn.GlobalAvgPool2d)
class GlobalAvgPool2d(NumpyModule):
    """The mean of each channel."""

    def __init__(self, layer: nn.GlobalAvgPool2d, binding: Binding) -> None:
        self.axes, self.keepdims = ((1, 2) if _last(binding) else (2, 3)), layer.keepdims

    def __call__(self, x: Array) -> Array:
        return np.asarray(x.mean(self.axes, keepdims=self.keepdims))


@NumpyAdapter.lowers(nn.BatchNorm)
class BatchNorm(NumpyModule):
    """Batch statistics in training, running ones otherwise; the running variance is unbiased."""

    weight: Any = None
    bias: Any = None
    running_mean: Any = None
    running_var: Any = None

    def __init__(self, layer: nn.BatchNorm, binding: Binding) -> None:
        self.eps, self.momentum, self.channels_last = layer.eps, layer.momentum, _last(binding)

    def __call__(self, x: Array) -> Array:
        axis = x.ndim - 1 if self.channels_last else 1
        others = tuple(i for i in range(x.ndim) if i != axis)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(others), x.var(others)
            count = x.size // x.shape[axis]
            unbiased = var * (count / (count - 1))
            self._blend(self.running_mean, mean)
            self._blend(self.running_var, unbiased)
        y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + np.asarray(self.eps, x.dtype))
        return y if self.weight is None else y * self.weight.reshape(shape) + self.bias.reshape(shape)

    def _blend(self, running: Array, new: Array) -> None:
        running *= 1 - self.momentum
        running += self.momentum * new


@NumpyAdapter.lowers(nn.LayerNorm)
class LayerNorm(NumpyModule):
    """The last axis less its mean, over its standard deviation."""

    weight: Any = None
    bias: Any = None

    def __init__(self, layer: nn.LayerNorm, binding: Binding) -> None:
        self.eps = layer.eps

    def __call__(self, x: Array) -> Array:
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        y = (x - mean) / np.sqrt(var + np.asarray(self.eps, x.dtype))
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


@NumpyAdapter.lowers(nn.Embedding)
class Embedding(NumpyModule):
    """Rows of the weight; an index outside the table is an IndexError, a negative one too."""

    weight: Any = None

    def __init__(self, layer: nn.Embedding, binding: Binding) -> None:
        self.count = layer.num_embeddings

    def __call__(self, x: Array) -> Array:
        if x.size and (x.min() < 0 or x.max() >= self.count):
            raise IndexError(f"an index is outside 0..{self.count - 1}: {x.min()} to {x.max()}")
        return np.asarray(self.weight[x])


@NumpyAdapter.lowers(nn.Dropout)
class Dropout(NumpyModule):
    """Zeros at random in training; NumPy's own entropy chooses them."""

    def __init__(self, layer: nn.Dropout, binding: Binding) -> None:
        self.p, self.generator = layer.p, np.random.default_rng()

    def __call__(self, x: Array) -> Array:
        if not self.training:
            return x
        kept = self.generator.random(x.shape) >= self.p
        return np.where(kept, x / np.asarray(1 - self.p, x.dtype), np.zeros((), x.dtype))


@NumpyAdapter.lowers(nn.Flatten)
class Flatten(NumpyModule):
    """Axes made one, in the order channels, height, width."""

    def __init__(self, layer: nn.Flatten, binding: Binding) -> None:
        self.layer, self.data_format = layer, binding.options.data_format

    def __call__(self, x: Array) -> Array:
        moved = np.moveaxis(x, -1, 1) if moves_channels(self.layer, x.ndim, self.data_format) else x
        return flat(moved, self.layer.start_axis)


class Activation(NumpyModule):
    """A function in the table, with the layer's options."""

    def __init__(self, function: Function, *options: Any) -> None:
        self.function, self.options = function, options

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.function(x, *self.options))


@NumpyAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> NumpyModule:
    """Lower an activation without options."""
    return Activation(getattr(binding.adapter.ops, function_name(layer)))


@NumpyAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> NumpyModule:
    """Lower Softmax."""
    return Activation(binding.adapter.ops.softmax, layer.axis)


@NumpyAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> NumpyModule:
    """Lower LeakyReLU."""
    return Activation(binding.adapter.ops.leaky_relu, layer.negative_slope)


class Sequential(NumpyModule):
    """Modules called one after the other; also a row of modules that a net calls itself."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules = list(modules)

    def __call__(self, x: Any) -> Any:
        for module in self.modules:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Any]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: Any) -> Any:
        return self.modules[index]


@NumpyAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> NumpyModule:
    """Lower a row of modules."""
    return Sequential([binding.native(child) for child in layer])


class ModuleDict(dict[str, Any]):
    """Modules by name."""

    training = True


@NumpyAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> ModuleDict:
    """Lower modules by name."""
    return ModuleDict({name: binding.native(child) for name, child in layer.items()})


def _activation(layer: Any, binding: Binding) -> Function | None:
    """Return a layer's activation: NumPy's own function for a name."""
    name = getattr(layer, "activation", None)
    return getattr(binding.adapter.ops, name) if isinstance(name, str) else name


def _last(binding: Binding) -> bool:
    return binding.options.data_format == "channels_last"


def _padded(x: Array, layer: Any, dilation: tuple[int, ...], value: float) -> Array:
    axes = enumerate(zip(x.shape[2:], layer.kernel_size, layer.stride, dilation))
    widths = [same_padding(*axis) if layer.padding == "same" else (layer.padding[i],) * 2 for i, axis in axes]
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=value)


def _positions(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation))


def _shifted(x: Array, element: Any, sizes: Any, stride: Any, dilation: Any) -> Array:
    """Return what one element of the kernel meets at every position of the window."""
    axes = zip(element, sizes, stride, dilation)
    index: tuple[Any, ...] = tuple(slice(e * d, e * d + s * (n - 1) + 1, s) for e, n, s, d in axes)
    return x[(..., *index)]


def _windows(x: Array, layer: Any) -> Array:
    """Return the elements of each window along a new first axis."""
    sizes = _positions(x.shape[2:], layer.kernel_size, layer.stride, (1, 1))
    elements = np.ndindex(*layer.kernel_size)
    return np.stack([_shifted(x, element, sizes, layer.stride, (1, 1)) for element in elements])

"""The layers that are no functions of `isomorph.ops`: NumPy's formulas, which autograd differentiates."""

from __future__ import annotations

import itertools
import math

import autograd.numpy as np
from autograd.tracer import getval

from isomorph import nn
from isomorph.adapter import same_padding

from .adapter import AutogradAdapter, Native


class Layer(Native):
    """A layer with its description. A formula for images sees channels first."""

    running_mean = running_var = None

    def __init__(self, formula, for_images, layer, binding):
        self.formula, self.layer, self.ops = formula, layer, binding.adapter.ops
        self.options = binding.options
        self.moves = for_images and self.options.channels_last
        name = getattr(layer, "activation", None)
        self.activation = getattr(self.ops, name) if isinstance(name, str) else name

    def __call__(self, x):
        y = self.formula(self, np.moveaxis(x, -1, 1) if self.moves else x)
        y = np.moveaxis(y, 1, -1) if self.moves else y
        return y if self.activation is None else self.activation(y)


def lowers(*kinds, for_images=False):
    """Enter a formula, a function of a `Layer` and its input, in the adapter's table."""

    def enter(formula):
        AutogradAdapter.lowers(*kinds)(lambda layer, binding: Layer(formula, for_images, layer, binding))

    return enter


@lowers(nn.Conv1d, nn.Conv2d, for_images=True)
def conv(self, x):
    groups, y = self.layer.groups, 0.0
    filters = np.reshape(self.weight, (groups, -1, *self.weight.shape[1:]))
    for element, window in windows(x, self.layer, self.layer.dilation, 0.0):
        grouped = np.reshape(window, (x.shape[0], groups, -1, *window.shape[2:]))
        y = y + np.einsum("gof,ngf...->ngo...", filters[(..., *element)], grouped)
    y = np.reshape(y, (x.shape[0], -1, *y.shape[3:]))
    return y if self.bias is None else y + np.reshape(self.bias, (-1, *[1] * self.layer.spatial))


@lowers(nn.MaxPool2d, for_images=True)
def max_pool(self, x):
    return np.max(np.stack([each for _, each in windows(x, self.layer, (1, 1), -math.inf)]), axis=0)


@lowers(nn.BatchNorm)
def batch_norm(self, x):
    channels = self.options.channel_axis(x.ndim)
    others = tuple(axis for axis in range(x.ndim) if axis != channels)
    shape = [-1 if axis == channels else 1 for axis in range(x.ndim)]
    mean, var = self.running_mean, self.running_var
    if self.training:
        mean, var, count = np.mean(x, axis=others), np.var(x, axis=others), x.size // x.shape[channels]
        for running, new in ((self.running_mean, mean), (self.running_var, var * (count / (count - 1)))):
            running += self.layer.momentum * (getval(new) - running)
    y = (x - np.reshape(mean, shape)) / np.sqrt(np.reshape(var, shape) + self.layer.eps)
    return y if self.weight is None else y * np.reshape(self.weight, shape) + np.reshape(self.bias, shape)


@lowers(nn.LayerNorm)
def layer_norm(self, x):
    mean, var = np.mean(x, axis=-1, keepdims=True), np.var(x, axis=-1, keepdims=True)
    y = (x - mean) / np.sqrt(var + self.layer.eps)
    y = y if self.weight is None else y * self.weight
    return y if self.bias is None else y + self.bias


@lowers(nn.Embedding)
def embedding(self, x):
    if x.size and (x.min() < 0 or x.max() >= self.layer.num_embeddings):
        raise IndexError(f"an index is outside 0..{self.layer.num_embeddings - 1}")
    return self.weight[x]


class Row(Native, list):
    """Modules in a row: a net calls each, or all one after the other."""

    def __call__(self, x):
        for module in self:
            x = module(x)
        return x


class Named(Native, dict):
    """Modules by name."""


AutogradAdapter.lowers(nn.Sequential, nn.ModuleList)(lambda layer, binding: Row(map(binding.native, layer)))
AutogradAdapter.lowers(nn.ModuleDict)(
    lambda layer, binding: Named((name, binding.native(child)) for name, child in layer.items())
)


def windows(x, layer, dilation, fill):
    """Yield each element of the kernel, with what it meets at every position."""
    axes = list(zip(x.shape[2:], layer.kernel_size, layer.stride, dilation))
    same = layer.padding == "same"
    widths = [same_padding(*axis) if same else (layer.padding[i],) * 2 for i, axis in enumerate(axes)]
    x = np.pad(x, ((0, 0), (0, 0), *widths), "constant", constant_values=fill)
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, (_, k, s, d) in zip(x.shape[2:], axes)]
    for element in itertools.product(*map(range, layer.kernel_size)):
        places = [(e * d, s, n) for e, (*_, s, d), n in zip(element, axes, counts)]
        yield element, x[(..., *(slice(start, start + s * (n - 1) + 1, s) for start, s, n in places))]

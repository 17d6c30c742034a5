"""The layers: NumPy's formulas, which autograd differentiates."""

from __future__ import annotations

import itertools
import math

import autograd.numpy as np
import numpy

from isomorph import nn
from isomorph.nn.activations import function_name, moves_channels
from isomorph.nn.rules import same_padding

from .adapter import AutogradAdapter, Native

lowers = AutogradAdapter.lowers


class Layer(Native):
    """A layer with its description; `compute` sees channels first where `images` is set."""

    images = False

    def __init__(self, layer, binding):
        self.layer, self.ops = layer, binding.adapter.ops
        self.last = binding.options.data_format == "channels_last"

    def __call__(self, x):
        moves = self.images and self.last
        y = self.compute(np.moveaxis(x, -1, 1) if moves else x)
        y = np.moveaxis(y, 1, -1) if moves else y
        activation = getattr(self.layer, "activation", None)
        if isinstance(activation, str):
            activation = getattr(self.ops, activation)
        return y if activation is None else activation(y)


@lowers(nn.Dense)
class Dense(Layer):
    def compute(self, x):
        y = np.matmul(x, self.weight.T)
        return y if self.bias is None else y + self.bias


@lowers(nn.Conv1d, nn.Conv2d)
class Conv(Layer):
    images = True

    def compute(self, x):
        layer, groups = self.layer, self.layer.groups
        filters = np.reshape(self.weight, (groups, -1, *self.weight.shape[1:]))
        y = 0.0
        for element, window in windows(x, layer, layer.dilation, 0.0):
            grouped = np.reshape(window, (x.shape[0], groups, -1, *window.shape[2:]))
            y = y + np.einsum("gof,ngf...->ngo...", filters[(..., *element)], grouped)
        y = np.reshape(y, (x.shape[0], -1, *y.shape[3:]))
        return y if self.bias is None else y + np.reshape(self.bias, (-1, *[1] * layer.spatial))


@lowers(nn.MaxPool2d)
class MaxPool2d(Layer):
    images = True

    def compute(self, x):
        return np.max(np.stack([each for _, each in windows(x, self.layer, (1, 1), -math.inf)]), axis=0)


@lowers(nn.AvgPool2d)
class AvgPool2d(Layer):
    images = True

    def compute(self, x):
        total = sum(each for _, each in windows(x, self.layer, (1, 1), 0.0))
        if self.layer.count_include_pad:
            return total / math.prod(self.layer.kernel_size)
        return total / sum(each for _, each in windows(numpy.ones(x.shape, x.dtype), self.layer, (1, 1), 0.0))


@lowers(nn.GlobalAvgPool2d)
class GlobalAvgPool2d(Layer):
    def compute(self, x):
        return np.mean(x, axis=(1, 2) if self.last else (2, 3), keepdims=self.layer.keepdims)


@lowers(nn.BatchNorm)
class BatchNorm(Layer):
    running_mean = running_var = None

    def compute(self, x):
        channels = x.ndim - 1 if self.last else 1
        others = tuple(axis for axis in range(x.ndim) if axis != channels)
        shape = [-1 if axis == channels else 1 for axis in range(x.ndim)]
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = np.mean(x, axis=others), np.var(x, axis=others)
            count = x.size // x.shape[channels]
            blend(self.running_mean, mean, self.layer.momentum)
            blend(self.running_var, var * (count / (count - 1)), self.layer.momentum)
        y = (x - np.reshape(mean, shape)) / np.sqrt(np.reshape(var, shape) + self.layer.eps)
        return y if self.weight is None else y * np.reshape(self.weight, shape) + np.reshape(self.bias, shape)


@lowers(nn.LayerNorm)
class LayerNorm(Layer):
    def compute(self, x):
        y = x - np.mean(x, axis=-1, keepdims=True)
        y = y / np.sqrt(np.var(x, axis=-1, keepdims=True) + self.layer.eps)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


@lowers(nn.Embedding)
class Embedding(Layer):
    def compute(self, x):
        if x.size and (x.min() < 0 or x.max() >= self.layer.num_embeddings):
            raise IndexError(f"an index is outside 0..{self.layer.num_embeddings - 1}")
        return self.weight[x]


@lowers(nn.Flatten)
class Flatten(Layer):
    def compute(self, x):
        data_format = "channels_last" if self.last else "channels_first"
        moved = np.moveaxis(x, -1, 1) if moves_channels(self.layer, x.ndim, data_format) else x
        return self.ops.flatten(moved, self.layer.start_axis)


@lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
class Activation(Layer):
    def compute(self, x):
        return getattr(self.ops, function_name(self.layer))(x)


@lowers(nn.Softmax)
class Softmax(Layer):
    def compute(self, x):
        return self.ops.softmax(x, self.layer.axis)


@lowers(nn.LeakyReLU)
class LeakyReLU(Layer):
    def compute(self, x):
        return self.ops.leaky_relu(x, self.layer.negative_slope)


class Row(Native, list):
    """Modules in a row: a net calls each, or calls all one after the other."""

    def __call__(self, x):
        for module in self:
            x = module(x)
        return x


@lowers(nn.Sequential, nn.ModuleList)
def row(layer, binding):
    return Row(binding.native(child) for child in layer)


class Named(Native, dict):
    """Modules by name."""


@lowers(nn.ModuleDict)
def named(layer, binding):
    return Named((name, binding.native(child)) for name, child in layer.items())


def blend(running, new, momentum):
    """Move running statistics towards the batch's, outside of the gradients."""
    while hasattr(new, "_value"):
        new = new._value
    running += momentum * (new - running)


def windows(x, layer, dilation, fill):
    """Yield each element of the kernel, with what it meets at every position."""
    sizes, kernel, stride = x.shape[2:], layer.kernel_size, layer.stride
    axes = list(zip(sizes, kernel, stride, dilation))
    same = layer.padding == "same"
    widths = [same_padding(*axis) if same else (layer.padding[i],) * 2 for i, axis in enumerate(axes)]
    x = np.pad(x, ((0, 0), (0, 0), *widths), "constant", constant_values=fill)
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, (_, k, s, d) in zip(x.shape[2:], axes)]
    for element in itertools.product(*map(range, kernel)):
        starts = [e * d for e, d in zip(element, dilation)]
        parts = [slice(b, b + s * (n - 1) + 1, s) for b, s, n in zip(starts, stride, counts)]
        yield element, x[(..., *parts)]

"""What each layer computes, element by element, in double precision.

Windows are read off one output position at a time, as the definitions are written.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import rules
from .rules import Layer, Refusal

Array = npt.NDArray[Any]
Values = dict[str, Array]


@dataclass(frozen=True)
class Computed:
    """A layer's output.

    Args:
        y: The output; None where chance decides (dropout in training).
        reduced: How many terms each element of the output sums, for tolerances.
        updates: New running statistics, by parameter name.
    """

    y: Array | None
    reduced: int = 1
    updates: Values = field(default_factory=dict)


def forward(
    layer: Layer,
    values: Values,
    x: Array,
    training: bool = True,
    data_format: str = "channels_first",
) -> Computed:
    """Return what a layer computes from an input and its parameters' values.

    Args:
        layer: The layer's net data.
        values: Parameters in the canonical layout, by name.
        x: The input, in the data format.
        training: Whether the layer is in training mode.
        data_format: ``"channels_first"`` or ``"channels_last"``.
    """
    kind = layer["kind"]
    values = {name: np.asarray(value, np.float64) for name, value in values.items()}
    if kind == "Embedding":
        return _embedding(layer, values["weight"], x)
    if kind == "Flatten":
        return Computed(_flatten(layer, x, data_format))
    x = np.asarray(x, np.float64)
    if kind == "Dropout":
        chance = training and layer.get("p", 0.5) > 0
        return Computed(None if chance else x)
    if kind == "LayerNorm":
        y = _normalized(x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True), layer)
        return Computed(y * values.get("weight", 1.0) + values.get("bias", 0.0), x.shape[-1])
    if kind == "Dense":
        y = np.einsum("...i,oi->...o", x, values["weight"]) + values.get("bias", 0.0)
        return _activated(layer, y, x.shape[-1])
    if kind == "Softmax":
        axis = layer.get("axis", -1)
        return Computed(softmax(x, axis), x.shape[axis])
    if kind == "LeakyReLU":
        return Computed(leaky_relu(x, layer.get("negative_slope", 0.01)))
    if kind.lower() in ELEMENTWISE:
        return Computed(ELEMENTWISE[kind.lower()](x))
    return _by_channel(layer, values, _to_first(x, data_format), training, data_format)


def _by_channel(layer: Layer, values: Values, x: Array, training: bool, data_format: str) -> Computed:
    """Return what the layers compute for which the data format says where channels are."""
    kind = layer["kind"]
    if kind == "BatchNorm":
        done = _batch_norm(layer, values, x, training)
        assert done.y is not None
        return Computed(_from_first(done.y, data_format), done.reduced, done.updates)
    if kind in rules.CONVOLUTIONS:
        y = _from_first(_convolution(layer, values, x), data_format)
        return _activated(layer, y, values["weight"][0].size)
    if kind == "GlobalAvgPool2d":
        y = x.mean((2, 3), keepdims=layer.get("keepdims", False))
        return Computed(_from_first(y, data_format), x.shape[2] * x.shape[3])
    # The greatest element is exact; a mean sums its window.
    reduced = math.prod(rules.kernel(layer)) if kind == "AvgPool2d" else 1
    return Computed(_from_first(_pool(layer, x), data_format), reduced)


def _convolution(layer: Layer, values: Values, x: Array) -> Array:
    """Return, at each position, the filters' products with the window that starts there."""
    weight, groups = values["weight"], layer.get("groups", 1)
    filters = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    padded = _padded(layer, x, 0.0)
    counts = _counts(layer, x)
    y = np.zeros((x.shape[0], weight.shape[0], *counts))
    for position in itertools.product(*map(range, counts)):
        window = padded[(slice(None), slice(None), *_window(layer, position))]
        parts = window.reshape(x.shape[0], groups, x.shape[1] // groups, *window.shape[2:])
        summed = np.einsum("ngc...,goc...->ngo...", parts, filters)
        y[(slice(None), slice(None), *position)] = summed.reshape(*y.shape[:2], -1).sum(-1)
    if "bias" in values:
        y += values["bias"].reshape(-1, *(1 for _ in counts))
    return y


def _pool(layer: Layer, x: Array) -> Array:
    """Return, at each position, the greatest or mean element of the window that starts there."""
    greatest = layer["kind"] == "MaxPool2d"
    padded = _padded(layer, x, -math.inf if greatest else 0.0)
    real = _padded(layer, np.ones_like(x), 0.0)
    # The zeros of "same" never count.
    count_all = layer.get("count_include_pad", True) and layer.get("padding", 0) != "same"
    counts = _counts(layer, x)
    y = np.zeros((*x.shape[:2], *counts))
    for row, column in itertools.product(*map(range, counts)):
        where = (slice(None), slice(None), *_window(layer, (row, column)))
        window = padded[where]
        if greatest:
            y[:, :, row, column] = window.max((2, 3))
        else:
            number = window[0, 0].size if count_all else real[where].sum((2, 3))
            y[:, :, row, column] = window.sum((2, 3)) / number
    return y


def _batch_norm(layer: Layer, values: Values, x: Array, training: bool) -> Computed:
    """Return channels-first values normalized per channel, and the new running statistics."""
    others = tuple(i for i in range(x.ndim) if i != 1)
    mean, variance = values["running_mean"], values["running_var"]
    updates: Values = {}
    reduced = 1
    if training:
        reduced = x.size // x.shape[1]
        weight = layer.get("momentum", 0.1)
        mean, variance = x.mean(others), x.var(others)
        unbiased = variance * reduced / (reduced - 1)
        updates = {
            "running_mean": (1 - weight) * values["running_mean"] + weight * mean,
            "running_var": (1 - weight) * values["running_var"] + weight * unbiased,
        }
    per_channel = (-1, *(1 for _ in others[1:]))
    y = _normalized(x, mean.reshape(per_channel), variance.reshape(per_channel), layer)
    if "weight" in values:
        y = y * values["weight"].reshape(per_channel) + values["bias"].reshape(per_channel)
    return Computed(y, reduced, updates)


def _normalized(x: Array, mean: Array, variance: Array, layer: Layer) -> Array:
    result: Array = (x - mean) / np.sqrt(variance + layer.get("eps", 1e-5))
    return result


def _embedding(layer: Layer, weight: Array, x: Array) -> Computed:
    if x.size and (x.min() < 0 or x.max() >= layer["num_embeddings"]):
        raise Refusal("NativeCallError")
    return Computed(weight[x])


def _flatten(layer: Layer, x: Array, data_format: str) -> Array:
    """Return the axes from the start on as one, channels before positions in both formats."""
    start = layer.get("start_axis", 1)
    if start <= 1 and x.ndim > 2:
        x = _to_first(x, data_format)
    return np.ascontiguousarray(x).reshape(*x.shape[:start], math.prod(x.shape[start:]))


def _activated(layer: Layer, y: Array, reduced: int) -> Computed:
    name = layer.get("activation")
    if name is None:
        return Computed(y, reduced)
    if name in ("softmax", "log_softmax"):
        function = softmax if name == "softmax" else log_softmax
        return Computed(function(y, -1), max(reduced, y.shape[-1]))
    return Computed(ELEMENTWISE[name](y), reduced)


def _to_first(x: Array, data_format: str) -> Array:
    return np.moveaxis(x, -1, 1) if data_format == "channels_last" else x


def _from_first(x: Array, data_format: str) -> Array:
    return np.moveaxis(x, 1, -1) if data_format == "channels_last" else x


def _padded(layer: Layer, x: Array, value: float) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *rules.padding(layer, x.shape[2:])), constant_values=value)


def _counts(layer: Layer, x: Array) -> tuple[int, ...]:
    """Return how many windows fit along each spatial axis of a channels-first input."""
    shape = _padded(layer, x, 0.0).shape[2:]
    axes = zip(shape, rules.reach(layer), rules.stride(layer))
    return tuple((size - span) // step + 1 for size, span, step in axes)


def _window(layer: Layer, position: tuple[int, ...]) -> tuple[slice, ...]:
    """Return what the window at a position covers of the padded spatial axes."""
    axes = zip(position, rules.stride(layer), rules.reach(layer), rules.dilation(layer))
    return tuple(slice(at * step, at * step + span, gap) for at, step, span, gap in axes)


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def gelu(x: Array) -> Array:
    """Return ``x * Phi(x)``, Phi(x) = erfc(-x / sqrt(2)) / 2."""
    tail = np.vectorize(math.erfc, otypes=[np.float64])
    return 0.5 * x * tail(-x / math.sqrt(2.0)) if x.size else x


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """Return ``x`` where positive, ``negative_slope * x`` elsewhere."""
    return np.where(x > 0, x, negative_slope * x)


def softmax(x: Array, axis: int) -> Array:
    """Return ``exp(x)`` divided by its sum over an axis."""
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Array, axis: int) -> Array:
    """Return ``x`` less the logarithm of the sum of ``exp(x)`` over an axis."""
    shifted = x - x.max(axis, keepdims=True, initial=-math.inf)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
    return result


ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "leaky_relu": leaky_relu,
}

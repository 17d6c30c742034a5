"""Activations: functions of each element, and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph.conformance.data import indices, spread

from .record import Array, Computed, Data, Layer, Place, Record, Refusal, Refused, Row, Sizes, Values

SHAPE = (2, 3, 7)


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
ALONG_AN_AXIS: dict[str, Callable[[Array, int], Array]] = {"softmax": softmax, "log_softmax": log_softmax}
# What a layer's option `activation` may be.
ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax", "leaky_relu")


def activated(layer: Layer, y: Array, reduced: int) -> Computed:
    """Return a layer's output after the activation that it is told."""
    name = layer.get("activation")
    if name is None:
        return Computed(y, reduced)
    if name in ALONG_AN_AXIS:
        return Computed(ALONG_AN_AXIS[name](y, -1), max(reduced, y.shape[-1]))
    return Computed(ELEMENTWISE[name](y), reduced)


def _plain(name: str, *refusals: Refused) -> Record:
    """Return the record of an activation without options: that of the function of this name."""

    def compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
        return Computed(ELEMENTWISE[name.lower()](x))

    return Record(name, "L-10", compute, (Row("plain", {}, SHAPE),), refusals=refusals)


def _softmax_shape(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    if not -len(shape) <= layer.get("axis", -1) < len(shape):
        raise Refusal("ForwardError")
    return shape


def _softmax(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    axis = layer.get("axis", -1)
    return Computed(softmax(x, axis), x.shape[axis])


def _leaky(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    return Computed(leaky_relu(x, layer.get("negative_slope", 0.01)))


def _axis(draws: Any, here: Any) -> Data:
    found: Data = draws.options(axis=range(-len(here.shape), len(here.shape)))
    return found


RECORDS = (
    _plain("ReLU", Refused("integers", "E-3", {}, indices(2, 3, below=9, dtype="int32"))),
    _plain("GELU"),
    _plain("SiLU"),
    _plain("Tanh"),
    _plain("Sigmoid"),
    Record(
        "LeakyReLU",
        "L-10",
        _leaky,
        (Row("plain", {}, SHAPE), Row("slope", {"negative_slope": 0.2}, SHAPE)),
        draw=lambda draws, here: draws.options(negative_slope=(0.2, 0.0, 1.5)),
    ),
    Record(
        "Softmax",
        "L-10",
        _softmax,
        (
            Row("plain", {}, SHAPE),
            Row("axis", {"axis": 1}, SHAPE),
            Row("empty-axis", {"axis": 0}, (0, 7)),
        ),
        infer=_softmax_shape,
        refusals=(Refused("axis-outside", "E-2", {"axis": 2}, spread(2, 3)),),
        coarse=(5, 2),
        draw=_axis,
    ),
)

"""Normalizations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from isomorph.conformance.data import indices, numbers, spread

from .drawing import LAWS, Draws, Here, laws
from .record import (
    ONES,
    ZEROS,
    Array,
    Computed,
    Data,
    Declared,
    Later,
    Layer,
    Place,
    Record,
    Refusal,
    Refused,
    Row,
    Sizes,
    Values,
    fit,
    product,
)


def _affine(layer: Layer) -> dict[str, Declared]:
    """Return the scale and the bias, as far as the layer has them."""
    size = (layer.get("in_features"),)
    found = {}
    if layer.get("affine", True):
        found["weight"] = Declared(size, "scale", ONES)
        if layer.get("bias", True):
            found["bias"] = Declared(size, "bias", ZEROS)
    return found


def _with_statistics(layer: Layer) -> dict[str, Declared]:
    size = (layer.get("in_features"),)
    return {
        **_affine(layer),
        "running_mean": Declared(size, "weight", ZEROS, trainable=False),
        "running_var": Declared(size, "weight", ONES, trainable=False, positive=True),
    }


def _infer_channels(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    axis = place.channel_axis(len(shape))
    for name in sizes:
        fit(sizes, name, 0, shape[axis])
    values = product(size for i, size in enumerate(shape) if i != axis)
    if place.training and values is not None and values < 2:
        raise Refusal("ShapeMismatchError")
    return shape


def _infer_features(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    for name in sizes:
        fit(sizes, name, 0, shape[-1])
    return shape


def _grouped_affine(layer: Layer) -> dict[str, Declared]:
    channels = layer.get("in_features")
    if channels is not None and channels % layer["num_groups"]:
        raise Refusal("InvalidArgumentError")
    return _affine(layer)


def _infer_groups(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    channels = shape[place.channel_axis(len(shape))]
    for name in sizes:
        fit(sizes, name, 0, channels)
    if channels is not None and channels % layer["num_groups"]:
        raise Refusal("ShapeMismatchError", layer["num_groups"], channels)
    return shape


def _normalized(x: Array, mean: Array, variance: Array, layer: Layer) -> Array:
    result: Array = (x - mean) / np.sqrt(variance + layer.get("eps", 1e-5))
    return result


def _batch_norm(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    """Return values normalized per channel, and the new running statistics."""
    x = place.to_first(x)
    others = tuple(i for i in range(x.ndim) if i != 1)
    mean, variance = values["running_mean"], values["running_var"]
    updates: Values = {}
    reduced = 1
    if place.training:
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
    return Computed(place.from_first(y), reduced, updates)


def _layer_norm(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    y = _normalized(x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True), layer)
    return Computed(y * values.get("weight", 1.0) + values.get("bias", 0.0), x.shape[-1])


def _group_norm(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    """Return values normalized example by example, group by group."""
    x = place.to_first(x)
    y, size = np.empty_like(x), x.shape[1] // layer["num_groups"]
    for example, first in itertools.product(range(len(x)), range(0, x.shape[1], size)):
        group = x[example, first : first + size]
        y[example, first : first + size] = _normalized(group, group.mean(), group.var(), layer)
    if "weight" in values:
        per_channel = (-1, *(1 for _ in x.shape[2:]))
        y = y * values["weight"].reshape(per_channel) + values["bias"].reshape(per_channel)
    return Computed(place.from_first(y), size * (product(x.shape[2:]) or 1))


def _draw_groups(draws: Draws, here: Here) -> Data:
    groups = draws.one(n for n in (1, 2, 3, here.channels) if here.channels % n == 0)
    return {"num_groups": groups, **_draw(draws)}


def _draw(draws: Draws, **more: Iterable[Any]) -> Data:
    return {
        **draws.options(eps=(1e-3, 0.3), affine=(False,), **more),
        **laws(draws, weight_init=LAWS, bias_init=LAWS),
    }


RECORDS = (
    Record(
        "BatchNorm",
        "M-4",
        _batch_norm,
        (
            Row("plain", {}, (5, 3)),
            Row("sequence", {}, (5, 3, 7)),
            Row("image", {}, (2, 3, 5, 7)),
            Row("eps", {"eps": 0.3}, (2, 3, 5, 7)),
            Row("not-affine", {"affine": False}, (2, 3, 5, 7)),
            Row("known", {"in_features": 3}, (5, 3)),
        ),
        parameters=_with_statistics,
        infer=_infer_channels,
        shapes_clause="I-4",
        ranks=(2, None),
        infers="channels",
        known="in_features",
        moves_channels=True,
        one_size=True,
        refusals=(
            Refused("known-channels", "E-1", {"in_features": 5}, spread(2, 3)),
            Refused("rank", "E-2", {}, spread(5)),
        ),
        later=(
            Later("another-channel-count", {}, spread(5, 3), spread(5, 7), refused=True),
            Later("another-image-size", {}, spread(2, 3, 5, 7), spread(5, 3, 8, 4)),
        ),
        draw=lambda draws, here: _draw(draws, momentum=(0.3, 0.01)),
    ),
    Record(
        "LayerNorm",
        "L-7",
        _layer_norm,
        (
            Row("plain", {}, (2, 7)),
            Row("rank-3", {}, (2, 3, 7)),
            Row("eps", {"eps": 0.3}, (2, 7)),
            Row("no-bias", {"bias": False}, (2, 7)),
            Row("not-affine", {"affine": False}, (2, 7)),
            Row("known", {"in_features": 7}, (2, 7)),
        ),
        parameters=_affine,
        infer=_infer_features,
        shapes_clause="I-4",
        ranks=(1, None),
        infers="features",
        known="in_features",
        one_size=True,
        refusals=(
            Refused("known-features", "E-1", {"in_features": 5}, spread(2, 3)),
            Refused("integers", "E-3", {}, indices(2, 3, below=9, dtype="int32")),
            Refused("vector-of-nothing", "E-1", {"affine": False}, numbers([])),
        ),
        later=(Later("another-feature-count", {}, spread(5, 3), spread(5, 7), refused=True),),
        draw=lambda draws, here: _draw(draws, bias=(False,)),
    ),
    Record(
        "GroupNorm",
        "L-15",
        _group_norm,
        (
            Row("plain", {"num_groups": 2}, (2, 6, 5, 4)),
            Row("rank-2", {"num_groups": 2}, (5, 6)),
            Row("sequence", {"num_groups": 2}, (2, 6, 7)),
            Row("volume", {"num_groups": 2}, (2, 6, 3, 5, 7)),
            Row("one-group", {"num_groups": 1}, (2, 6, 5, 7)),
            Row("channel-by-channel", {"num_groups": 6}, (2, 6, 5, 7)),
            Row("eps", {"num_groups": 2, "eps": 0.3}, (2, 6, 5, 7)),
            Row("not-affine", {"num_groups": 2, "affine": False}, (2, 6, 5, 7)),
            Row("known", {"num_groups": 2, "in_features": 6}, (5, 6)),
        ),
        parameters=_grouped_affine,
        infer=_infer_groups,
        shapes_clause="I-4",
        ranks=(2, None),
        infers="channels",
        known="in_features",
        moves_channels=True,
        one_size=True,
        refusals=(
            Refused("groups-do-not-divide", "I-9", {"num_groups": 4}, spread(2, 6, 5)),
            Refused("known-channels", "E-1", {"num_groups": 2, "in_features": 4}, spread(2, 6)),
            Refused("rank", "E-2", {"num_groups": 1}, spread(6)),
            Refused("integers", "E-3", {"num_groups": 2}, indices(2, 6, below=9, dtype="int32")),
        ),
        later=(
            Later("another-channel-count", {"num_groups": 2}, spread(5, 6), spread(5, 4), refused=True),
            Later("another-image-size", {"num_groups": 2}, spread(2, 6, 5, 7), spread(5, 6, 8, 4)),
        ),
        coarse=(2, 4, 2),
        draw=_draw_groups,
    ),
)

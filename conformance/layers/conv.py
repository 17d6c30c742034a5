"""Convolutions of sequences and images."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

from isomorph.conformance.data import indices, numbers, spread

from . import drawing
from .activations import ACTIVATIONS, activated
from .drawing import Draws, Here
from .record import (
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
    weight_and_bias,
)
from .windows import INPUTS, Windows, per_axis

AXES = {"Conv1d": 1, "Conv2d": 2}
IMAGE, SEQUENCE = (2, 3, 11, 7), (2, 3, 11)
PLAIN: Data = {"out_channels": 5, "kernel_size": 3}
SIX: Data = {"out_channels": 6, "kernel_size": 3}


def _windows(layer: Layer) -> Windows:
    return Windows.of(layer, AXES[layer["kind"]])


def _per_group(layer: Layer, channels: int) -> int:
    groups = layer.get("groups", 1)
    if channels % groups:
        raise Refusal("ShapeMismatchError", groups, channels)
    return int(channels // groups)


def _parameters(layer: Layer) -> dict[str, Declared]:
    channels = layer.get("in_channels")
    inner = None if channels is None else _per_group(layer, channels)
    kernel = per_axis(layer["kernel_size"], AXES[layer["kind"]])
    return weight_and_bias(layer, (layer["out_channels"], inner, *kernel))


def _infer(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    axis = place.channel_axis(len(shape))
    channels, inner = shape[axis], sizes["weight"][1]
    if channels is not None:
        if inner is not None and channels != inner * layer.get("groups", 1):
            raise Refusal("ShapeMismatchError", inner * layer.get("groups", 1), channels)
        fit(sizes, "weight", 1, _per_group(layer, channels))
    output = list(_windows(layer).output(shape, place))
    output[axis] = layer["out_channels"]
    return tuple(output)


def _compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    y = place.from_first(_convolution(layer, values, place.to_first(x)))
    return activated(layer, y, values["weight"][0].size)


def _convolution(layer: Layer, values: Values, x: Array) -> Array:
    """Return, at each position, the filters' products with the window that starts there."""
    weight, groups, windows = values["weight"], layer.get("groups", 1), _windows(layer)
    filters = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    padded, counts = windows.padded(x, 0.0), windows.counts(x)
    y = np.zeros((x.shape[0], weight.shape[0], *counts))
    for position in itertools.product(*map(range, counts)):
        window = padded[windows.at(position)]
        parts = window.reshape(x.shape[0], groups, x.shape[1] // groups, *window.shape[2:])
        summed = np.einsum("ngc...,goc...->ngo...", parts, filters)
        y[(slice(None), slice(None), *position)] = summed.reshape(*y.shape[:2], -1).sum(-1)
    if "bias" in values:
        y += values["bias"].reshape(-1, *(1 for _ in counts))
    return y


def _draw(draws: Draws, here: Here, pairs: tuple[list[int], ...]) -> Data:
    channels = here.channels
    groups = draws.one(n for n in (1, 2, 3, channels) if channels % n == 0)
    return {
        "out_channels": groups * draws.one((2, 1, 3)),
        "kernel_size": draws.one((2, 1, 3, *pairs)),
        **({"groups": groups} if groups > 1 else {}),
        **draws.options(
            stride=(2, 3, pairs[0]), padding=("same", 1, "valid", 2, pairs[0]), dilation=(2, pairs[0])
        ),
        **drawing.weight_and_bias(draws, ACTIVATIONS),
    }


def _row(shape: tuple[int, ...], slug: str, **options: Any) -> Row:
    return Row(slug, {**PLAIN, **options}, shape)


_sequence, _image = partial(_row, SEQUENCE), partial(_row, IMAGE)
_SHARED: Data = {
    "parameters": _parameters,
    "infer": _infer,
    "shapes_clause": "I-3",
    "same_clause": "L-3",
    "infers": "channels",
    "known": "in_channels",
    "moves_channels": True,
}
_TABLE: Data = {
    "kernel_size": [1, 2, 3],
    "stride": [1, 2, 3],
    "padding": [0, 2, "same", "valid"],
    "dilation": [1, 2],
    "groups": [1, 3],
    "bias": [True, False],
    **INPUTS,
}

RECORDS = (
    Record(
        "Conv1d",
        "L-2",
        _compute,
        (
            _sequence("plain"),
            _sequence("no-bias", bias=False),
            _sequence("stride", stride=2),
            _sequence("padding", padding=2),
            _sequence("same", padding="same", kernel_size=4),
            _row((2, 3, 12), "same-stride", padding="same", stride=2),
            _sequence("dilation", dilation=2),
            _sequence("groups", groups=3, out_channels=6),
            _row((2, 8, 11), "groups-of-four", groups=2, out_channels=6),
        ),
        ranks=(3, 3),
        table=_TABLE,
        fans=(_sequence("plain"),),
        refusals=(
            Refused("groups-do-not-divide", "I-9", {**SIX, "groups": 3}, spread(2, 5, 11)),
            Refused("window-too-large", "I-9", SIX, spread(2, 3, 2)),
            Refused("rank", "E-2", SIX, spread(2, 3, 11, 7)),
        ),
        draw=lambda draws, here: _draw(draws, here, ([2], [3])),
        **_SHARED,
    ),
    Record(
        "Conv2d",
        "L-2",
        _compute,
        (
            _image("plain"),
            _image("no-bias", bias=False),
            _image("kernel-pair", kernel_size=[2, 3]),
            _image("stride", stride=2),
            _image("stride-pair", stride=[3, 2]),
            _image("padding", padding=1),
            _image("padding-pair", padding=[0, 2]),
            _image("same", padding="same"),
            _image("same-even-kernel", padding="same", kernel_size=[4, 2]),
            _row((2, 3, 12, 8), "same-stride", padding="same", stride=2),
            _image("stride-pair-same", padding="same", stride=[2, 3]),
            _image("valid", padding="valid"),
            _image("dilation", dilation=2),
            _image("dilation-pair", dilation=[3, 2]),
            _image("groups", groups=3, out_channels=6),
            _row((2, 8, 11, 7), "groups-of-four", groups=2, out_channels=6, kernel_size=[3, 2]),
            _image("depthwise", groups=3, out_channels=3),
            _image("activation", activation="relu"),
            _image("known", in_channels=3),
        ),
        ranks=(4, 4),
        table={
            **_TABLE,
            "kernel_size": [1, 3, [2, 3], [3, 1]],
            "stride": [1, 2, [1, 3]],
            "padding": [0, 1, [0, 1], "same"],
            "dilation": [1, 2, [1, 2]],
        },
        fans=(Row("groups", {"out_channels": 6, "kernel_size": [2, 3], "groups": 3}, IMAGE),),
        refusals=(
            Refused("groups-do-not-divide", "I-9", {**SIX, "groups": 2}, spread(*IMAGE)),
            Refused("window-too-large", "I-9", SIX, spread(2, 3, 2, 7)),
            Refused("dilated-window-too-large", "I-9", {**SIX, "dilation": 4}, spread(*IMAGE)),
            Refused("known-channels", "E-1", {**SIX, "in_channels": 5}, spread(*IMAGE)),
            Refused("rank", "E-2", SIX, spread(2, 3, 11)),
            Refused("integers", "E-3", SIX, indices(*IMAGE, below=9, dtype="int32")),
            Refused("zero-size", "E-1", SIX, numbers([[], []])),
        ),
        later=(
            Later("another-channel-count", SIX, spread(*IMAGE), spread(2, 5, 11, 7), refused=True),
            Later("another-image-size", SIX, spread(*IMAGE), spread(5, 3, 8, 13)),
        ),
        coarse=(2, 2, 5, 3),
        draw=lambda draws, here: _draw(draws, here, ([1, 2], [3, 1], [2, 3])),
        **_SHARED,
    ),
)

"""Pools of images."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from isomorph.conformance.data import spread

from .drawing import Draws, Here
from .record import Array, Computed, Data, Layer, Place, Record, Refused, Row, Sizes, Values
from .windows import INPUTS, Windows

IMAGE = (2, 3, 11, 7)


def _windows(layer: Layer) -> Windows:
    return Windows.of(layer, 2, stride=layer["kernel_size"])


def _infer(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    return _windows(layer).output(shape, place)


def _greatest(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    x, windows = place.to_first(x), _windows(layer)
    padded, counts = windows.padded(x, -math.inf), windows.counts(x)
    y = np.zeros((*x.shape[:2], *counts))
    for row, column in itertools.product(*map(range, counts)):
        y[:, :, row, column] = padded[windows.at((row, column))].max((2, 3))
    return Computed(place.from_first(y))


def _mean(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    x, windows = place.to_first(x), _windows(layer)
    padded, counts = windows.padded(x, 0.0), windows.counts(x)
    real = windows.padded(np.ones_like(x), 0.0)
    # The zeros of "same" never count.
    count_all = layer.get("count_include_pad", True) and windows.added != "same"
    y = np.zeros((*x.shape[:2], *counts))
    for row, column in itertools.product(*map(range, counts)):
        where = windows.at((row, column))
        number = windows.count if count_all else real[where].sum((2, 3))
        y[:, :, row, column] = padded[where].sum((2, 3)) / number
    return Computed(place.from_first(y), windows.count)


def _global_shape(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    channels = shape[place.channel_axis(4)]
    if not layer.get("keepdims", False):
        return (shape[0], channels)
    return (shape[0], 1, 1, channels) if place.data_format == "channels_last" else (shape[0], channels, 1, 1)


def _global_mean(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    x = place.to_first(x)
    y = x.mean((2, 3), keepdims=layer.get("keepdims", False))
    return Computed(place.from_first(y), x.shape[2] * x.shape[3])


def _draw(draws: Draws, here: Here) -> Data:
    kernel = draws.one((2, 1, 3, [2, 3], [3, 2]))
    half = min(kernel if isinstance(kernel, list) else [kernel]) // 2
    return {"kernel_size": kernel, **draws.options(stride=(1, 2, 3, [1, 2]), padding=("same", "valid", half))}


def _row(slug: str, shape: tuple[int, ...] = IMAGE, **options: Any) -> Row:
    return Row(slug, {"kernel_size": 2, **options}, shape)


_PLAIN, _STRIDE = _row("plain"), _row("stride", kernel_size=3, stride=2)
_PADDING = _row("padding", kernel_size=3, stride=2, padding=1)
_REST = (
    _row("pairs", kernel_size=[3, 2], stride=[2, 3], padding=[1, 0]),
    _row("same", kernel_size=3, stride=2, padding="same"),
    _row("same-even", (2, 3, 12, 8), kernel_size=3, stride=2, padding="same"),
)
_NOT_COUNTED = _row("padding-not-counted", kernel_size=3, stride=2, padding=1, count_include_pad=False)
_TABLE: Data = {
    "kernel_size": [2, 3, [2, 3]],
    "stride": [None, 1, 2, [2, 3]],
    "padding": [0, 1, "same", "valid"],
    **INPUTS,
}
_TOO_LARGE = Refused("window-too-large", "I-9", {"kernel_size": 3}, spread(2, 3, 11, 2))

RECORDS = (
    Record(
        "MaxPool2d",
        "L-4",
        _greatest,
        (_PLAIN, _STRIDE, _PADDING, *_REST),
        infer=_infer,
        same_clause="L-3",
        ranks=(4, 4),
        moves_channels=True,
        table=_TABLE,
        refusals=(_TOO_LARGE, Refused("rank", "E-2", {"kernel_size": 3}, spread(2, 3, 11))),
        draw=_draw,
    ),
    Record(
        "AvgPool2d",
        "L-5",
        _mean,
        (_PLAIN, _STRIDE, _PADDING, _NOT_COUNTED, *_REST),
        infer=_infer,
        ranks=(4, 4),
        moves_channels=True,
        table={**_TABLE, "count_include_pad": [True, False]},
        refusals=(_TOO_LARGE,),
        draw=lambda draws, here: {
            **_draw(draws, here),
            **draws.options(count_include_pad=(False, True)),
        },
    ),
    Record(
        "GlobalAvgPool2d",
        "L-6",
        _global_mean,
        (Row("plain", {}, IMAGE), Row("keepdims", {"keepdims": True}, IMAGE)),
        infer=_global_shape,
        ranks=(4, 4),
        moves_channels=True,
        refusals=(Refused("rank", "E-2", {}, spread(2, 3, 11)),),
        coarse=(2, 3, 2, 2),
        draw=lambda draws, here: draws.options(keepdims=(True,)),
    ),
)

"""Flatten: several axes as one, in one order in both data formats."""

from __future__ import annotations

import math

import numpy as np

from .drawing import Draws, Here
from .record import Array, Computed, Data, Layer, Place, Record, Refusal, Row, Sizes, Values, product


def _infer(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    start = layer.get("start_axis", 1)
    if len(shape) < start:
        raise Refusal("ShapeMismatchError")
    return (*shape[:start], product(shape[start:]))


def _compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    """Return the axes from the start on as one, channels before positions in both formats."""
    start = layer.get("start_axis", 1)
    if start <= 1 and x.ndim > 2:
        x = place.to_first(x)
    return Computed(np.ascontiguousarray(x).reshape(*x.shape[:start], math.prod(x.shape[start:])))


def _draw(draws: Draws, here: Here) -> Data | None:
    if len(here.shape) < 2 and here.data_format == "channels_last":
        # A compiler that knows no ranks can't tell a vector from what has channels last.
        return None
    return draws.options(start_axis=range(len(here.shape)))


RECORDS = (
    Record(
        "Flatten",
        "L-9",
        _compute,
        (
            Row("plain", {}, (2, 3, 5, 7)),
            Row("matrix", {}, (2, 3)),
            Row("sequence", {}, (2, 3, 7)),
            Row("start", {"start_axis": 2}, (2, 3, 5, 7)),
            Row("all", {"start_axis": 0}, (2, 3, 5)),
            Row("vector", {}, (5,)),
        ),
        infer=_infer,
        takes=None,
        moves_channels=True,
        draw=_draw,
    ),
)

"""Dropout."""

from __future__ import annotations

from .record import Array, Computed, Layer, Place, Record, Row, Values


def _compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    return Computed(None if place.training and layer.get("p", 0.5) > 0 else x)


RECORDS = (
    Record(
        "Dropout",
        "M-5",
        _compute,
        (Row("plain", {}, (2, 3, 7)),),
        chance=True,
        draw=lambda draws, here: draws.options(p=(0.0, 0.25, 0.9)),
    ),
)

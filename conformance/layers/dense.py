"""The dense layer."""

from __future__ import annotations

import numpy as np

from isomorph.conformance.data import numbers

from . import drawing
from .activations import ACTIVATIONS, activated
from .record import (
    Array,
    Computed,
    Declared,
    Layer,
    Place,
    Record,
    Refused,
    Row,
    Sizes,
    Values,
    fit,
    weight_and_bias,
)


def _parameters(layer: Layer) -> dict[str, Declared]:
    return weight_and_bias(layer, (layer["units"], layer.get("in_features")))


def _infer(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    fit(sizes, "weight", 1, shape[-1])
    return (*shape[:-1], layer["units"])


def _compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    y = np.einsum("...i,oi->...o", x, values["weight"]) + values.get("bias", 0.0)
    return activated(layer, y, x.shape[-1])


RECORDS = (
    Record(
        "Dense",
        "L-1",
        _compute,
        (
            Row("plain", {"units": 7}, (2, 5)),
            Row("no-bias", {"units": 7, "bias": False}, (2, 5)),
            Row("rank-1", {"units": 7}, (5,)),
            Row("rank-4", {"units": 7}, (2, 3, 11, 5)),
            Row("known", {"units": 7, "in_features": 5}, (2, 5)),
            *(Row(f"activation-{name}", {"units": 7, "activation": name}, (2, 5)) for name in ACTIVATIONS),
        ),
        parameters=_parameters,
        infer=_infer,
        shapes_clause="I-1",
        ranks=(1, None),
        infers="features",
        known="in_features",
        is_core=True,
        refusals=(Refused("vector-of-nothing", "E-1", {"units": 3}, numbers([])),),
        draw=lambda draws, here: {
            "units": draws.one(drawing.WIDTHS),
            **drawing.weight_and_bias(draws, ACTIVATIONS),
        },
    ),
)

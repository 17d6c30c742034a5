"""What each layer computes, element by element, in double precision."""

from __future__ import annotations

import numpy as np

from isomorph.conformance.layers import RECORDS
from isomorph.conformance.layers.record import FLOATS, Array, Computed, Layer, Place, Values


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
    record = RECORDS[layer["kind"]]
    values = {name: np.asarray(value, np.float64) for name, value in values.items()}
    if record.takes == FLOATS:
        x = np.asarray(x, np.float64)
    return record.compute(layer, values, x, Place(training, data_format))

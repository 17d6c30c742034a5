"""Scripts that make one layer in Keras's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isomorph import nn
from isomorph import script as parts

_HEAD = """import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy"""
_FUNCTIONS = {
    name: f"keras.activations.{name}(y)"
    for name in ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax")
} | {"leaky_relu": "keras.activations.leaky_relu(y, 0.01)"}


def script(
    layer: nn.Layer, data_format: str, training: bool, rows: Mapping[type, str], table: Mapping[type, Any]
) -> str:
    """Return the source, from the families' rows and the adapter's table; see `Adapter.native_script`."""
    before, after = parts.moved(layer, data_format, "channels_last", "keras.ops.moveaxis")
    given: Any = layer
    padding, stride = getattr(layer, "padding", ()), getattr(layer, "stride", (1,))
    # Keras's convolutions refuse dilation together with strides.
    thins = max(getattr(layer, "dilation", (1,))) > 1 and max(stride) > 1
    options = {
        "word": "same" if padding == "same" and not thins else "valid",
        "steps": 1 if thins else stride,
        "channel_axis": 1 if data_format == "channels_first" else -1,
    }
    call, behind = "y = layer(x)", []
    if isinstance(layer, (nn.BatchNorm, nn.Dropout)):
        call = f"y = layer(x, training={training})"
    if isinstance(layer, nn.Dense):  # Keras's takes no vectors
        call = "y = layer(x) if x.ndim > 1 else layer(x[None])[0]"
    if padding != "same" and any(padding):
        widths = repr([(0, 0), *((pad, pad) for pad in padding), (0, 0)])
        fill = "-numpy.inf" if isinstance(layer, nn.MaxPool2d) else "0"
        if isinstance(layer, nn.AvgPool2d) and not given.count_include_pad:
            before += ["inside = numpy.ones_like(x)", *parts.padded(widths, fill, ("x", "inside"))]
            behind = ["y = y / layer(inside)"]
        else:
            before += parts.padded(widths, fill)
    if thins:
        behind = [f"y = y[(slice(None), *(slice(None, None, step) for step in {stride}))]"]
        if padding == "same":
            before += [*parts.same_widths(given, "channels_last"), *parts.padded("widths")]
    values = parts.values(layer, table)
    load = ["layer.build(x.shape)", f"layer.set_weights([{', '.join(values.values())}])"] if values else []
    lines = [
        parts.DTYPE,
        *before,
        f"layer = {parts.filled('tensorflow', layer, rows, **options)}",
        *load,
        call,
        *behind,
        *after,
        *parts.activated("tensorflow", layer, _FUNCTIONS),
        "y = numpy.asarray(y)",
    ]
    return parts.assembled(_HEAD, lines)

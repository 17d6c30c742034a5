"""Scripts that make one layer in Gluon's own API."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from isomorph import nn
from isomorph import script as parts

from . import framework

_HEAD = f"""import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from collections.abc import Mapping
from typing import Any

import numpy
import numpy as np


{inspect.getsource(framework._old_numpy)}

with _old_numpy():
    import mxnet as mx

mx.npx.set_np()"""
_FUNCTIONS = {
    "relu": "mx.npx.relu(y)",
    "gelu": 'mx.npx.leaky_relu(y, act_type="gelu")',
    "silu": "y * mx.npx.sigmoid(y)",
    "tanh": "mx.np.tanh(y)",
    "sigmoid": "mx.npx.sigmoid(y)",
    "softmax": "mx.npx.softmax(y)",
    "log_softmax": "mx.npx.log_softmax(y)",
    "leaky_relu": "mx.np.where(y > 0, y, y * 0.01)",
}


def script(
    layer: nn.Layer, table: Mapping[type, Any], rows: Mapping[type, str], data_format: str, training: bool
) -> str:
    """Return the source; see `Adapter.native_script`. A row makes a Gluon block or computes y from x."""
    before, after = parts.moved(layer, data_format, "channels_first", "mx.np.moveaxis")
    given: Any = layer
    padding = getattr(layer, "padding", ())
    options: dict[str, Any] = {
        "pads": padding,
        "channel_axis": 1 if isinstance(layer, nn.BatchNorm) and data_format == "channels_first" else -1,
        "counted": getattr(layer, "count_include_pad", True) or padding == "same",
    }
    behind = []
    if padding == "same":
        is_mean = isinstance(layer, nn.AvgPool2d)
        names = ("x", "inside") if is_mean else ("x",)
        fill = "-numpy.inf" if isinstance(layer, nn.MaxPool2d) else "0"
        options["pads"] = (0,) * len(given.kernel_size)
        before += ["inside = numpy.ones_like(x)"] if is_mean else []
        before += [*parts.same_widths(given), *parts.padded("widths", fill, names)]
        behind = ["y = y / layer(mx.np.array(inside, dtype=inside.dtype))"] if is_mean else []
    if isinstance(layer, nn.GlobalAvgPool2d) and not layer.keepdims:
        behind = ["y = y.squeeze((2, 3))"]
    call = [f"with mx.autograd.{'train' if training else 'predict'}_mode():", "    y = layer(x)"]
    make: list[str] = []
    row = parts.filled("mxnet", layer, rows, **options)
    if not row.startswith("mx.gluon."):
        call = [f"y = {row}"]
    else:
        values = parts.values(layer, table)
        make = [
            f"layer = {row}",
            "layer.cast(dtype)",
            "layer.initialize('zeros')",
            *(f"layer.{name}.set_data(mx.np.array({value}, dtype=dtype))" for name, value in values.items()),
        ]
    lines = [
        parts.DTYPE,
        *before,
        "x = mx.np.array(x, dtype=x.dtype)",
        *make,
        *call,
        *behind,
        *after,
        *parts.activated("mxnet", layer, _FUNCTIONS),
        "y = y.asnumpy()",
    ]
    return parts.assembled(_HEAD, lines)

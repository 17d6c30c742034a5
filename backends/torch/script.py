"""Scripts that make one layer in PyTorch's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isomorph import nn
from isomorph import script as parts

from .windows import pads_itself

_HEAD = "import numpy\nimport torch\nimport torch.nn.functional as F"
_FUNCTIONS = {
    "relu": "torch.relu(y)",
    "gelu": "F.gelu(y)",
    "silu": "F.silu(y)",
    "tanh": "torch.tanh(y)",
    "sigmoid": "torch.sigmoid(y)",
    "softmax": "torch.softmax(y, -1)",
    "log_softmax": "torch.log_softmax(y, -1)",
    "leaky_relu": "F.leaky_relu(y, 0.01)",
}


def script(
    layer: nn.Layer,
    data_format: str,
    training: bool,
    table: Mapping[type, Any],
    templates: Mapping[type, str],
) -> str:
    """Return the source; see `Adapter.native_script`.

    Args:
        layer: What the script makes.
        data_format: That of its input.
        training: Its mode.
        table: The adapter's lowerings.
        templates: By layer type, the call that makes PyTorch's own.
    """
    before, after = parts.moved(layer, data_format, "channels_first", "torch.movedim")
    is_mean = isinstance(layer, nn.AvgPool2d)
    padding = getattr(layer, "padding", 0)
    is_same = padding == "same" and (not hasattr(layer, "dilation") or pads_itself(layer))
    call = parts.filled(
        "torch",
        layer,
        templates,
        padding=0 if is_same else padding,
        counted=is_same or getattr(layer, "count_include_pad", True),
    )
    if isinstance(layer, nn.BatchNorm):
        if data_format == "channels_last":
            before, after = ["x = numpy.moveaxis(x, -1, 1)"], ["y = torch.movedim(y, 1, -1)"]
        before.append("kinds = torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d")
        before.append("kind = (*kinds, torch.nn.BatchNorm3d)[x.ndim - 2]")
    if is_same:
        inside = ["inside = numpy.ones_like(x)"] if is_mean else []
        fill = "-numpy.inf" if isinstance(layer, nn.MaxPool2d) else "0"
        names = ("x", "inside") if is_mean else ("x",)
        before += [*inside, *parts.same_widths(layer), *parts.padded("widths", fill, names)]
    values = parts.values(layer, table)
    state = ", ".join(f'"{name}": torch.tensor({value})' for name, value in values.items())
    load = [f"layer.load_state_dict({{{state}}}, strict=False, assign=True)"] if values else []
    divide = ["y = y / layer(torch.tensor(inside))"] if is_same and is_mean else []
    if isinstance(layer, nn.GlobalAvgPool2d) and not layer.keepdims:
        divide = ["y = y[:, :, 0, 0]"]
    lines = [
        *before,
        f"layer = {call}",
        *load,
        f"layer.train({training})",
        "y = layer(torch.tensor(x))",
        *divide,
        *after,
        *parts.activated("torch", layer, _FUNCTIONS),
        "y = y.detach().numpy()",
    ]
    return parts.assembled(_HEAD, lines)

"""Parts of the scripts that make one layer in a framework's own API; see `Adapter.native_script`.

A script prepares and unpacks arrays with NumPy, so that what is left is the framework's own call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import nn, ops
from .errors import NotSupportedError

DTYPE = "dtype = str(next(iter(parameters.values()), x).dtype)"
"""The line for layers that are told their type when they are made."""


def filled(backend: str, layer: nn.Layer, templates: Mapping[type, str], **more: Any) -> str:
    """Return the layer's template with its attributes in it; raises `NotSupportedError` without one.

    Beside attributes, templates know `has_bias`, `has_weight` and `kept`, the weight of the old
    running statistics.
    """
    kind = type(layer)
    cls = next((cls for cls in templates if issubclass(kind, cls)), None)
    if cls is None or kind.forward is not cls.forward:  # type: ignore[attr-defined]
        raise _refused(backend, f"its scripts make no {kind.__name__}")
    given = {"spatial": getattr(layer, "spatial", None), **vars(layer), **more}
    has = {f"has_{name}": given.get(name) is not None for name in ("weight", "bias")}
    return templates[cls].format(**given, **has, kept=1 - given.get("momentum", 0.0))


def activated(backend: str, layer: nn.Layer, functions: Mapping[str, str]) -> list[str]:
    """Return the line that applies the layer's activation to y, none if it has none."""
    value = getattr(layer, "activation", None)
    if value is None:
        return []
    name = value if isinstance(value, str) else getattr(value, "__name__", "")
    if name not in functions or value not in (name, getattr(ops, name)):
        raise _refused(backend, f"its scripts know no activation {value!r}")
    return [f"y = {functions[name]}"]


def _refused(backend: str, able: str) -> NotSupportedError:
    hint = "Reproduce the failure with the net itself."
    return NotSupportedError.of(backend, "native.script", able, hint)


def values(layer: nn.Layer, table: Mapping[type, tuple[Any, Mapping[str, Any]]]) -> dict[str, str]:
    """Return, by native name, expressions of the layer's parameters in the adapter's layout."""
    layouts = next((table[kind][1] for kind in type(layer).__mro__ if kind in table), {})
    found = {}
    for name in layer.own_parameters():
        layout = layouts.get(name, name)
        native, axes = (layout, None) if isinstance(layout, str) else layout
        found[native] = f'parameters["{name}"]' + (f".transpose{axes}" if axes else "")
    return found


def moved(layer: nn.Layer, data_format: str, wanted: str, function: str) -> tuple[list[str], list[str]]:
    """Return the lines that bring images into a data format, and the output back by a `function`."""
    if isinstance(layer, nn.Flatten):  # its order is channels, height, width
        moves = data_format == "channels_last" and layer.start_axis <= 1
        return ["x = numpy.moveaxis(x, -1, 1) if x.ndim > 2 else x"] if moves else [], []
    is_image = hasattr(layer, "kernel_size") or isinstance(layer, (nn.GlobalAvgPool2d, nn.GroupNorm))
    if not is_image or data_format == wanted:
        return [], []
    there, back = ("-1, 1", "1, -1") if wanted == "channels_first" else ("1, -1", "-1, 1")
    return [f"x = numpy.moveaxis(x, {there})"], [f"y = {function}(y, {back})"]


def padded(widths: str, fill: str = "0", names: tuple[str, ...] = ("x",)) -> list[str]:
    """Return the lines that pad arrays."""
    return [f"{name} = numpy.pad({name}, {widths}, constant_values={fill})" for name in names]


def same_widths(layer: Any, data_format: str = "channels_first") -> list[str]:
    """Return the lines that compute `widths`, the padding by the TensorFlow rule."""
    dilation = getattr(layer, "dilation", (1,) * len(layer.kernel_size))
    is_first = data_format == "channels_first"
    sizes, axes = ("2:", "(0, 0), *pads") if is_first else ("1:-1", "*pads, (0, 0)")
    return [
        "pads = []",
        f"windows = zip(x.shape[{sizes}], {layer.kernel_size}, {layer.stride}, {dilation})",
        "for size, kernel, stride, dilation in windows:",
        "    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)",
        "    pads.append((total // 2, total - total // 2))",
        f"widths = [(0, 0), {axes}]",
    ]


def assembled(head: str, lines: list[str]) -> str:
    """Return the script: imports, then ``run``, whose lines leave the output in y."""
    body = [
        '"""Return the layer\'s output for an input; parameters are arrays by their names."""',
        *lines,
        "return y",
    ]
    return "\n".join([head, "", "", "def run(parameters, x):", *(f"    {line}" for line in body), ""])

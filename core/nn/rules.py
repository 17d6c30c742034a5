"""What the layers' shape rules share."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeMismatchError, ShapeMismatchError
from ..framework import Options
from ..parameter import Parameter
from ..shape import Size, format_shape
from ..tensor import FLOATS, TensorSpec
from ..tracing import current
from .arguments import Activation, activation_function
from .module import Layer


def require_rank(layer: Layer, x: Any, *, exactly: int | None = None, at_least: int = 1) -> None:
    """Raise `ShapeMismatchError` unless the input has the rank that the layer takes."""
    if exactly is not None and x.ndim != exactly:
        axes = _axes(layer, exactly)
        raise ShapeMismatchError.at(
            layer.label,
            f"an input of rank {exactly},",
            axes,
            f"the shape {_text(x)}",
            "Add or merge axes with ops.reshape, or use a layer for this rank.",
        )
    if x.ndim < at_least:
        raise ShapeMismatchError.at(
            layer.label,
            "an input of rank at least",
            at_least,
            f"the shape {_text(x)}",
            "Add a batch axis, for example with x[None].",
        )


def require_floating(layer: Layer, x: Any) -> None:
    """Raise `DTypeMismatchError` unless the input is floating point."""
    if x.dtype not in (*FLOATS, None):
        raise DTypeMismatchError.at(
            layer.label, "floating-point", x.dtype, "Convert it, for example with ops.astype(x, 'float32')."
        )


def require_features(layer: Layer, x: Any) -> None:
    """Raise `ShapeMismatchError` where the last axis is empty: a weight of no size has no use."""
    if x.shape[-1] == 0:
        hint = "Only the batch may be empty; a vector's one axis holds features."
        received = f"the shape {_text(x)}"
        raise ShapeMismatchError.at(layer.label, "input of at least one", "feature", received, hint)


def fit(layer: Layer, parameter: Parameter, axis: int, size: Size, what: str) -> None:
    """Give a parameter's axis the size met in the input, or check it against the known one."""
    known = parameter.shape[axis]
    if isinstance(size, int) and known is not None and known != size:
        raise ShapeMismatchError.at(layer.label, what + ":", known, size, origin(layer, parameter, axis))
    shape: list[Any] = list(parameter.shape)
    shape[axis] = size if known is None else known
    parameter.shape = tuple(shape)


def origin(layer: Layer, parameter: Parameter, axis: int) -> str:
    """Return where a parameter's known size came from, as the next step of an error says it."""
    if layer._isomorph.seen:
        return f"The layer's first input was {layer._isomorph.seen}."
    if parameter._declared[axis] is not None:
        return "That size was given to the constructor."
    trace = current()
    earlier = trace.calls.get(id(layer)) if trace is not None else None
    modules = list(layer.root.named_modules())
    places = [
        f"{path}.{name}" if path else name
        for path, holder in modules
        for name, child in holder.children().items()
        if child is layer
    ]
    if earlier is not None and len(places) > 1:
        return f"It is one module, used at {' and '.join(places)}; its first input was {earlier.inputs[0]}."
    others = [
        each.label
        for _, each in modules
        if each is not layer and any(own is parameter for own in each.own_parameters().values())
    ]
    if others:
        return f"{parameter.name} is shared with {' and '.join(others)}, which takes that size."
    return f"{parameter.name} has values of that size."


def channel_axis(layer: Layer, x: TensorSpec) -> int:
    """Return the axis of the channels under the net's data format; 1 for a matrix."""
    trace = current()
    options: Options = layer.root._isomorph.options if trace is None else trace.options
    return options.channel_axis(x.ndim)


def window_output(layer: Layer, size: Size, kernel: int, stride: int, dilation: int, padding: Any) -> Size:
    """Return how many positions a sliding window has along one axis.

    ``"same"``: ``ceil(size / stride)``, the TensorFlow rule. Symmetric padding p:
    ``floor((size + 2 p - dilation (kernel - 1) - 1) / stride) + 1``, as in `torch.nn.Conv2d`.
    """
    if padding == "same":
        rounded: Size = (size + (stride - 1)) // stride
        return rounded
    extent = dilation * (kernel - 1) + 1
    room = size + (2 * padding - extent)
    if isinstance(room, int) and room < 0:
        raise ShapeMismatchError.at(
            layer.label,
            "a padded input of at least the window's",
            extent,
            f"{size} + 2 * {padding}",
            "Make the window smaller or the input larger.",
        )
    positions: Size = room // stride + 1
    return positions


def applied(activation: Activation, x: Any) -> Any:
    """Return a tensor, or its spec, behind an activation."""
    function = activation_function(activation)
    return x if function is None else function(x)


def _text(x: Any) -> str:
    return format_shape(x.shape)


def _axes(layer: Layer, rank: int) -> str:
    space = {3: "length", 4: "height, width"}.get(rank, "...")
    last = f"(batch, {space}, channels)"
    return last if layer.data_format == "channels_last" else f"(batch, channels, {space})"

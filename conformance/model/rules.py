"""What each layer declares and infers: parameters, shapes, types, and inputs it must refuse.

A layer is its net data: ``{"kind": "Dense", "units": 5}``. Sizes are integers, or None where open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Layer = dict[str, Any]
Sizes = tuple[int | None, ...]

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax", "leaky_relu")

# Ranks that a layer takes: at least, at most.
RANKS: dict[str, tuple[int, int | None]] = {
    "Dense": (1, None),
    "Conv1d": (3, 3),
    "Conv2d": (4, 4),
    "MaxPool2d": (4, 4),
    "AvgPool2d": (4, 4),
    "GlobalAvgPool2d": (4, 4),
    "BatchNorm": (2, None),
    "LayerNorm": (1, None),
    "Embedding": (0, None),
    "Dropout": (0, None),
    "ReLU": (0, None),
    "GELU": (0, None),
    "SiLU": (0, None),
    "Tanh": (0, None),
    "Sigmoid": (0, None),
    "LeakyReLU": (0, None),
    "Softmax": (0, None),
}
CONVOLUTIONS = {"Conv1d": 1, "Conv2d": 2}
POOLS = ("MaxPool2d", "AvgPool2d")


class Refusal(Exception):  # noqa: N818 - what a layer does, not a fault of this program
    """A layer must refuse its input.

    Args:
        kind: Name of the class in `isomorph.errors` to be raised.
        expected: Its attribute of that name; None where the specification does not fix it.
        received: The same.
    """

    def __init__(self, kind: str, expected: object = None, received: object = None) -> None:
        super().__init__(f"{kind}: expected {expected}, received {received}")
        self.kind, self.expected, self.received = kind, expected, received


@dataclass(frozen=True)
class Declared:
    """A parameter as its layer's constructor declares it."""

    shape: Sizes
    role: str
    trainable: bool = True


@dataclass(frozen=True)
class Inferred:
    """What follows from an input: the output, and every parameter's shape."""

    shape: Sizes
    dtype: str | None
    parameters: dict[str, Sizes]


def declared(layer: Layer) -> dict[str, Declared]:
    """Return a layer's parameters in the canonical order, None for sizes not yet known."""
    kind = layer["kind"]
    if kind == "Dense":
        units = layer["units"]
        return _weight_and_bias(layer, (units, layer.get("in_features")), units)
    if kind in CONVOLUTIONS:
        channels, filters = layer.get("in_channels"), layer["out_channels"]
        inner = None if channels is None else _per_group(layer, channels)
        return _weight_and_bias(layer, (filters, inner, *kernel(layer)), filters)
    if kind == "Embedding":
        return {"weight": Declared((layer["num_embeddings"], layer["embedding_dim"]), "weight")}
    found = {}
    size = (layer.get("in_features"),)
    if kind in ("BatchNorm", "LayerNorm") and layer.get("affine", True):
        found["weight"] = Declared(size, "scale")
        if layer.get("bias", True):
            found["bias"] = Declared(size, "bias")
    if kind == "BatchNorm":
        found["running_mean"] = Declared(size, "weight", trainable=False)
        found["running_var"] = Declared(size, "weight", trainable=False)
    return found


def infer(
    layer: Layer,
    shape: Sizes,
    dtype: str | None,
    known: dict[str, Sizes] | None = None,
    training: bool = True,
    data_format: str = "channels_first",
    net_dtype: str = "float32",
) -> Inferred:
    """Return what a layer infers from an input, or raise `Refusal`.

    Args:
        layer: The layer's net data.
        shape: The input's sizes, None where open.
        dtype: The input's type; None where only its shape is known.
        known: Parameter shapes known so far; by default those that the constructor was told.
        training: Whether the layer is in training mode.
        data_format: ``"channels_first"`` or ``"channels_last"``.
        net_dtype: Type of the net's parameters, which is that of an embedding's output.
    """
    _check_input(layer, shape, dtype)
    sizes = {name: each.shape for name, each in declared(layer).items()} | (known or {})
    kind = layer["kind"]
    if kind == "Dense":
        _fit(sizes, "weight", 1, shape[-1])
        return Inferred((*shape[:-1], layer["units"]), dtype, sizes)
    if kind in CONVOLUTIONS:
        return _convolution(layer, shape, dtype, sizes, data_format)
    if kind in POOLS:
        return Inferred(_windows(layer, shape, data_format), dtype, sizes)
    if kind == "GlobalAvgPool2d":
        channels = shape[channel_axis(4, data_format)]
        kept = (shape[0], 1, 1, channels) if data_format == "channels_last" else (shape[0], channels, 1, 1)
        return Inferred(kept if layer.get("keepdims", False) else (shape[0], channels), dtype, sizes)
    if kind in ("BatchNorm", "LayerNorm"):
        axis = channel_axis(len(shape), data_format) if kind == "BatchNorm" else len(shape) - 1
        for name in sizes:
            _fit(sizes, name, 0, shape[axis])
        values = product(size for i, size in enumerate(shape) if i != axis)
        if kind == "BatchNorm" and training and values is not None and values < 2:
            raise Refusal("ShapeMismatchError")
        return Inferred(shape, dtype, sizes)
    if kind == "Embedding":
        return Inferred((*shape, layer["embedding_dim"]), net_dtype, sizes)
    if kind == "Flatten":
        start = layer.get("start_axis", 1)
        return Inferred((*shape[:start], product(shape[start:])), dtype, sizes)
    if kind == "Softmax" and not -len(shape) <= layer.get("axis", -1) < len(shape):
        raise Refusal("ForwardError")
    return Inferred(shape, dtype, sizes)


def channel_axis(rank: int, data_format: str) -> int:
    """Return where an image's or a sequence's channels are."""
    return rank - 1 if data_format == "channels_last" else 1


def first_spatial_axis(data_format: str) -> int:
    """Return the first axis of positions: after the channels, or after the batch."""
    return 1 if data_format == "channels_last" else 2


def kernel(layer: Layer) -> tuple[int, ...]:
    """Return the window's sizes, one per spatial axis."""
    return _per_axis(layer, layer["kernel_size"])


def stride(layer: Layer) -> tuple[int, ...]:
    """Return the step per axis: for pooling, the window's size unless said otherwise."""
    given = layer.get("stride")
    default = layer["kernel_size"] if layer["kind"] in POOLS else 1
    return _per_axis(layer, default if given is None else given)


def dilation(layer: Layer) -> tuple[int, ...]:
    """Return the distance between a window's elements, per axis."""
    return _per_axis(layer, layer.get("dilation", 1))


def reach(layer: Layer) -> tuple[int, ...]:
    """Return how many positions a window spans, from its first element to its last."""
    return tuple(step * (size - 1) + 1 for size, step in zip(kernel(layer), dilation(layer)))


def padding(layer: Layer, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return how many positions are added (before, after) each spatial axis of these sizes.

    ``"same"``: as many as make ``ceil(size / stride)`` windows fit, halved, the odd one after.
    """
    given = layer.get("padding", 0)
    if given == "valid":
        return ((0, 0),) * len(sizes)
    if given != "same":
        return tuple((each, each) for each in _per_axis(layer, given))
    found = []
    for size, step, span in zip(sizes, stride(layer), reach(layer)):
        windows = -(-size // step)
        total = max((windows - 1) * step + span - size, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)


def product(sizes: Any) -> int | None:
    """Return the product of sizes; None if one is open."""
    listed = list(sizes)
    return None if None in listed else math.prod(listed)


def _check_input(layer: Layer, shape: Sizes, dtype: str | None) -> None:
    kind = layer["kind"]
    least, most = (layer.get("start_axis", 1), None) if kind == "Flatten" else RANKS[kind]
    if len(shape) < least or (most is not None and len(shape) > most):
        raise Refusal("ShapeMismatchError")
    # A vector's one axis holds features for these two, and the batch for all others.
    features_only = kind in ("Dense", "LayerNorm") and len(shape) == 1
    if 0 in (shape if features_only else shape[1:]):
        raise Refusal("ShapeMismatchError")
    accepted = INTEGERS if kind == "Embedding" else FLOATS
    if kind != "Flatten" and dtype not in (*accepted, None):
        raise Refusal("DTypeMismatchError", None, dtype)


def _convolution(
    layer: Layer, shape: Sizes, dtype: str | None, sizes: dict[str, Sizes], data_format: str
) -> Inferred:
    axis = channel_axis(len(shape), data_format)
    channels, inner = shape[axis], sizes["weight"][1]
    if channels is not None:
        if inner is not None and channels != inner * layer.get("groups", 1):
            raise Refusal("ShapeMismatchError", inner * layer.get("groups", 1), channels)
        _fit(sizes, "weight", 1, _per_group(layer, channels))
    output = list(_windows(layer, shape, data_format))
    output[axis] = layer["out_channels"]
    return Inferred(tuple(output), dtype, sizes)


def _windows(layer: Layer, shape: Sizes, data_format: str) -> Sizes:
    """Return the shape with each spatial size replaced by the number of windows that fit."""
    output = list(shape)
    start = first_spatial_axis(data_format)
    for i, (step, span) in enumerate(zip(stride(layer), reach(layer))):
        size = shape[start + i]
        if size is None:
            continue
        # Only this axis is looked at, so its size stands for the others too.
        before, after = padding(layer, (size,) * len(kernel(layer)))[i]
        room = before + size + after - span
        if room < 0:
            raise Refusal("ShapeMismatchError")
        output[start + i] = room // step + 1
    return tuple(output)


def _weight_and_bias(layer: Layer, weight: Sizes, units: int) -> dict[str, Declared]:
    found = {"weight": Declared(weight, "weight")}
    if layer.get("bias", True):
        found["bias"] = Declared((units,), "bias")
    return found


def _fit(sizes: dict[str, Sizes], name: str, axis: int, received: int | None) -> None:
    """Let an open size of a parameter be the one received; refuse another than the known one."""
    expected = sizes[name][axis]
    if expected is not None and received is not None and expected != received:
        raise Refusal("ShapeMismatchError", expected, received)
    if expected is None:
        sizes[name] = (*sizes[name][:axis], received, *sizes[name][axis + 1 :])


def _per_group(layer: Layer, channels: int) -> int:
    groups = layer.get("groups", 1)
    if channels % groups:
        raise Refusal("ShapeMismatchError", groups, channels)
    return int(channels // groups)


def _per_axis(layer: Layer, given: Any) -> tuple[int, ...]:
    axes = CONVOLUTIONS.get(layer["kind"], 2)
    return tuple(given) if isinstance(given, (list, tuple)) else (given,) * axes

"""What the suite knows of a layer: one record, from which its cases and the oracle's answers follow.

A layer is its net data: ``{"kind": "Dense", "units": 5}``. Sizes are integers, or None where open.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from isomorph.conformance.data import indices, spread

from .drawing import Draws, Here

Array = npt.NDArray[Any]
Data = dict[str, Any]
Layer = dict[str, Any]
Law = dict[str, Any]
Sizes = tuple[int | None, ...]
Values = dict[str, Array]

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

ZEROS: Law = {"law": "Zeros"}
ONES: Law = {"law": "Ones"}
# PyTorch's law for the weight of a linear map.
WEIGHT: Law = {"law": "Kaiming", "a": math.sqrt(5.0)}


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
    """A parameter as its layer's constructor declares it.

    Args:
        shape: Its sizes.
        role: ``"weight"``, ``"bias"`` or ``"scale"``.
        default: The law of its first values where nobody names one, or what gives that law for
            the shape of its layer's weight.
        trainable: False for a buffer.
        positive: Whether its values must be.
    """

    shape: Sizes
    role: str
    default: Law | Callable[[Sizes], Law]
    trainable: bool = True
    positive: bool = False


@dataclass(frozen=True)
class Place:
    """The net around a layer: its mode, data format and type."""

    training: bool = True
    data_format: str = "channels_first"
    dtype: str = "float32"

    def channel_axis(self, rank: int) -> int:
        """Return where an image's or a sequence's channels are."""
        return rank - 1 if self.data_format == "channels_last" else 1

    @property
    def first_spatial_axis(self) -> int:
        """The first axis of positions: after the channels, or after the batch."""
        return 1 if self.data_format == "channels_last" else 2

    def to_first(self, x: Array) -> Array:
        """Return an array of this data format with its channels first."""
        return np.moveaxis(x, -1, 1) if self.data_format == "channels_last" else x

    def from_first(self, x: Array) -> Array:
        """Return a channels-first array in this data format."""
        return np.moveaxis(x, 1, -1) if self.data_format == "channels_last" else x


@dataclass(frozen=True)
class Inferred:
    """What follows from an input: the output, and every parameter's shape."""

    shape: Sizes
    dtype: str | None
    parameters: dict[str, Sizes]


@dataclass(frozen=True)
class Computed:
    """A layer's output.

    Args:
        y: The output; None where chance decides (dropout in training).
        reduced: How many terms each element of the output sums, for tolerances.
        updates: New running statistics, by parameter name.
    """

    y: Array | None
    reduced: int = 1
    updates: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A layer with some options, and the shape of an input, channels first."""

    slug: str
    options: Data
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Refused:
    """An input, as data, that a layer with some options must refuse before it computes."""

    slug: str
    clause: str
    options: Data
    x: Data


@dataclass(frozen=True)
class Later:
    """A second input that a ready layer meets: as data, after a first one."""

    slug: str
    options: Data
    first: Data
    second: Data
    refused: bool = False


@dataclass(frozen=True)
class Looked:
    """An input of the plain layer whose elements decide whether it is taken."""

    slug: str
    x: Data
    refused: bool = False


def _nothing_declared(layer: Layer) -> dict[str, Declared]:
    return {}


def _same_shape(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    return shape


def _no_options(draws: Draws, here: Here) -> Data:
    return {}


@dataclass(frozen=True)
class Record:
    """One layer.

    Args:
        name: Its name in `isomorph.nn`, and its kind in data.
        clause: What it computes.
        compute: Its output, from (layer, values, input, place); values and floating inputs are in
            double precision.
        rows: Its named cases; the first is ``plain``, each other shows one option and needs it.
        parameters: What its constructor declares, in the canonical order.
        infer: The output's shape, from (layer, shape, known sizes, place); it fills in the sizes
            that follow, and raises `Refusal`.
        shapes_clause: Which sizes follow from an input.
        same_clause: What it computes with padding "same", where that has a clause of its own.
        ranks: What inputs it takes: axes at least, at most.
        takes: Types of input, None for any.
        infers: Where the size is that it infers: ``"features"``, the last axis; ``"channels"``;
            or nowhere.
        known: The option that tells this size beforehand.
        moves_channels: Whether the data format says where its channels are.
        one_size: Whether all of its parameters have one size.
        chance: Whether it draws at random in training.
        is_core: Whether no backend may leave it out.
        table: Options and their values, and `windows.INPUTS`, of which a 3-way covering table is made.
        fans: Rows on which laws that count fans are asked; `plain`, or one with its own slug.
        refusals: Inputs that it must refuse.
        later: Inputs that it meets once it is ready.
        looked: Inputs whose elements it looks at.
        coarse: Shape of a plain input of which it sums little: with 8 bits of precision, what
            comes out of a larger one would be within its tolerance of anything.
        draw: Options for an input, drawn at random; None where the input does not fit.
    """

    name: str
    clause: str
    compute: Callable[[Layer, Values, Array, Place], Computed]
    rows: tuple[Row, ...]
    parameters: Callable[[Layer], dict[str, Declared]] = _nothing_declared
    infer: Callable[[Layer, Sizes, dict[str, Sizes], Place], Sizes] = _same_shape
    shapes_clause: str = "L-11"
    same_clause: str = ""
    ranks: tuple[int, int | None] = (0, None)
    takes: tuple[str, ...] | None = FLOATS
    infers: str = ""
    known: str = ""
    moves_channels: bool = False
    one_size: bool = False
    chance: bool = False
    is_core: bool = False
    table: Data = field(default_factory=dict)
    fans: tuple[Row, ...] = ()
    refusals: tuple[Refused, ...] = ()
    later: tuple[Later, ...] = ()
    looked: tuple[Looked, ...] = ()
    coarse: tuple[int, ...] = ()
    draw: Callable[[Draws, Here], Data | None] = _no_options

    @property
    def feature(self) -> str:
        """The row of the scoreboard it counts in, and the word in its cases' ids."""
        return self.name.lower()

    @property
    def takes_indices(self) -> bool:
        """Whether its input is of whole numbers, and its output of the net's type."""
        return self.takes == INTEGERS

    @property
    def plain(self) -> Row:
        """Its first row."""
        return self.rows[0]

    def layer(self, options: Data) -> Layer:
        """Return the layer with some options, as data."""
        return {"kind": self.name, **options}

    def clause_of(self, layer: Layer) -> str:
        """Return what the layer computes with its options."""
        return self.same_clause if layer.get("padding") == "same" and self.same_clause else self.clause

    def input(self, layer: Layer, shape: tuple[int, ...]) -> Data:
        """Return an input of a shape, as data."""
        if self.takes_indices:
            return indices(*shape, below=layer["num_embeddings"])
        return spread(*shape)

    def check(self, shape: Sizes, dtype: str | None) -> None:
        """Refuse an input of a rank, size or type that the layer does not take."""
        least, most = self.ranks
        if len(shape) < least or (most is not None and len(shape) > most):
            raise Refusal("ShapeMismatchError")
        # A vector's one axis holds features for some layers, and the batch for all others.
        features_only = self.infers == "features" and len(shape) == 1
        if 0 in (shape if features_only else shape[1:]):
            raise Refusal("ShapeMismatchError")
        if self.takes is not None and dtype not in (*self.takes, None):
            raise Refusal("DTypeMismatchError", None, dtype)

    def size_axis(self, rank: int, data_format: str) -> int:
        """Return the axis whose size the layer infers."""
        if self.infers == "features":
            return rank - 1
        return Place(data_format=data_format).channel_axis(rank)


def fit(sizes: dict[str, Sizes], name: str, axis: int, received: int | None) -> None:
    """Let an open size of a parameter be the one received; refuse another than the known one."""
    expected = sizes[name][axis]
    if expected is not None and received is not None and expected != received:
        raise Refusal("ShapeMismatchError", expected, received)
    if expected is None:
        sizes[name] = (*sizes[name][:axis], received, *sizes[name][axis + 1 :])


def product(sizes: Any) -> int | None:
    """Return the product of sizes; None if one is open."""
    listed = list(sizes)
    return None if None in listed else math.prod(listed)


def known(shape: Sizes | None) -> tuple[int, ...]:
    """Return a shape whose sizes are all known."""
    if shape is None or None in shape:
        raise ValueError(f"the default law of a bias needs its weight's whole shape, received {shape}")
    return tuple(size for size in shape if size is not None)


def within_fan_in(weight: Sizes) -> Law:
    """Return PyTorch's law for the bias of a linear map with this weight."""
    bound = 1.0 / math.sqrt(math.prod(known(weight)[1:]))
    return {"law": "Uniform", "low": -bound, "high": bound}


def weight_and_bias(layer: Layer, weight: Sizes) -> dict[str, Declared]:
    """Return the parameters of a linear map."""
    found = {"weight": Declared(weight, "weight", WEIGHT)}
    if layer.get("bias", True):
        found["bias"] = Declared(weight[:1], "bias", within_fan_in)
    return found

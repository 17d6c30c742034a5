"""Layers drawn at random that take a given input: for each layer, its options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from isomorph.conformance.model import rules

Data = dict[str, Any]
WIDTHS = (3, 1, 2, 5, 7)
# How many rows an embedding has: one more than the greatest index in an input.
TOKENS = 11
# Elements of the largest tensor: the model computes them one by one.
LARGEST = 400
KNOWN = {"Dense": "in_features", "LayerNorm": "in_features", "BatchNorm": "in_features",
         "Conv1d": "in_channels", "Conv2d": "in_channels"}  # fmt: skip


@dataclass(frozen=True)
class Here:
    """What a module is given, or gives, at its place in a net."""

    shape: tuple[int, ...]
    dtype: str
    data_format: str

    @property
    def is_floating(self) -> bool:
        """Whether these are floating-point numbers."""
        return self.dtype in rules.FLOATS

    def size_for(self, kind: str) -> int:
        """The size that a layer of this kind infers."""
        rank = len(self.shape)
        last = kind in ("Dense", "LayerNorm")
        return self.shape[-1 if last else rules.channel_axis(rank, self.data_format)]


class Draws:
    """Choices, made by Hypothesis: it shrinks towards the first of each."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def one(self, choices: Iterable[Any]) -> Any:
        """Return one of several values."""
        return self._draw(st.sampled_from(list(choices)))

    def number(self, least: int, most: int) -> int:
        """Return a whole number."""
        return int(self._draw(st.integers(least, most)))

    def rarely(self, one_in: int) -> bool:
        """Return True once in so many times."""
        return self.number(0, one_in - 1) == one_in - 1

    def some(self, most: int, stop: int, body: Callable[[int], None]) -> None:
        """Do something with 0, 1, 2...: never, once or more; it stops once in so many times."""
        for position in range(most):
            if not self._draw(_once(stop, body, position)):
                return

    def options(self, **choices: Iterable[Any]) -> Data:
        """Return some options, each with one of its values; most are left out."""
        return {name: self.one(values) for name, values in choices.items() if self.rarely(3)}


@st.composite
def _once(draw: st.DrawFn, stop: int, body: Callable[[int], None], position: int) -> bool:
    """Do it once or stop: one thing to Hypothesis, which can then leave it out as a whole."""
    goes_on = draw(st.integers(0, stop - 1)) > 0
    if goes_on:
        body(position)
    return goes_on


LAWS: tuple[Data, ...] = (
    {"law": "Ones"},
    {"law": "Zeros"},
    {"law": "Constant", "value": 0.75},
    {"law": "Uniform", "low": -0.5, "high": 0.25},
    {"law": "Normal", "std": 0.3},
    {"law": "Normal", "std": 0.5, "mean": 1.0},
    {"law": "Ramp"},
    {"law": "HalfZero"},
)
# Laws that look at the sizes of a weight with at least two axes.
FAN_LAWS: tuple[Data, ...] = (
    {"law": "Xavier"},
    {"law": "Xavier", "distribution": "normal", "gain": 1.5},
    {"law": "Kaiming", "mode": "fan_out"},
    {"law": "Kaiming", "distribution": "normal", "a": 0.2},
)


def law(draws: Draws, laws: tuple[Data, ...] = LAWS + FAN_LAWS) -> Data:
    """Return an initial law; some note their calls."""
    return {**draws.one(laws), **({"counted": True} if draws.rarely(4) else {})}


def _laws(draws: Draws, **names: tuple[Data, ...]) -> Data:
    return {name: law(draws, laws) for name, laws in names.items() if draws.rarely(8)}


def _weight_and_bias(draws: Draws) -> Data:
    bias = {"bias": False} if draws.rarely(4) else {}
    activation = draws.options(activation=rules.ACTIVATIONS)
    return {**activation, **bias, **_laws(draws, weight_init=LAWS + FAN_LAWS, bias_init=LAWS)}


def _convolution(draws: Draws, here: Here, pairs: tuple[list[int], ...]) -> Data:
    channels = here.size_for("Conv2d")
    groups = draws.one(n for n in (1, 2, 3, channels) if channels % n == 0)
    return {
        "out_channels": groups * draws.one((2, 1, 3)),
        "kernel_size": draws.one((2, 1, 3, *pairs)),
        **({"groups": groups} if groups > 1 else {}),
        **draws.options(
            stride=(2, 3, pairs[0]), padding=("same", 1, "valid", 2, pairs[0]), dilation=(2, pairs[0])
        ),
        **_weight_and_bias(draws),
    }


def _pool(draws: Draws, here: Here) -> Data:
    kernel = draws.one((2, 1, 3, [2, 3], [3, 2]))
    half = min(kernel if isinstance(kernel, list) else [kernel]) // 2
    return {"kernel_size": kernel, **draws.options(stride=(1, 2, 3, [1, 2]), padding=("same", "valid", half))}


def _norm(draws: Draws, **more: Iterable[Any]) -> Data:
    return {
        **draws.options(eps=(1e-3, 0.3), affine=(False,), **more),
        **_laws(draws, weight_init=LAWS, bias_init=LAWS),
    }


# Every layer that nn exports: how options are drawn for an input that it takes.
LAYERS: dict[str, Callable[[Draws, Here], Data]] = {
    "Dense": lambda draws, here: {"units": draws.one(WIDTHS), **_weight_and_bias(draws)},
    "ReLU": lambda draws, here: {},
    "Conv2d": lambda draws, here: _convolution(draws, here, ([1, 2], [3, 1], [2, 3])),
    "Conv1d": lambda draws, here: _convolution(draws, here, ([2], [3])),
    "BatchNorm": lambda draws, here: _norm(draws, momentum=(0.3, 0.01)),
    "LayerNorm": lambda draws, here: _norm(draws, bias=(False,)),
    "MaxPool2d": _pool,
    "AvgPool2d": lambda draws, here: {**_pool(draws, here), **draws.options(count_include_pad=(False, True))},
    "GlobalAvgPool2d": lambda draws, here: draws.options(keepdims=(True,)),
    "Flatten": lambda draws, here: draws.options(start_axis=range(len(here.shape))),
    "Embedding": lambda draws, here: {
        "num_embeddings": TOKENS,
        "embedding_dim": draws.one(WIDTHS),
        **_laws(draws, weight_init=LAWS + FAN_LAWS),
    },
    "Dropout": lambda draws, here: draws.options(p=(0.0, 0.25, 0.9)),
    "GELU": lambda draws, here: {},
    "SiLU": lambda draws, here: {},
    "Tanh": lambda draws, here: {},
    "Sigmoid": lambda draws, here: {},
    "LeakyReLU": lambda draws, here: draws.options(negative_slope=(0.2, 0.0, 1.5)),
    "Softmax": lambda draws, here: draws.options(axis=range(-len(here.shape), len(here.shape))),
}


def takes(kind: str, here: Here) -> bool:
    """Return whether a layer takes inputs of this type and rank."""
    rank = len(here.shape)
    if kind == "Flatten":
        # A compiler that knows no ranks can't tell a vector from what has channels last.
        return rank >= (2 if here.data_format == "channels_last" else 1)
    least, most = rules.RANKS[kind]
    is_index = kind == "Embedding"
    return here.is_floating is not is_index and max(least, 1) <= rank <= (most or rank)


def layer(draws: Draws, here: Here, wrong: bool = False, kind: str = "") -> tuple[Data, Here] | None:
    """Return a layer and what it gives; None where the one drawn does not fit.

    Args:
        draws: Where choices come from.
        here: What the layer is given.
        wrong: Whether the layer is told another size than it meets, so that it must refuse.
        kind: Which layer; by default any that takes what is here.
    """
    kind = kind or draws.one(name for name in LAYERS if takes(name, here))
    spec = {"kind": kind, **LAYERS[kind](draws, here)}
    there = output_of(spec, here)
    if there is None:
        return None
    if kind in KNOWN and (wrong or draws.rarely(5)) and spec.get("groups", 1) == 1:
        spec[KNOWN[kind]] = here.size_for(kind) + wrong
    return spec, there


def output_of(spec: Data, here: Here) -> Here | None:
    """Return what a layer gives; None where it must refuse its input, or gives too much."""
    try:
        seen = rules.infer(spec, here.shape, here.dtype, None, False, here.data_format)
    except rules.Refusal:
        return None
    shape = tuple(size for size in seen.shape if size is not None)
    dtype = seen.dtype or here.dtype
    return Here(shape, dtype, here.data_format) if 0 < math.prod(shape) <= LARGEST else None

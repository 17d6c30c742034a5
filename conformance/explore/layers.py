"""Layers drawn at random that take a given input, one function a layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from isomorph.conformance.model import rules

Data = dict[str, Any]
T = TypeVar("T")
WIDTHS = (1, 2, 3, 5, 7)
ACTIVATIONS = tuple(rules.ACTIVATIONS)


@dataclass(frozen=True)
class Here:
    """What a layer is given at its place in a net."""

    shape: tuple[int, ...]
    dtype: str
    data_format: str

    @property
    def is_floating(self) -> bool:
        """Whether it is given floating-point numbers."""
        return self.dtype in rules.FLOATS

    @property
    def channels(self) -> int:
        """The size of the axis that the data format says channels are on."""
        return self.shape[rules.channel_axis(len(self.shape), self.data_format)]


class Draws:
    """What is drawn, by Hypothesis: the first choice is the one it shrinks to."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def one(self, choices: Any) -> Any:
        """Return one of several values."""
        return self._draw(st.sampled_from(list(choices)))

    def rarely(self, one_in: int) -> bool:
        """Return True once in so many times."""
        return bool(self._draw(st.integers(0, one_in - 1)) == one_in - 1)

    def number(self, least: int, most: int) -> int:
        """Return a whole number."""
        return int(self._draw(st.integers(least, most)))

    def options(self, **choices: Any) -> Data:
        """Return some of the options, each with one of its values; most are left out."""
        found = {}
        for name, values in choices.items():
            if self.rarely(3):
                found[name] = self.one(values)
        return found


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


def law(draws: Draws, with_fans: bool = True, counted: bool = True) -> Data:
    """Return an initial law."""
    found: Data = draws.one(LAWS + FAN_LAWS if with_fans else LAWS)
    return {**found, "counted": True} if counted and draws.rarely(4) else found


def _laws(draws: Draws, with_fans: bool = True) -> Data:
    return {
        name: law(draws, with_fans and name == "weight_init")
        for name in ("weight_init", "bias_init")
        if draws.rarely(8)
    }


def _known(draws: Draws, name: str, size: int, wrong: bool) -> Data:
    """Return the size that ends the deferral, one that does not fit if it is to be wrong."""
    if wrong:
        return {name: size + draws.one((1, 2))}
    return {name: size} if draws.rarely(5) else {}


def _dense(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if not here.is_floating or not here.shape:
        return None
    return {
        "units": draws.one(WIDTHS),
        **draws.options(activation=ACTIVATIONS, bias=(False, True)),
        **_known(draws, "in_features", here.shape[-1], wrong),
        **_laws(draws),
    }


def _convolution(rank: int) -> Callable[[Draws, Here, bool], Data | None]:
    pair = {1: ((1,), (2,), (3,)), 2: ((1, 2), (3, 1), (2, 3))}[rank]

    def make(draws: Draws, here: Here, wrong: bool) -> Data | None:
        if not here.is_floating or len(here.shape) != rank + 2:
            return None
        groups = draws.one([n for n in (1, 1, 2, 3, here.channels) if here.channels % n == 0])
        known = _known(draws, "in_channels", here.channels, wrong and groups == 1)
        return {
            "out_channels": groups * draws.one((1, 2, 3)),
            "kernel_size": draws.one((1, 2, 3, *map(list, pair))),
            **({"groups": groups} if groups > 1 else {}),
            **draws.options(
                stride=(2, 3, list(pair[0])),
                padding=("same", 1, "valid", 2, list(pair[0])),
                dilation=(2, list(pair[0])),
                activation=ACTIVATIONS,
                bias=(False,),
            ),
            **known,
            **_laws(draws),
        }

    return make


def _pool(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if not here.is_floating or len(here.shape) != 4:
        return None
    kernel = draws.one((2, 1, 3, [2, 3], [3, 2]))
    most = min(kernel) // 2 if isinstance(kernel, list) else kernel // 2
    return {
        "kernel_size": kernel,
        **draws.options(stride=(1, 2, 3, [1, 2]), padding=("same", "valid", most)),
    }


def _average(draws: Draws, here: Here, wrong: bool) -> Data | None:
    made = _pool(draws, here, wrong)
    return None if made is None else {**made, **draws.options(count_include_pad=(False, True))}


def _norm(draws: Draws, here: Here, wrong: bool) -> Data | None:
    """Return options that BatchNorm and LayerNorm share."""
    return {
        **draws.options(eps=(1e-3, 0.3), affine=(False,)),
        **({name: law(draws, False) for name in ("weight_init", "bias_init") if draws.rarely(8)}),
    }


def _batch_norm(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if not here.is_floating or len(here.shape) < 2:
        return None
    known = _known(draws, "in_features", here.channels, wrong)
    return {**(_norm(draws, here, wrong) or {}), **draws.options(momentum=(0.3, 0.01)), **known}


def _layer_norm(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if not here.is_floating or not here.shape:
        return None
    known = _known(draws, "in_features", here.shape[-1], wrong)
    return {**(_norm(draws, here, wrong) or {}), **draws.options(bias=(False,)), **known}


def _embedding(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if here.is_floating:
        return None
    laws = {"weight_init": law(draws)} if draws.rarely(8) else {}
    return {"num_embeddings": TOKENS, "embedding_dim": draws.one(WIDTHS), **laws}


# How many rows an embedding has, and one more than the greatest index in an input.
TOKENS = 11


def _softmax(draws: Draws, here: Here, wrong: bool) -> Data | None:
    rank = len(here.shape)
    return draws.options(axis=range(-rank, rank)) if here.is_floating and rank else None


def _flatten(draws: Draws, here: Here, wrong: bool) -> Data | None:
    if len(here.shape) < 2:
        return None
    return draws.options(start_axis=range(len(here.shape)))


def _of_numbers(**choices: Any) -> Callable[[Draws, Here, bool], Data | None]:
    """Return a layer without sizes that takes floating-point numbers of any shape."""
    return lambda draws, here, wrong: draws.options(**choices) if here.is_floating else None


# Every layer that nn exports: the options that fit an input; None where no options do.
LAYERS: dict[str, Callable[[Draws, Here, bool], Data | None]] = {
    "Dense": _dense,
    "ReLU": _of_numbers(),
    "Conv2d": _convolution(2),
    "Conv1d": _convolution(1),
    "BatchNorm": _batch_norm,
    "LayerNorm": _layer_norm,
    "MaxPool2d": _pool,
    "AvgPool2d": _average,
    "GlobalAvgPool2d": lambda draws, here, wrong: (
        draws.options(keepdims=(True,)) if here.is_floating and len(here.shape) == 4 else None
    ),
    "Flatten": _flatten,
    "Embedding": _embedding,
    "Dropout": _of_numbers(p=(0.0, 0.25, 0.9)),
    "GELU": _of_numbers(),
    "SiLU": _of_numbers(),
    "Tanh": _of_numbers(),
    "Sigmoid": _of_numbers(),
    "LeakyReLU": _of_numbers(negative_slope=(0.2, 0.0, 1.5)),
    "Softmax": _softmax,
}


def layer(draws: Draws, here: Here, wrong: bool = False) -> tuple[Data, Here]:
    """Return a layer that takes what is here, and what it gives.

    Args:
        draws: Where choices come from.
        here: What it is given.
        wrong: Whether it shall be one that must refuse it, if there is such a layer.
    """
    kinds = [kind for kind in LAYERS if rules_take(kind, here)]
    kind = draws.one(kinds)
    options = LAYERS[kind](draws, here, wrong)
    if options is None:
        return {"kind": "Dropout"}, here
    spec = {"kind": kind, **options}
    shape = output_of(spec, here)
    if shape is None and not wrong:
        # The window does not fit: the plainest one does.
        spec = {"kind": kind, **{name: options[name] for name in ("out_channels",) if name in options}}
        spec["kernel_size"] = 1
        shape = output_of(spec, here)
    return spec, here if shape is None else shape


def rules_take(kind: str, here: Here) -> bool:
    """Return whether a layer takes inputs of this rank and type at all."""
    if kind == "Embedding":
        return not here.is_floating
    if kind == "Flatten":
        return len(here.shape) >= 2
    least, most = rules.RANKS[kind]
    return here.is_floating and len(here.shape) >= least and (most is None or len(here.shape) <= most)


def output_of(spec: Data, here: Here) -> Here | None:
    """Return what a layer gives; None if it must refuse its input."""
    plain = {name: value for name, value in spec.items() if name not in ("in_features", "in_channels")}
    try:
        seen = rules.infer(plain, here.shape, here.dtype, None, False, here.data_format)
    except rules.Refusal:
        return None
    shape = tuple(size for size in seen.shape if size is not None)
    return Here(shape, seen.dtype, here.data_format) if math.prod(shape) <= 400 else None

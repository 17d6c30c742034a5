"""How the exploring lane draws a layer's options: what it is given, and what it chooses from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

Data = dict[str, Any]
WIDTHS = (3, 1, 2, 5, 7)
# How many rows an embedding has: one more than the greatest index in an input.
TOKENS = 11


@dataclass(frozen=True)
class Here:
    """What a module is given, or gives, at its place in a net."""

    shape: tuple[int, ...]
    dtype: str
    data_format: str

    @property
    def is_floating(self) -> bool:
        """Whether these are floating-point numbers."""
        return "float" in self.dtype

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return self.shape[-1 if self.data_format == "channels_last" else 1]


class Draws(Protocol):
    """Choices, of which the first of each is the simplest."""

    def one(self, choices: Iterable[Any]) -> Any:
        """Return one of several values."""
        ...

    def rarely(self, one_in: int) -> bool:
        """Return True once in so many times."""
        ...

    def options(self, **choices: Iterable[Any]) -> Data:
        """Return some options, each with one of its values; most are left out."""
        ...


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


def laws(draws: Draws, **names: tuple[Data, ...]) -> Data:
    """Return laws for some of a layer's parameters."""
    return {name: law(draws, each) for name, each in names.items() if draws.rarely(8)}


def weight_and_bias(draws: Draws, activations: Iterable[str]) -> Data:
    """Return options of a linear map."""
    bias = {"bias": False} if draws.rarely(4) else {}
    activation = draws.options(activation=activations)
    return {**activation, **bias, **laws(draws, weight_init=LAWS + FAN_LAWS, bias_init=LAWS)}

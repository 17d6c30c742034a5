"""Checks of what a layer's constructor was given."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from typing import Any

from .. import ops
from ..errors import InvalidArgumentError
from ..init.laws import FanInUniform, Kaiming
from ..parameter import Parameter
from ..tree import Tree

Padding = int | tuple[int, ...] | str
Activation = str | Callable[[Any], Any] | None
ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax", "leaky_relu")


def positive(layer: object, name: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        expected = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise InvalidArgumentError.of(_named(layer), name, expected, value)
    return number


def known_size(layer: object, name: str, value: Any) -> int | None:
    """Return a positive integer, or None for a size left to be inferred."""
    return None if value is None else positive(layer, name, value)


def per_axis(layer: object, name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return one number for each spatial axis, from one number or a tuple."""
    values = value if isinstance(value, (tuple, list)) else (value,) * rank
    if len(values) != rank:
        raise InvalidArgumentError.of(_named(layer), name, f"an integer or {rank} integers", value)
    return tuple(positive(layer, name, each, least) for each in values)


def padding(layer: object, value: Any, rank: int) -> str | tuple[int, ...]:
    """Return ``"same"``, or the symmetric padding of each spatial axis."""
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise InvalidArgumentError.choice(_named(layer), "padding", ("same", "valid"), value)
        return "same" if value == "same" else (0,) * rank
    return per_axis(layer, "padding", value, rank, least=0)


def fraction(layer: object, name: str, value: Any) -> float:
    """Return a number in [0, 1)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= float(value) < 1:
        raise InvalidArgumentError.of(_named(layer), name, "a number in [0, 1)", value)
    return float(value)


def activation(layer: object, value: Activation) -> Activation:
    """Return a checked activation: a name in `ACTIVATIONS`, a function in `ops`, or None."""
    if isinstance(value, str) and value not in ACTIVATIONS:
        raise InvalidArgumentError.choice(_named(layer), "activation", ACTIVATIONS, value)
    if isinstance(value, Tree):
        hint = "A module may have parameters: put it behind the layer, in a Sequential for example."
        raise InvalidArgumentError.of(_named(layer), "activation", "a name or a function", value, hint)
    if value is not None and not isinstance(value, str) and not callable(value):
        raise InvalidArgumentError.of(_named(layer), "activation", "a name or a function", value)
    return value


def activation_function(value: Activation) -> Callable[[Any], Any] | None:
    """Return an activation as a function of one tensor of any backend; None if there is none."""
    return getattr(ops, value) if isinstance(value, str) else value


def weight_and_bias(
    shape: tuple[int | None, ...], units: int, bias: bool, weight_init: Any, bias_init: Any
) -> tuple[Parameter, Parameter | None]:
    """Return a layer's weight and bias with PyTorch's default laws (`torch.nn.Linear`)."""
    weight = Parameter(shape, weight_init)
    weight._default = Kaiming(a=5**0.5)
    if not bias:
        return weight, None
    shift = Parameter((units,), bias_init, role="bias")
    shift._default = FanInUniform(shift)
    return weight, shift


def _named(layer: object) -> str:
    return f"nn.{type(layer).__name__}"

"""Layers drawn at random that take a given input: for each layer, its options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from isomorph.conformance.layers import RECORDS
from isomorph.conformance.layers.drawing import FAN_LAWS, LAWS, TOKENS, Data, Here, law
from isomorph.conformance.model import rules

# Elements of the largest tensor: the model computes them one by one.
LARGEST = 400


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


# Every layer that nn exports, in the order of the simplest nets.
LAYERS = tuple(dict.fromkeys(("Dense", "ReLU", "Conv2d", "Conv1d", *RECORDS)))


def takes(kind: str, here: Here) -> bool:
    """Return whether a layer takes inputs of this type and rank."""
    record, rank = RECORDS[kind], len(here.shape)
    least, most = record.ranks
    fits = record.takes is None or here.dtype in record.takes
    return fits and max(least, 1) <= rank <= (most or rank)


def layer(draws: Draws, here: Here, wrong: bool = False, kind: str = "") -> tuple[Data, Here] | None:
    """Return a layer and what it gives; None where the one drawn does not fit.

    Args:
        draws: Where choices come from.
        here: What the layer is given.
        wrong: Whether the layer is told another size than it meets, so that it must refuse.
        kind: Which layer; by default any that takes what is here.
    """
    record = RECORDS[kind or draws.one(name for name in LAYERS if takes(name, here))]
    options = record.draw(draws, here)
    if options is None:
        return None
    spec = record.layer(options)
    there = output_of(spec, here)
    if there is None:
        return None
    if record.known and (wrong or draws.rarely(5)):
        axis = record.size_axis(len(here.shape), here.data_format)
        told = {**spec, record.known: here.shape[axis] + wrong}
        spec = told if _is_constructed(told) else spec
    return spec, there


def _is_constructed(spec: Data) -> bool:
    """Return whether a layer's constructor takes its options."""
    try:
        rules.declared(spec)
    except rules.Refusal:
        return False
    return True


def output_of(spec: Data, here: Here) -> Here | None:
    """Return what a layer gives; None where it must refuse its input, or gives too much."""
    try:
        seen = rules.infer(spec, here.shape, here.dtype, None, False, here.data_format)
    except rules.Refusal:
        return None
    shape = tuple(size for size in seen.shape if size is not None)
    dtype = seen.dtype or here.dtype
    return Here(shape, dtype, here.data_format) if 0 < math.prod(shape) <= LARGEST else None


__all__ = [
    "FAN_LAWS",
    "LAWS",
    "LAYERS",
    "TOKENS",
    "Data",
    "Draws",
    "Here",
    "law",
    "layer",
    "output_of",
    "takes",
]

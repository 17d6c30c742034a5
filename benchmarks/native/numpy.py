"""The nets in plain NumPy functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from workloads import DEPTH, WIDTH


class Dense:
    def __init__(self, features: int, units: int):
        weight = np.random.default_rng(0).normal(0, features**-0.5, (units, features))
        self.weight = weight.astype("float32")
        self.bias = np.zeros(units, "float32")

    def __call__(self, x):
        return x @ self.weight.T + self.bias


def mlp() -> Callable[..., Any]:
    hidden, out = Dense(20, 256), Dense(256, 10)
    return lambda x: out(np.maximum(hidden(x), 0))


def two_inputs() -> Callable[..., Any]:
    first, second, out = Dense(20, 256), Dense(20, 256), Dense(256, 10)
    return lambda left, right: out(np.maximum(first(left) + second(right), 0))


def gated() -> Callable[..., Any]:
    hidden, out = Dense(20, 256), Dense(256, 10)

    def forward(x, gate, scale=1.0, scaled=False):
        y = np.maximum(hidden(x), 0) * gate
        return out(y * scale if scaled else y)

    return forward


def nested() -> Callable[..., Any]:
    first, second, out = Dense(20, 256), Dense(20, 256), Dense(256, 10)

    def forward(pair):
        hidden = np.maximum(first(pair["left"]) + second(pair["right"]), 0)
        return out(hidden), hidden

    return forward


def deep() -> Callable[..., Any]:
    layers = [Dense(WIDTH, WIDTH) for _ in range(DEPTH)]

    def forward(left, right):
        x = left + right
        for layer in layers:
            x = layer(x)
        return x

    return forward


NETS: dict[str, Callable[[], Any]] = {
    "mlp": mlp,
    "two inputs": two_inputs,
    "keyword and flag": gated,
    "keywords only": two_inputs,
    "nested": nested,
    "vector": mlp,
    "96 layers": deep,
    "layer by keyword": partial(Dense, 20, 256),
}


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload; NumPy has no convolution to write a CNN with."""
    return {"eager": partial(NETS[name](), *inputs, **named)} if name in NETS else {}


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that draws values for an MLP."""

    def draw():
        generator = np.random.default_rng(0)
        return [generator.random((b, a), np.float32) for a, b in itertools.pairwise(sizes)]

    return draw

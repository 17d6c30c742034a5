"""The nets whose calls are measured, written once with Isomorph, and the arguments they are called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from isomorph import nn, ops

DEPTH, WIDTH = 96, 64


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Dense(256), nn.Dense(256), nn.Dense(10)

    def forward(self, left, right):
        return self.out(ops.relu(self.first(left) + self.second(right)))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Dense(256), nn.Dense(10)

    def forward(self, x, gate, scale=1.0, scaled=False):
        y = ops.relu(self.hidden(x)) * gate
        return self.out(y * scale if scaled else y)


class Nested(TwoInputs):
    def forward(self, pair):
        hidden = ops.relu(self.first(pair["left"]) + self.second(pair["right"]))
        return self.out(hidden), hidden


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Dense(WIDTH) for _ in range(DEPTH)]

    def forward(self, left, right):
        x = left + right
        for layer in self.layers:
            x = layer(x)
        return x


def mlp() -> nn.Module:
    return nn.Sequential(nn.Dense(256, activation="relu"), nn.Dense(10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(16, 3, padding=1),
        nn.BatchNorm(),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 3, padding=1, activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(10),
    )


@dataclass(frozen=True)
class Shape:
    """Stands in a workload's arguments for a float32 array of this shape."""

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Workload:
    """A net and the arguments of its call; a `Shape` among them stands for an array."""

    make: Callable[[], nn.Module]
    inputs: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)

    def arguments(self, convert: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with arrays made native by `convert`, the same at each call."""
        generator = np.random.default_rng(0)
        inputs, named = filled((self.inputs, self.named), generator, convert)
        return inputs, named


def filled(value: Any, generator: np.random.Generator, convert: Callable[[Any], Any]) -> Any:
    """Return nested arguments with an array for each `Shape`."""
    if isinstance(value, Shape):
        return convert(generator.standard_normal(value.sizes).astype("float32"))
    if isinstance(value, dict):
        return {key: filled(each, generator, convert) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(filled(each, generator, convert) for each in value)
    return value


ROW, PAIR = Shape((2, 20)), {"left": Shape((2, 20)), "right": Shape((2, 20))}

WORKLOADS = {
    "mlp": Workload(mlp, (ROW,)),
    "cnn": Workload(cnn, (Shape((32, 3, 32, 32)),)),
    "two inputs": Workload(TwoInputs, (ROW, ROW)),
    "keyword and flag": Workload(Gated, (ROW,), {"gate": Shape((2, 256)), "scale": 2.0, "scaled": True}),
    "keywords only": Workload(TwoInputs, (), PAIR),
    "nested": Workload(Nested, (PAIR,)),
    "vector": Workload(mlp, (Shape((20,)),)),
    "96 layers": Workload(Deep, (Shape((2, WIDTH)), Shape((2, WIDTH)))),
    "layer by keyword": Workload(partial(nn.Dense, 256), (), {"x": ROW}),
}

"""The nets as keras.Model, on the engine that KERAS_BACKEND names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import layers, ops
from workloads import DEPTH, WIDTH


class MLP(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(256, activation="relu"), layers.Dense(10)

    def call(self, x):
        return self.out(self.hidden(x))


class Vector(MLP):
    def call(self, x):
        return super().call(x[None])[0]  # keras.layers.Dense takes at least a matrix


class CNN(keras.Model):
    def __init__(self):
        super().__init__()
        first = {"data_format": "channels_first"}
        self.parts = [
            layers.Conv2D(16, 3, padding="same", **first),
            layers.BatchNormalization(axis=1),
            layers.ReLU(),
            layers.MaxPooling2D(2, **first),
            layers.Conv2D(32, 3, padding="same", activation="relu", **first),
            layers.MaxPooling2D(2, **first),
            layers.Reshape((-1,)),
            layers.Dense(10),
        ]

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


class TwoInputs(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = layers.Dense(256), layers.Dense(256), layers.Dense(10)

    def call(self, left, right):
        return self.out(ops.relu(self.first(left) + self.second(right)))


class Gated(MLP):
    def call(self, x, gate, scale=1.0, scaled=False):
        y = self.hidden(x) * gate
        return self.out(y * scale if scaled else y)


class Nested(TwoInputs):
    def call(self, pair):
        hidden = ops.relu(self.first(pair["left"]) + self.second(pair["right"]))
        return self.out(hidden), hidden


class Deep(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(WIDTH) for _ in range(DEPTH)]

    def call(self, left, right):
        x = left + right
        for part in self.parts:
            x = part(x)
        return x


NETS: dict[str, Callable[[], Any]] = {
    "mlp": MLP,
    "cnn": CNN,
    "two inputs": TwoInputs,
    "keyword and flag": Gated,
    "keywords only": TwoInputs,
    "nested": Nested,
    "vector": Vector,
    "96 layers": Deep,
    "layer by keyword": partial(layers.Dense, 256),
}


def model(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> Callable[[], Any]:
    """Return the call ``model(...)`` of a workload, with its weights made."""
    net = NETS[name]()
    if name == "layer by keyword":
        named = {"inputs": named["x"]}
    net(*inputs, **named)
    return partial(net, *inputs, **named)

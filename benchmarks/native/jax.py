"""The nets in Flax linen: `apply` over variables, and jax.jit of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from workloads import DEPTH, WIDTH


class MLP(linen.Module):
    def setup(self):
        self.hidden, self.out = linen.Dense(256), linen.Dense(10)

    def __call__(self, x):
        return self.out(linen.relu(self.hidden(x)))


class CNN(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = jnp.moveaxis(x, 1, -1)
        x = linen.relu(linen.BatchNorm(use_running_average=True)(linen.Conv(16, (3, 3))(x)))
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.max_pool(linen.relu(linen.Conv(32, (3, 3))(x)), (2, 2), (2, 2))
        return linen.Dense(10)(x.reshape(x.shape[0], -1))


class TwoInputs(linen.Module):
    def setup(self):
        self.first, self.second, self.out = linen.Dense(256), linen.Dense(256), linen.Dense(10)

    def __call__(self, left, right):
        return self.out(linen.relu(self.first(left) + self.second(right)))


class Gated(MLP):
    def __call__(self, x, gate, scale=1.0, scaled=False):
        y = linen.relu(self.hidden(x)) * gate
        return self.out(y * scale if scaled else y)


class Nested(TwoInputs):
    def __call__(self, pair):
        hidden = linen.relu(self.first(pair["left"]) + self.second(pair["right"]))
        return self.out(hidden), hidden


class Deep(linen.Module):
    def setup(self):
        self.layers = [linen.Dense(WIDTH) for _ in range(DEPTH)]

    def __call__(self, left, right):
        x = left + right
        for layer in self.layers:
            x = layer(x)
        return x


NETS: dict[str, Callable[[], Any]] = {
    "mlp": MLP,
    "cnn": CNN,
    "two inputs": TwoInputs,
    "keyword and flag": Gated,
    "keywords only": TwoInputs,
    "nested": Nested,
    "vector": MLP,
    "96 layers": Deep,
    "layer by keyword": partial(linen.Dense, 256),
}


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload."""
    net = NETS[name]()
    if name == "layer by keyword":
        named = {"inputs": named["x"]}
    variables = net.init(jax.random.key(0), *inputs, **named)
    compiled = jax.jit(net.apply, static_argnames="scaled" if "scaled" in named else ())
    return {
        "eager": partial(net.apply, variables, *inputs, **named),
        "compiled": partial(compiled, variables, *inputs, **named),
    }


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with linen's default values."""
    net = linen.Sequential([linen.Dense(b) for b in sizes[1:]])
    return lambda: jax.block_until_ready(net.init(jax.random.key(0), jnp.zeros((1, sizes[0]))))

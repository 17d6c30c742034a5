"""The nets in Gluon, which takes arrays by position only: constants are the block's own."""

# ruff: noqa: E402, N803 - MXNet is imported after its adapter; hybrid_forward's F is Gluon's word

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import isomorph

isomorph.backend("mxnet")  # MXNet 1.9.1 imports on today's NumPy with the adapter's help only
import mxnet as mx
from mxnet import npx
from mxnet.gluon import HybridBlock, nn
from workloads import DEPTH, WIDTH

npx.set_np()


def mlp() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(nn.Dense(256, activation="relu"), nn.Dense(10))
    return net


def cnn() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(16, 3, padding=1),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(32, 3, padding=1, activation="relu"),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(10),
    )
    return net


class Vector(HybridBlock):
    def __init__(self):
        super().__init__()
        self.net = mlp()

    def hybrid_forward(self, F, x):
        return self.net(x.reshape((1, -1))).reshape((-1,))  # gluon.nn.Dense takes at least a matrix


class TwoInputs(HybridBlock):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Dense(256), nn.Dense(256), nn.Dense(10)

    def hybrid_forward(self, F, left, right):
        return self.out(F.npx.relu(self.first(left) + self.second(right)))


class Gated(HybridBlock):
    def __init__(self, scale, scaled):
        super().__init__()
        self.hidden, self.out = nn.Dense(256, activation="relu"), nn.Dense(10)
        self.scale, self.scaled = scale, scaled

    def hybrid_forward(self, F, x, gate):
        y = self.hidden(x) * gate
        return self.out(y * self.scale if self.scaled else y)


class Nested(TwoInputs):
    def hybrid_forward(self, F, left, right):
        hidden = F.npx.relu(self.first(left) + self.second(right))
        return self.out(hidden), hidden


class Deep(HybridBlock):
    def __init__(self):
        super().__init__()
        self.parts = nn.HybridSequential()
        self.parts.add(*(nn.Dense(WIDTH) for _ in range(DEPTH)))

    def hybrid_forward(self, F, left, right):
        return self.parts(left + right)


NETS: dict[str, Callable[[], Any]] = {
    "mlp": mlp,
    "cnn": cnn,
    "two inputs": TwoInputs,
    "keyword and flag": partial(Gated, 2.0, True),
    "keywords only": TwoInputs,
    "nested": Nested,
    "vector": Vector,
    "96 layers": Deep,
    "layer by keyword": partial(nn.Dense, 256),
}


def arrays_in(value: Any) -> list[Any]:
    """Return the arrays in nested arguments, in order."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [array for each in value for array in arrays_in(each)]
    return [value] if isinstance(value, mx.np.ndarray) else []


def awaited(net: HybridBlock, *arrays: Any) -> Any:
    """Call and wait for the result, as a bound call does: MXNet reports a failure to who waits."""
    y = net(*arrays)
    (y[0] if isinstance(y, (list, tuple)) else y).wait_to_read()
    return y


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload."""
    found = {}
    for kind in ("eager", "compiled"):
        net = NETS[name]()
        net.initialize()
        if kind == "compiled":
            net.hybridize(static_alloc=True, static_shape=True)
        found[kind] = partial(awaited, net, *arrays_in((inputs, named)))
    return found


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with Gluon's default values."""

    def initialize():
        net = nn.HybridSequential()
        net.add(*(nn.Dense(b, in_units=a) for a, b in itertools.pairwise(sizes)))
        net.initialize()
        mx.nd.waitall()
        return net

    return initialize

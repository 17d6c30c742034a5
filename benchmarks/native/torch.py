"""The nets in torch.nn."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from workloads import DEPTH, WIDTH

# What torch.compile costs to start is much: the kinds of arguments that its guards tell apart are enough.
COMPILED = ("mlp", "cnn", "two inputs", "keyword and flag")


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(20, 256), nn.Linear(256, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.norm, self.pool, self.out = nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Linear(32 * 64, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.first(x))))
        x = self.pool(torch.relu(self.second(x)))
        return self.out(torch.flatten(x, 1))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(20, 256), nn.Linear(20, 256), nn.Linear(256, 10)

    def forward(self, left, right):
        return self.out(torch.relu(self.first(left) + self.second(right)))


class Gated(MLP):
    def forward(self, x, gate, scale=1.0, scaled=False):
        y = torch.relu(self.hidden(x)) * gate
        return self.out(y * scale if scaled else y)


class Nested(TwoInputs):
    def forward(self, pair):
        hidden = torch.relu(self.first(pair["left"]) + self.second(pair["right"]))
        return self.out(hidden), hidden


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))

    def forward(self, left, right):
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
    "layer by keyword": partial(nn.Linear, 20, 256),
}


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload."""
    net = NETS[name]().eval()
    if name == "layer by keyword":
        named = {"input": named["x"]}
    found = {"eager": partial(net, *inputs, **named)}
    if name in COMPILED:
        found["compiled"] = partial(torch.compile(net), *inputs, **named)
    return found


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with torch's default values."""
    pairs = list(itertools.pairwise(sizes))
    return lambda: nn.Sequential(*(nn.Linear(a, b) for a, b in pairs))

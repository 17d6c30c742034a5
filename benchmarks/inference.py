"""Shape inference of a deep wide net and of ten thousand layers."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from isomorph import nn

WIDTH, LAYERS = 12288, 96
ROUNDS = 3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(), nn.LayerNorm()
        self.mix = [nn.Dense(WIDTH) for _ in range(4)]
        self.up, self.down = nn.Dense(4 * WIDTH, activation="gelu"), nn.Dense(WIDTH)

    def forward(self, x):
        y = self.norm1(x)
        for dense in self.mix:
            y = dense(y)
        x = x + y
        return x + self.down(self.up(self.norm2(x)))


STACKS = {
    f"infer {LAYERS} blocks of width {WIDTH}": (
        lambda: nn.Sequential(*(Block() for _ in range(LAYERS))),
        WIDTH,
    ),
    "infer 10,000 Dense": (lambda: nn.Sequential(*(nn.Dense(8) for _ in range(10_000))), 8),
}


def measure_inference() -> list[dict[str, Any]]:
    """Return time and peak memory of each stack."""
    return [{"what": what, **measured(make, width)} for what, (make, width) in STACKS.items()]


def measured(make: Callable[[], nn.Module], width: int) -> dict[str, Any]:
    seconds = min(infer(make(), width) for _ in range(ROUNDS))
    net = make()
    gc.collect()
    tracemalloc.start()
    net.infer((None, None, width))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    count = sum(p.shape.size for p in net.parameters().values())
    return {"parameters": count, "seconds": seconds, "peak_megabytes": peak / 1e6}


def infer(net: nn.Module, width: int) -> float:
    gc.collect()
    start = time.perf_counter()
    net.infer((None, None, width))
    return time.perf_counter() - start

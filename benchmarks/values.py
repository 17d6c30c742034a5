"""Values for an MLP of a hundred million parameters against the framework's own initialization."""

from __future__ import annotations

import gc
import importlib
import itertools
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import nn

SIZES = [4096, 6144, 6144, 6144]  # 100.7 million parameters
ROUNDS = 3


def measure_values(backend: str) -> list[dict[str, Any]]:
    """Return one row: times in microseconds, and the first run's peak over the parameters' bytes."""
    native = importlib.import_module(f"native.{backend}").default_initialization(SIZES)
    x = np.zeros((1, SIZES[0]), "float32")

    def ours() -> Any:
        return nn.Sequential(*(nn.Dense(units) for units in SIZES[1:])).to(backend).apply_init(x, seed=0)

    before = peak()
    first = seconds(ours)
    memory = peak() - before
    pairs = [(seconds(ours), seconds(native)) for _ in range(ROUNDS)]
    mine, theirs = min(first, *(a for a, _ in pairs)), min(b for _, b in pairs)
    row = {"what": "100 M parameters", "backend": backend, "ours_us": mine * 1e6, "native_us": theirs * 1e6}
    parameters = sum((a + 1) * b for a, b in itertools.pairwise(SIZES)) * 4
    return [{**row, "ours_ratio": mine / theirs, "peak_over_parameters": memory / parameters}]


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def seconds(call: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    kept = call()
    elapsed = time.perf_counter() - start
    del kept
    return elapsed

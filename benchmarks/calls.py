"""Calls of a bound net against the net written by hand and, where Keras has the engine, keras.Model."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from workloads import WORKLOADS, Workload

import isomorph

ROUNDS = 100  # short ones, so that some are left alone on a machine that is shared
SECONDS = 0.15  # of each contestant, in all its rounds
LEAST, LIMIT = 5, 1.0  # rounds and seconds after which slow calls end
WARMING = 2  # calls; a framework's first ones trace and compile
USUAL = {"numpy": "eager", "torch": "eager", "tensorflow": "compiled", "jax": "compiled", "mxnet": "compiled"}

Call = Callable[[], Any]


def alternate(*calls: Call) -> list[float]:
    """Return the least time of one call of each, in seconds; their rounds take turns."""
    counts = [repeats(call) for call in calls]
    best = [float("inf")] * len(calls)
    end = time.perf_counter() + LIMIT
    for done in range(ROUNDS):
        if done >= LEAST and time.perf_counter() > end:
            break
        for index, (call, count) in enumerate(zip(calls, counts)):
            best[index] = min(best[index], timed(call, count))
    return best


def repeats(call: Call) -> int:
    """Return how many calls make a round, after the calls that warm it."""
    for _ in range(WARMING):
        call()
    once = min(timed(call, 1) for _ in range(3))
    return max(1, int(SECONDS / ROUNDS / max(once, 1e-7)))


def timed(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def ready(backend: str, call: Call) -> Call:
    """Return the call with its result waited for, where it is left to compute."""
    return partial(_blocked, call) if backend == "jax" else call


def _blocked(call: Call) -> Any:
    y = call()
    (y[0] if type(y) is tuple else y).block_until_ready()
    return y


def ours(backend: str, workload: Workload, kind: str) -> Call:
    """Return the call of our net, bound to a backend."""
    net = workload.make().to(backend, compile=kind != "eager").eval()
    inputs, named = arguments(backend, workload)
    return partial(net, *inputs, **named)


def arguments(backend: str, workload: Workload) -> tuple[tuple[Any, ...], dict[str, Any]]:
    adapter = isomorph.backend(backend)
    return workload.arguments(lambda array: adapter.from_numpy(array, isomorph.nn.Dense(1)._isomorph.options))


def measure_calls(backend: str) -> list[dict[str, Any]]:
    """Return a row for each workload and each way in which the framework's users call it."""
    native = importlib.import_module(f"native.{backend}")
    keras = importlib.import_module("native.keras") if os.environ.get("KERAS_BACKEND") == backend else None
    rows = []
    for name, workload in WORKLOADS.items():
        inputs, named = arguments(backend, workload)
        for kind, by_hand in native.calls(name, inputs, named).items():
            contestants = {
                "ours": partial(ours, backend, workload, kind),
                "native": lambda by_hand=by_hand: by_hand,
            }
            if keras is not None and kind == USUAL[backend]:
                contestants["keras"] = partial(keras.model, name, inputs, named)
            rows.append({"what": f"{name}, {kind}", "backend": backend, **compare(backend, contestants)})
    return rows


def compare(backend: str, contestants: dict[str, Callable[[], Call]]) -> dict[str, Any]:
    """Return the times of each that runs, in microseconds, and what the others raised."""
    calls, outputs, row = {}, {}, {}
    for who, make in contestants.items():
        try:
            call = ready(backend, make())
            outputs[who] = shapes(call())
            calls[who] = call
        except Exception as error:
            row[f"{who}_fails"] = f"{type(error).__name__}: {error}".splitlines()[0]
    if len(set(outputs.values())) > 1:
        raise ValueError(f"the nets compared are not the same net: they return {outputs}")
    times = dict(zip(calls, alternate(*calls.values())))
    row |= {f"{who}_us": seconds * 1e6 for who, seconds in times.items()}
    if "native" in times:
        row |= {f"{who}_ratio": times[who] / times["native"] for who in times if who != "native"}
    return row


def shapes(y: Any) -> tuple[Any, ...]:
    return tuple(tuple(each.shape) for each in (y if isinstance(y, (tuple, list)) else (y,)))

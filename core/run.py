"""Running one model on backends, and comparing what they make of it."""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import registry
from .convert import to_numpy
from .errors import BackendNotInstalledError
from .nn.module import Module
from .structure import flatten, is_array
from .target import Target

LATER_CALLS = 5


@dataclass
class Result:
    """One backend's run. Times are in seconds, differences in units of the output."""

    backend: str
    status: str = "ok"
    message: str = ""
    parameters: int = 0
    shapes: dict[str, list[int]] = field(default_factory=dict)
    digest: str = ""
    difference: float | None = None
    first_call: float = 0.0
    later_call: float = 0.0
    predictions: list[Any] = field(default_factory=list)
    untrained: bool = True
    before: str = ""
    after: str = ""
    output: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        facts = asdict(self)
        kept = {name: value for name, value in facts.items() if name not in ("before", "after", "output")}
        return {name: _plain(value) for name, value in kept.items()}


def run(target: Target, backend: str, inputs: tuple[Any, ...], seed: int, data_format: str) -> Result:
    """Run a model on one backend: initialize, first call, later calls, in evaluation mode."""
    result = Result(backend)
    try:
        adapter = registry.backend(backend)
        result.backend = adapter.name
        net = target.make()
        result.untrained = not all(parameter.is_ready for parameter in net.state().values())
        if result.untrained:
            net.initialize(seed=seed)
        net.to(adapter.name, data_format=data_format).eval()
        result.before = repr(net.parameters())
        result.first_call, output = _timed(lambda: to_numpy(net(*inputs)))
        times = [_timed(lambda: to_numpy(net(*inputs)))[0] for _ in range(LATER_CALLS)]
        result.later_call = statistics.median(times)
        result.after = repr(net.parameters())
        result.parameters = sum(p.shape.size for p in net.parameters().values())
        result.shapes = {path: list(p.shape.known()) for path, p in net.state().items()}
        result.digest = digest(net)
        result.output = output
        result.predictions = first_predictions(output)
    except BackendNotInstalledError as error:
        return Result(backend, "not installed", str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Whatever the user's own code raises, an exit too, is this backend's result; the others go on.
        return Result(backend, "failed", f"{type(error).__name__}: {error}")
    return result


def compare(results: list[Result], tolerance: float) -> bool:
    """Fill in each result's difference to the first that ran; return whether all that are installed agree."""
    done = [result for result in results if result.status == "ok"]
    for result in done:
        result.difference = difference(result.output, done[0].output)
        same = result.shapes == done[0].shapes and result.digest == done[0].digest
        # A comparison that NaN fails as well.
        if not same or not result.difference <= tolerance:
            result.status = "differs"
            what = f"outputs by {result.difference:.1e}, more than {tolerance:.1e}"
            if not same:
                what = "shapes" if result.shapes != done[0].shapes else "initial values"
            result.message = f"differs from {done[0].backend}: {what}"
    return bool(done) and all(result.status in ("ok", "not installed") for result in results)


def digest(net: Module) -> str:
    """Return a short hash of every parameter's path, shape, type and values."""
    total = hashlib.sha256()
    for path, parameter in net.parameters().items():
        total.update(f"{path}{tuple(parameter.shape)}{parameter.dtype}".encode())
        total.update(np.ascontiguousarray(parameter.numpy()).tobytes())
    return total.hexdigest()[:12]


def first_predictions(output: Any, count: int = 10) -> list[Any]:
    """Return the first rows' greatest column for scores, else the first numbers."""
    first = next(iter(leaves(output)), np.empty(0))
    if first.ndim == 2 and first.shape[1] > 1 and first.dtype.kind == "f":
        return [int(row) for row in first[:count].argmax(1)]
    return [float(value) for value in first.reshape(-1)[:count]]


def difference(a: Any, b: Any) -> float:
    """Return the greatest absolute difference of two outputs; infinite if shapes differ."""
    pairs = list(zip(leaves(a), leaves(b)))
    if len(leaves(a)) != len(leaves(b)) or any(x.shape != y.shape for x, y in pairs):
        return float("inf")
    return max(
        (float(np.abs(x.astype("f8") - y.astype("f8")).max(initial=0.0)) for x, y in pairs), default=0.0
    )


def leaves(output: Any) -> list[Any]:
    """Return the arrays in a nested output, in order."""
    return flatten(output, is_array)[0]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: None for what is not a finite number."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value

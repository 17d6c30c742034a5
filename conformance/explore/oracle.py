"""The model with two things more: how far roundings may carry an answer, and what may be asked of it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from isomorph.conformance.compare import epsilon
from isomorph.conformance.model.calls import Forward
from isomorph.conformance.model.machine import UNKNOWN, Expected, Machine
from isomorph.conformance.model.program import Refused
from isomorph.conformance.model.tree import Net, Node, Parameter, Unknown

ROUNDS = 3
CALLS = ("call", "call_in_threads", "gradients")
# Facts that are asked after every step, the plainest first: a find names the first that differs.
STATE = (
    *("paths", "shapes", "states", "dtypes", "name", "kind", "trainable", "requested"),
    *("aliases", "law_calls", "warnings", "values"),
)
RESULTS: dict[str, tuple[str, ...]] = {
    "call": ("output.shape", "output.dtype", "output.owned", "output", "statistics"),
    "call_in_threads": ("output.shape", "output.dtype", "output.owned", "output", "statistics"),
    "infer": ("spec",),
    "to": ("same_object", "backend"),
    "gradients": ("gradients",),
    "count": ("count",),
    "select": ("selected",),
    "variables": ("tree",),
    "native": ("native.memory",),
}


class Shaken(Forward):
    """Numbers where each layer's output is off by a rounding of the net's type."""

    step = 3e-5

    def __init__(self, net: Net, values: dict[Parameter, Any] | None = None) -> None:
        super().__init__(net, values)
        self.noise = np.random.default_rng(self.seed)

    seed = 0

    def layer(self, node: Node, x: Any) -> Any:
        """Return a layer's output, a little off."""
        weight = node.parameters.get("weight")
        factor = (
            1.0
            if weight is None or isinstance(weight.value, Unknown)
            else np.abs(self.parameter(weight)).max()
        )
        y = super().layer(node, x)
        if isinstance(x, Unknown) or isinstance(y, Unknown):
            return y
        values: Any = None if weight is None else weight.value
        terms = x.shape[-1] if values is None else values[0].size if values.ndim > 1 else x[0].size
        return self._off(y, np.abs(x).max(initial=0.0) * factor * terms**0.5)

    def function_of(self, name: str, given: list[Any], options: dict[str, Any]) -> Any:
        """Return a function's output, a little off."""
        y = super().function_of(name, given, options)
        return y if isinstance(y, (Unknown, list)) else self._off(y, 0.0)

    def _off(self, y: Any, scale: float) -> Any:
        y = np.asarray(y)
        if y.dtype.kind != "f":
            return y
        amount = epsilon(self.net.dtype) * np.maximum(np.abs(y), scale)
        return y + amount * self.noise.uniform(-1, 1, y.shape)


class Oracle(Machine):
    """The model, which also says how ill-conditioned each answer is."""

    def take(self, step: list[Any]) -> Expected:
        """Return what a step must show; its scale covers what roundings on the way can do."""
        verb = step[0]
        before = copy.deepcopy(self.nets) if verb in CALLS else {}
        with np.errstate(all="ignore"):
            (expected,) = self.expected([step])
            if verb in CALLS and expected.error is None:
                for seed in range(ROUNDS if verb != "gradients" else 1):
                    self._widen(expected, self._shaken(before, step, seed))
        return expected

    def _shaken(self, nets: dict[str, Net], step: list[Any], seed: int) -> Expected | None:
        twin = Machine()
        twin.nets = copy.deepcopy(nets)
        twin.forward = type("Shaken", (Shaken,), {"seed": seed})
        (found,) = twin.expected([step])
        return found if found.error is None else None

    def _widen(self, expected: Expected, shaken: Expected | None) -> None:
        if shaken is None:
            return
        for wanted, moved, dtype in _pairs(expected, shaken):
            off = np.abs(np.asarray(wanted, "float64") - np.asarray(moved, "float64"))
            finite = off[np.isfinite(off)]
            if finite.size and epsilon(dtype):
                expected.scale = max(expected.scale, float(finite.max()) / epsilon(dtype))


def _pairs(expected: Expected, shaken: Expected) -> list[tuple[Any, Any, str]]:
    found: list[tuple[Any, Any, str]] = []
    result, other = expected.result, shaken.result
    if "output" in result:
        found += list(zip(result["output"], other["output"], result["dtypes"]))
    found += [
        (value, other["gradients"][path], "float32") for path, value in result.get("gradients", {}).items()
    ]
    for net, state in expected.state.items():
        for each, moved in zip(state, shaken.state[net]):
            if not each["is_exact"] and each["value"] is not None:
                found.append((each["value"], moved["value"], each["dtype"]))
    return [each for each in found if not isinstance(each[0], Unknown) and not isinstance(each[1], Unknown)]


def everything(steps: list[Any], expected: list[Expected]) -> list[list[Any]]:
    """Return all that can be asked of a trial, as a case has it."""
    asked: list[list[Any]] = []
    for position, ((verb, arguments), wanted) in enumerate(zip(steps, expected)):
        names = [*STATE, *(() if wanted.error else RESULTS.get(verb, ()))]
        if wanted.error:
            names += ["error", "error.text"]
        if verb == "native" and len({each["state"] == "ready" for each in _of(wanted, arguments)}) != 1:
            # The model says it of whole nets only.
            names.remove("native.memory")
        if "backend" in arguments and "backend" in names:
            # The reference may be the backend under test.
            names.remove("backend")
        exact = {each["path"] for each in _of(wanted, arguments) if each["is_exact"]}
        if verb == "read" and not wanted.error and arguments["path"] in exact:
            names.append("value")
        asked += [[position, name] for name in names]
    return asked


def _of(expected: Expected, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return expected.state.get(arguments.get("net", "net"), [])


__all__ = ["UNKNOWN", "Oracle", "Refused", "everything"]

"""Which law a parameter's values come from, and the values: the spec's N clauses, anew."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from . import streams
from .tree import UNKNOWN, Net, Parameter, Spec, cast


class LawFailed(Exception):  # noqa: N818 - what the spec foresees
    """A user's law raised, or gave what does not fit."""


def resolve(net: Net, parameter: Parameter) -> Spec | None:
    """Return the law that applies, None for the layer's default.

    From strongest to weakest: a request on the parameter or its own layer, a pattern, the
    constructor's law, the nearest enclosing module's request, the whole net's, the default. The
    later of two of a rank wins. A law given to a module is for weights: biases become zero and
    scales one.
    """
    candidates: list[tuple[tuple[int, int, int], Spec]] = []
    if parameter.law is not None:
        candidates.append(((2, 0, 0), parameter.law))
    if parameter.trainable:
        for request in parameter.requests:
            if request.law is not None:
                candidates.append(((4, 0, request.order), request.law))
        whole = net.paths()[id(parameter)]
        for distance, node in enumerate(net.enclosing(net.owner(parameter))):
            inner = net.path_of(node)
            relative = whole.removeprefix(f"{inner}." if inner else "")
            for request in node.requests:
                if request.law is not None:
                    law = {"weight": request.law, "scale": {"law": "Ones"}, "bias": {"law": "Zeros"}}
                    rank = (1, -distance, request.order) if distance else (4, 0, request.order)
                    candidates.append((rank, law[parameter.role]))
                for pattern, law_of_pattern in request.patterns.items():
                    if re.fullmatch(pattern, relative):
                        candidates.append(((3, 0, request.order), law_of_pattern))
    return max(candidates, key=lambda each: each[0])[1] if candidates else None


def seed_of(net: Net, parameter: Parameter) -> int | None:
    """Return the seed of the latest request that names one, None where nobody did."""
    requests = list(parameter.requests)
    for node in net.enclosing(net.owner(parameter)):
        requests += node.requests
    named = [request for request in requests if request.seed is not None]
    return max(named, key=lambda request: request.order).seed if named else None


def draw(net: Net, parameter: Parameter) -> Any:
    """Return a parameter's new values; `UNKNOWN` where they are random and nobody gave a seed."""
    path = net.paths()[id(parameter)]
    law, seed = resolve(net, parameter), seed_of(net, parameter)
    shape = tuple(size for size in parameter.shape if size is not None)
    own = {"Ramp": _ramp, "HalfZero": _half_zero, "Failing": _failing}
    if law is not None and law["law"] in own:
        values = own[law["law"]](law, shape, seed, path)
    else:
        options = {key: value for key, value in (law or {}).items() if key != "counted"}
        weight = net.owner(parameter).parameters.get("weight")
        weight_shape = None if weight is None else weight.shape
        where = (parameter.layer, parameter.role, parameter.name, shape, weight_shape)
        if seed is None and (law or streams.default(*where))["law"] not in ("Zeros", "Ones", "Constant"):
            return UNKNOWN
        values = streams.draw(
            options or None,
            shape,
            net.dtype,
            0 if seed is None else seed,
            path,
            kind=parameter.layer,
            role=parameter.role,
            name=parameter.name,
            weight_shape=weight_shape,
        )
    return cast(values, net.dtype)


def _ramp(law: Spec, shape: tuple[int, ...], seed: int | None, path: str) -> Any:
    size = int(np.prod(shape))
    return (np.arange(1, size + 1, dtype="float64") / size).reshape(shape).astype("float32")


def _half_zero(law: Spec, shape: tuple[int, ...], seed: int | None, path: str) -> Any:
    if seed is None:
        return UNKNOWN
    values = streams.generator(seed, path).uniform(-10, 10, shape)
    return (values * (np.abs(values) >= 5)).astype("float32")


def _failing(law: Spec, shape: tuple[int, ...], seed: int | None, path: str) -> Any:
    if path == law["path"]:
        raise LawFailed(path)
    return np.ones(shape, "float32")

"""Initial values: from the log of what was asked of a net to a parameter's law, seed and values.

The clauses N-4, N-6 and N-10, each a function of the log: which requests reach a parameter, which of
them is the strongest, and what it means for a parameter of its role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from isomorph.conformance.layers.record import ONES, ZEROS

from . import streams
from .tree import UNKNOWN, Asked, Net, Parameter, Spec, cast

# N-6, from the weakest to the strongest.
STRENGTH = ("enclosing module", "constructor", "pattern", "parameter or its own layer")
# N-4: what a law means that a module was given.
FOR_WEIGHTS: dict[str, Callable[[Spec], Spec]] = {
    "weight": lambda law: law,
    "scale": lambda law: ONES,
    "bias": lambda law: ZEROS,
}
# Not random: they need no seed.
CONSTANT = ("Zeros", "Ones", "Constant", "Ramp", "Failing")
Key = tuple[int, int, int]


class LawFailed(Exception):  # noqa: N818 - what the spec foresees
    """A user's law raised, or gave what does not fit."""


def law_of(net: Net, parameter: Parameter) -> Spec:
    """Return the law that a parameter's values come from: the strongest, or else its default."""
    found = list(_laws_for(net, parameter))
    return max(found, key=lambda each: each[0])[1] if found else _default(net, parameter)


def _laws_for(net: Net, parameter: Parameter) -> Iterator[tuple[Key, Spec]]:
    """Yield every law that somebody asked for a parameter, with its key in the order of N-6."""
    if parameter.law is not None:
        yield (STRENGTH.index("constructor"), 0, 0), parameter.law
    # What is not learned starts as its layer says.
    log = net.log if parameter.trainable else []
    for position, asked in enumerate(log):
        distance = net.distance(parameter, asked.place)
        if distance is None:
            continue
        if asked.law is not None:
            law = asked.law if asked.place is parameter else FOR_WEIGHTS[parameter.role](asked.law)
            yield _key(distance, position), law
        for pattern, law in asked.patterns.items():
            if re.fullmatch(pattern, net.path_inside(parameter, asked.place)):
                yield (STRENGTH.index("pattern"), 0, position), law


def _key(distance: int, position: int) -> Key:
    """Return where a law stands that was asked for so many modules outside a parameter's own layer."""
    own = distance <= 0
    strength = STRENGTH.index("parameter or its own layer" if own else "enclosing module")
    return strength, 0 if own else -distance, position


def _default(net: Net, parameter: Parameter) -> Spec:
    if not callable(parameter.default):
        return parameter.default
    weight = net.owner(parameter).parameters["weight"]
    found: Spec = parameter.default(weight.shape)
    return found


def seed_of(net: Net, parameter: Parameter) -> int | None:
    """Return the latest seed that was named for a parameter, None where nobody named one (N-10)."""
    named = [asked.seed for asked in requests(net, parameter) if asked.seed is not None]
    return named[-1] if named else None


def requests(net: Net, parameter: Parameter) -> list[Asked]:
    """Return what was asked of a parameter, its layer, and the modules around, in order."""
    return [asked for asked in net.log if net.distance(parameter, asked.place) is not None]


def draw(net: Net, parameter: Parameter) -> Any:
    """Return a parameter's new values; `UNKNOWN` where they are random and nobody gave a seed."""
    path = net.paths()[id(parameter)]
    law, seed = law_of(net, parameter), seed_of(net, parameter)
    shape = tuple(size for size in parameter.shape if size is not None)
    if seed is None and law["law"] not in CONSTANT:
        return UNKNOWN
    seed = 0 if seed is None else seed
    own = {"Ramp": _ramp, "HalfZero": _half_zero, "Failing": _failing}
    if law["law"] in own:
        return cast(own[law["law"]](law, shape, seed, path), net.dtype)
    return streams.draw(law, shape, net.dtype, seed, path)


def _ramp(law: Spec, shape: tuple[int, ...], seed: int, path: str) -> Any:
    size = int(np.prod(shape))
    return (np.arange(1, size + 1, dtype="float64") / size).reshape(shape).astype("float32")


def _half_zero(law: Spec, shape: tuple[int, ...], seed: int, path: str) -> Any:
    values = streams.generator(seed, path).uniform(-10, 10, shape)
    return (values * (np.abs(values) >= 5)).astype("float32")


def _failing(law: Spec, shape: tuple[int, ...], seed: int, path: str) -> Any:
    if path == law["path"]:
        raise LawFailed(path)
    return np.ones(shape, "float32")

"""Initial values: the random stream of a parameter and the laws, as a definition to implement.

The stream of the parameter at a dotted path, under a seed:

1. Take the SHA-256 digest of the path in UTF-8, and read it as eight 32-bit words, each least
   significant byte first.
2. Seed NumPy's ``SeedSequence`` with the nine whole numbers (seed, word 0, ..., word 7).
3. Run the bit generator SFC64 on it.

Values are drawn from the stream's start in the canonical layout, row by row, in single precision
(NumPy's ``random`` and ``standard_normal`` of float32, whatever the parameter's type). Scaling
takes two steps, each rounded to single precision: times the width (of a uniform law, ``high -
low`` in double precision, then rounded) or the standard deviation; plus the lower end or, if it
is not zero, the mean. Only then are they converted to the parameter's type. Constants are
rounded to that type at once.

A law is data: its name under ``law``, and its options.

=========  ==========================================================================
Zeros      0
Ones       1
Constant   ``value``
Uniform    evenly in [``low``, ``high``)
Normal     ``mean`` 0, ``std`` 1
Xavier     standard deviation ``gain`` sqrt(2 / (fan in + fan out))
Kaiming    standard deviation sqrt(2 / ((1 + ``a``²) fan)), fan by ``mode``
=========  ==========================================================================

The last two are ``distribution`` ``"uniform"`` (the default) in ± sqrt(3) standard deviations, or
``"normal"``. The fan in is the product of all sizes but the first, the fan out that of all but
the second.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from isomorph.conformance.data import numpy_dtype

Array = npt.NDArray[Any]
Law = dict[str, Any]
Shape = tuple[int, ...]

ZEROS: Law = {"law": "Zeros"}
ONES: Law = {"law": "Ones"}


def draw(
    law: Law | None,
    shape: Shape,
    dtype: str,
    seed: int,
    path: str,
    *,
    kind: str = "",
    role: str = "weight",
    name: str = "weight",
    weight_shape: tuple[int | None, ...] | None = None,
    given: str | None = None,
) -> Array:
    """Return a parameter's initial values, bit for bit.

    Args:
        law: The law that applies; None for the default of its layer.
        shape: The parameter's canonical shape.
        dtype: Its type.
        seed: The seed.
        path: Its dotted path.
        kind: The kind of its layer; empty for a parameter of a user's own module.
        role: ``"weight"``, ``"bias"`` or ``"scale"``.
        name: Its name in its layer.
        weight_shape: Shape of its layer's weight, which the default law of a bias looks at.
        given: ``"weight"`` for a law given to a whole net, which leaves biases zero, scales one.
    """
    if law is not None and given == "weight":
        law = {"weight": law, "bias": ZEROS, "scale": ONES}[role]
    if law is None:
        law = default(kind, role, name, shape, weight_shape)
    return _values(law, shape, dtype, generator(seed, path))


def generator(seed: int, path: str) -> np.random.Generator:
    """Return the stream of the parameter at a path."""
    digest = hashlib.sha256(path.encode("utf-8")).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


def default(
    kind: str, role: str, name: str, shape: Shape, weight_shape: tuple[int | None, ...] | None = None
) -> Law:
    """Return the law of a parameter for which nobody named one."""
    if name == "running_var":
        return ONES
    if name == "running_mean":
        return ZEROS
    if kind == "Embedding":
        return {"law": "Normal"}
    if kind in ("Dense", "Conv1d", "Conv2d"):
        if role == "bias":
            bound = 1.0 / math.sqrt(math.prod(_known(weight_shape)[1:]))
            return {"law": "Uniform", "low": -bound, "high": bound}
        return {"law": "Kaiming", "a": math.sqrt(5.0)}
    if role == "weight":
        # A user's own: as a dense weight, or a vector of an embedding where no fan exists.
        return {"law": "Kaiming", "a": math.sqrt(5.0)} if len(shape) > 1 else {"law": "Normal"}
    return ONES if role == "scale" else ZEROS


def _values(law: Law, shape: Shape, dtype: str, stream: np.random.Generator) -> Array:
    name = law["law"]
    if name in ("Zeros", "Ones", "Constant"):
        value = {"Zeros": 0, "Ones": 1}.get(name, law.get("value"))
        return np.full(shape, value).astype(numpy_dtype(dtype))
    if name in ("Xavier", "Kaiming"):
        std = _deviation(law, shape)
        if law.get("distribution", "uniform") == "normal":
            name, law = "Normal", {"std": std}
        else:
            name, law = "Uniform", {"low": -math.sqrt(3.0) * std, "high": math.sqrt(3.0) * std}
    if name == "Normal":
        values = stream.standard_normal(shape, np.float32) * np.float32(law.get("std", 1.0))
        mean = law.get("mean", 0.0)
        values = values + np.float32(mean) if mean else values
    else:
        low, high = law.get("low", 0.0), law.get("high", 1.0)
        values = stream.random(shape, np.float32) * np.float32(high - low) + np.float32(low)
    return np.asarray(values).astype(numpy_dtype(dtype))


def _deviation(law: Law, shape: Shape) -> float:
    fan_in, fan_out = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
    if law["law"] == "Xavier":
        return float(law.get("gain", 1.0)) * math.sqrt(2.0 / (fan_in + fan_out))
    fan = fan_out if law.get("mode", "fan_in") == "fan_out" else fan_in
    return math.sqrt(2.0 / ((1.0 + law.get("a", 0.0) ** 2) * fan))


def _known(shape: tuple[int | None, ...] | None) -> Shape:
    if shape is None or None in shape:
        raise ValueError(f"the default law of a bias needs its weight's whole shape, received {shape}")
    return tuple(size for size in shape if size is not None)

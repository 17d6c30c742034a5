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


def draw(law: Law, shape: Shape, dtype: str, seed: int, path: str) -> Array:
    """Return the values that a law gives the parameter at a path, bit for bit.

    Args:
        law: The law, as data.
        shape: The parameter's canonical shape.
        dtype: Its type.
        seed: The seed.
        path: Its dotted path.
    """
    return _values(law, shape, dtype, generator(seed, path))


def generator(seed: int, path: str) -> np.random.Generator:
    """Return the stream of the parameter at a path."""
    digest = hashlib.sha256(path.encode("utf-8")).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


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

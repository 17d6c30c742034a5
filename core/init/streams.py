"""Random streams keyed by (seed, path), and drawing a parameter's values from its law."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..errors import InitializerError, IsomorphError
from .laws import Array, Law


def generator_for(seed: int, path: str) -> np.random.Generator:
    """Return the generator of one parameter: it depends on the seed and the dotted path alone.

    So the values do not change with build order, deferral, other layers or threads.
    """
    digest = hashlib.sha256(path.encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


def draw(law: Any, seed: int, path: str, shape: tuple[int, ...], dtype: str) -> Array:
    """Return the values that a law gives a parameter, checked and in the given type.

    Raises `InitializerError`, the law's own exception chained.
    """
    expected = f"an array of shape {shape}"
    try:
        values = law(path, shape, dtype, generator_for(seed, path))
    except IsomorphError:
        raise
    except Exception as cause:
        received = f"{type(cause).__name__}: {cause}"
        raise InitializerError.at(path, _named(law), expected, received) from cause
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub" and array.dtype.name != dtype:
            raise TypeError(f"an array of {array.dtype}")
        array = array.astype(numpy_dtype(dtype), copy=False)
    except (TypeError, ValueError) as cause:
        raise InitializerError.at(path, _named(law), expected, cause) from cause
    if array.shape != shape:
        raise InitializerError.at(path, _named(law), expected, f"one of shape {array.shape}")
    # A user's law may keep the array it returned, or return one that several parameters share.
    own = type(law).__module__ == Law.__module__
    return array if own else np.array(array, order="C")


def numpy_dtype(name: str) -> Any:
    """Return NumPy's type of this name; bfloat16 comes from ml_dtypes, as in JAX and TensorFlow."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def cast(array: Array, dtype: str) -> Array:
    """Return an array in the type of this name; the same one if it has it."""
    return array.astype(numpy_dtype(dtype), copy=False)


def _named(law: Any) -> str:
    return repr(law) if isinstance(law, Law) else getattr(law, "__name__", type(law).__name__)

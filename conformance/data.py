"""Arrays as data: what a case's JSON says, made into the same NumPy array on every machine.

An array is a dictionary with a ``dtype`` and one of

- ``values``: nested lists;
- ``shape`` and ``fill: "spread"``: pairwise distinct, asymmetric, without zeros, in (-1.2, 1.5)
  for floating types; small whole numbers for integers; both truth values for ``"bool"``;
- ``shape``, ``fill: "indices"`` and ``below``: whole numbers from 0 to below - 1, the greatest
  included, pairwise distinct where there are enough.

``salt`` (an integer) gives another order to arrays of one shape; ``scale`` and ``offset`` map
``x`` to ``scale * x + offset`` before the last rounding. No random generator takes part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Data = dict[str, Any]
# Containers of tensors, as data: ``{"dict": {"a": ..., "b": ...}}``, ``{"tuple": [..., ...]}``.
NESTS = ("tuple", "list", "dict", "named_tuple", "dataclass")


def spread(*shape: int, dtype: str = "float32", salt: int = 0, **more: Any) -> Data:
    """Return distinct, asymmetric values without zeros."""
    return {"shape": list(shape), "dtype": dtype, "fill": "spread", "salt": salt, **more}


def indices(*shape: int, below: int, dtype: str = "int64") -> Data:
    """Return whole numbers below a bound."""
    return {"shape": list(shape), "dtype": dtype, "fill": "indices", "below": below}


def numbers(values: Any, dtype: str = "float32") -> Data:
    """Return an array of given values."""
    return {"values": values, "dtype": dtype}


def array(data: Data) -> Array:
    """Return the array that the data describes.

    >>> array({"shape": [2, 2], "dtype": "float32", "fill": "spread"}).tolist()
    [[0.2693703770637512, -0.3968546390533447], [1.0030953884124756, -0.9955796003341675]]
    >>> array({"shape": [3], "dtype": "int64", "fill": "indices", "below": 11}).tolist()
    [7, 10, 3]
    """
    dtype = numpy_dtype(data["dtype"])
    if "values" in data:
        return _mapped(np.array(data["values"], _working(dtype)), data, dtype)
    shape = tuple(data["shape"])
    ranks = _ranks(math.prod(shape), data.get("salt", 0)).reshape(shape)
    fill = {"spread": _spread, "indices": _indices}[data["fill"]]
    return _mapped(fill(ranks, data, dtype), data, dtype)


def operand(data: Data) -> Any:
    """Return what a function is given: an array, or the plain number of ``{"number": 0.25}``.

    >>> operand({"number": 0.25})
    0.25
    """
    return data["number"] if "number" in data else array(data)


def nest(data: Any) -> tuple[str, dict[str, Any]] | None:
    """Return what kind of container data describes, and its items by name; None if it describes none.

    >>> nest({"list": [{"number": 1}, None]})
    ('list', {'0': {'number': 1}, '1': None})
    """
    if not isinstance(data, dict) or len(data) != 1:
        return None
    ((kind, items),) = data.items()
    if kind not in NESTS:
        return None
    return kind, items if isinstance(items, dict) else {str(i): each for i, each in enumerate(items)}


def told(value: object) -> str:
    """Return how a value that is no tensor is told: by its type as well.

    >>> told(True), told(1)
    ('bool True', 'int 1')
    """
    return f"{type(value).__name__} {value!r}"


def index(entries: list[Any]) -> tuple[Any, ...]:
    """Return the index that a list describes: integers, None, ``"..."``, ``{"slice": [1, None, 2]}``.

    >>> index([{"slice": [1, None, None]}, "...", None, -1])
    (slice(1, None, None), Ellipsis, None, -1)
    """
    return tuple(_key(entry) for entry in entries)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return NumPy's type of this name; bfloat16 is ml_dtypes' own.

    >>> numpy_dtype("float16")
    dtype('float16')
    """
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _key(entry: Any) -> Any:
    if entry == "...":
        return ...
    return slice(*entry["slice"]) if isinstance(entry, dict) else entry


def _ranks(count: int, salt: int) -> npt.NDArray[np.int64]:
    """Return the numbers from 0 to count - 1 in an irregular order: that of a 32-bit hash.

    Source: the last step of Appleby's MurmurHash3, which maps different numbers to different ones.
    """
    keys = (np.arange(count, dtype=np.uint64) + np.uint64(1 + salt * 2654435761 % 2**32)) % np.uint64(2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor) % np.uint64(2**32)
    ranks = np.empty(count, np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(count)
    return ranks


def _spread(ranks: npt.NDArray[np.int64], data: Data, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b":
        return np.not_equal(ranks % 3, 1)
    if dtype.kind == "u":
        return np.add(ranks % int(np.iinfo(dtype).max), 1)
    if dtype.kind == "i":
        # A third is negative; zero is left out.
        shifted, most = ranks - ranks.size // 3, int(np.iinfo(dtype).max)
        return np.where(shifted < 0, -((-shifted - 1) % most) - 1, shifted % most + 1)
    # Uneven steps, so that no two sums agree by chance. Zero would need an irrational share.
    share = (ranks + 0.37) / max(ranks.size, 1)
    return np.asarray(-1.2 + 2.7 * share * (0.8 + 0.2 * share))


def _indices(ranks: npt.NDArray[np.int64], data: Data, dtype: np.dtype[Any]) -> Array:
    below = int(data["below"])
    chosen: Array = below - 1 - ranks * below // max(ranks.size, 1)
    return chosen


def _working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type to compute in: double precision for floating types, bfloat16 included."""
    return dtype if dtype.kind in "iub" else np.dtype("float64")


def _mapped(values: Array, data: Data, dtype: np.dtype[Any]) -> Array:
    if "scale" in data or "offset" in data:
        values = values * data.get("scale", 1) + data.get("offset", 0)
    return values.astype(dtype)

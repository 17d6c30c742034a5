"""Any backend's tensors as NumPy arrays."""

from __future__ import annotations

from typing import Any

from . import registry
from .structure import is_array, map_leaves


def to_numpy(value: Any) -> Any:
    """Return tensors as NumPy arrays, those in containers too; anything else as it is.

    It waits for work still under way. What needs gradients is taken without them.

    >>> isomorph.to_numpy({"y": numpy.ones(2), "n": 3})
    {'y': array([1., 1.]), 'n': 3}
    """
    return map_leaves(_array, value, is_array)


def _array(tensor: Any) -> Any:
    owner = registry.owner_of(tensor)
    return tensor if owner is None else owner.to_numpy(tensor)

"""The dispatch of functions on a tensor's own type."""

from __future__ import annotations

import numpy as np

from .. import registry
from ..errors import ForwardError
from ..framework import TABLES, Ops, Tensor, register
from ..tensor import Operators
from .abstract import ABSTRACT


def table_of(*tensors: Tensor) -> Ops:
    """Return the table of the first tensor; NumPy's arrays give way to others, numbers to both."""
    plain: Ops | None = None
    for tensor in tensors:
        table = TABLES.get(type(tensor))
        if table is None:
            if isinstance(tensor, (bool, int, float)) or (plain and not hasattr(tensor, "shape")):
                continue
            table = _registered(tensor)
        if not isinstance(tensor, (np.ndarray, np.generic)):
            return table
        plain = plain or table
    return plain if plain is not None else _table_for(tensors[0])


def _registered(tensor: Tensor) -> Ops:
    table = _table_for(tensor)
    register(type(tensor), table)
    return table


def _table_for(tensor: Tensor) -> Ops:
    """Return the table of functions for a tensor; numbers count as the reference's."""
    if isinstance(tensor, Operators):
        return ABSTRACT
    owner = registry.owner_of(tensor)
    if owner is None and isinstance(tensor, (bool, int, float)):
        owner = registry.backend(registry.DEFAULT)
    if owner is None:
        raise ForwardError(
            f"ops received a {type(tensor).__name__}, which is no backend's tensor.\n"
            "  Pass NumPy arrays, a framework's tensors or numbers."
        )
    return owner.ops

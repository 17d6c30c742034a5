"""The layers, one record each, in files by family; nothing here imports Isomorph.

The oracle computes with them, the tables of cases are made from them, and the exploring lane draws
from them: a new layer is one record, and the native objects that backends claim for it.
"""

from __future__ import annotations

from . import activations, conv, dense, dropout, embedding, flatten, norm, pooling
from .containers import CONTAINERS
from .record import Record

FAMILIES = (dense, conv, pooling, norm, embedding, flatten, activations, dropout)
RECORDS: dict[str, Record] = {each.name: each for family in FAMILIES for each in family.RECORDS}
# What nets are made of that no backend may leave out.
CORE_LAYERS = (*(name for name, each in RECORDS.items() if each.is_core), *CONTAINERS)

__all__ = ["CONTAINERS", "CORE_LAYERS", "RECORDS", "Record"]

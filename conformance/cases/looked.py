"""Cases of inputs whose elements a layer looks at: those it takes, and those it refuses."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS, Record
from isomorph.conformance.layers.record import Looked

from .write import Case, case


def _case(record: Record, row: Looked) -> Case:
    steps: list[Any] = [
        ["construct", {"spec": record.layer(record.plain.options)}],
        ["to", {}],
        ["initialize", {"seed": 1}],
        ["call", {"inputs": [row.x]}],
    ]
    stem, feature = f"layers.{record.feature}", record.feature
    if row.refused:
        asked = [[3, "error"], [3, "error.text"]]
        return case(f"{stem}.{row.slug}", record.clause, steps, asked, feature=feature)
    needs = (f"{stem}.plain.values",)
    answered: list[Any] = [[3, "output"]]
    return case(
        f"{stem}.{row.slug}", record.clause, steps, answered, feature=feature, oracle="reference", needs=needs
    )


def cases() -> list[Case]:
    """Return a case for each input."""
    return [_case(record, row) for record in RECORDS.values() for row in record.looked]

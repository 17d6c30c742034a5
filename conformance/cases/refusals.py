"""Cases of inputs that layers must refuse, and of those that a ready layer takes."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread
from isomorph.conformance.layers import RECORDS, Record
from isomorph.conformance.layers.record import Later, Refused

from .write import Case, Data, case


def _steps(record: Record, options: Data, x: Data, *further: Any) -> list[Any]:
    return [
        ["construct", {"spec": record.layer(options)}],
        ["to", {}],
        ["initialize", {"seed": 1}],
        *further,
        ["call", {"inputs": [x]}],
    ]


def _refused(record: Record, row: Refused) -> list[Case]:
    """Return a case of the error and one of its text."""
    name = f"layers.{record.feature}.{row.slug}"
    steps = _steps(record, row.options, row.x)
    told = (name, "core.error.size-deep-in-a-tree.text")
    asked = [[3, each] for each in ("error", "shapes", "states")]
    return [
        case(name, row.clause, steps, asked, feature=record.feature),
        case(f"{name}.text", "E-5", steps, [[3, "error.text"]], feature=record.feature, needs=told),
    ]


def _contradiction(record: Record) -> Case:
    """Return the case of values whose sizes contradict each other."""
    steps: list[Any] = [
        ["construct", {"spec": record.layer(record.plain.options)}],
        ["to", {}],
        ["set", {"path": "bias", "data": spread(8)}],
        ["set", {"path": "weight", "data": spread(7)}],
    ]
    asked = [[3, "error"], [3, "shapes"], [3, "states"]]
    name = f"layers.{record.feature}.values-that-contradict"
    return case(name, "P-4", steps, asked, feature=record.feature)


def _later(record: Record, row: Later) -> Case:
    """Return the case of a ready layer that meets another size: one it refuses, or one it takes."""
    steps = _steps(record, row.options, row.first, ["mode", {"training": False}])
    again: list[Any] = ["call", {"inputs": [row.first]}]
    asked: list[Any] = [[5, "error"], [5, "shapes"], [5, "values"], [6, "output"]]
    if row.refused:
        steps += [["call", {"inputs": [row.second], "goes_on": True}], again]
    else:
        steps += [["call", {"inputs": [row.second]}]]
        asked = [[5, "shapes"], [5, "values"], [5, "output"]]
    return case(
        f"layers.{record.feature}.{row.slug}",
        "I-6" if row.refused else "I-5",
        steps,
        asked,
        feature=record.feature,
        oracle="reference",
        needs=(f"layers.{record.feature}.plain.values",),
    )


def cases() -> list[Case]:
    """Return the cases of refused inputs and values, before data and after."""
    records = RECORDS.values()
    found = [case for record in records for row in record.refusals for case in _refused(record, row)]
    found += [_contradiction(record) for record in records if record.one_size]
    return found + [_later(record, row) for record in records for row in record.later]

"""Cases of the layers: covering tables of their options."""

from __future__ import annotations

from typing import Any

from covertable import make

from isomorph.conformance.layers import RECORDS, Record
from isomorph.conformance.layers.windows import INPUTS

from .layers import FORMATS, ROWS, feature_of, in_format, pair
from .write import Case, Data


def _rows_needed(spec: Data) -> tuple[str, ...]:
    """Return the named rows whose options a covering row combines."""
    slugs = ["plain"]
    for option in ("kernel_size", "stride", "padding", "dilation"):
        value = spec.get(option)
        if isinstance(value, list):
            slugs += [f"{option.removesuffix('_size')}-pair", "pairs"]
        elif value == "same":
            slugs += ["same", "same-even", "same-even-kernel", "same-stride"]
        elif option != "kernel_size" and value not in (None, 0, "valid", 1 if option != "padding" else 0):
            slugs.append(option)
    if spec.get("groups", 1) > 1:
        slugs.append("groups")
    if spec.get("count_include_pad") is False:
        slugs.append("padding-not-counted")
    if spec.get("bias") is False:
        slugs.append("no-bias")
    known = {f"layers.{feature_of(spec)}.{slug}" for slug, spec, _ in ROWS}
    found = (f"layers.{feature_of(spec)}.{slug}" for slug in slugs)
    return tuple(each for each in found if each in known)


def _sizes_only(row: Case) -> Case:
    """Return a case of shapes that stops at the sizes: the values' case runs the layer."""
    *before, (_, call) = row["steps"]
    return {**row, "clause": "I-10", "steps": [*before, ["apply_init", call]], "ask": [[3, "shapes"]]}


def _word(option: str, value: Any) -> str:
    letters = {"kernel_size": "k", "stride": "s", "padding": "p", "dilation": "d", "groups": "g", "size": "n"}
    if option in letters:
        text = "x".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        return f"{letters[option]}{text}"
    if option == "format":
        return str(value)
    words = {"bias": "bias", "count_include_pad": "counted"}
    return words[option] if value else f"no{words[option]}"


SIZES: dict[int, list[tuple[int, ...]]] = {1: [(11,), (8,)], 2: [(11, 7), (8, 13)]}


def _cases_of(record: Record) -> list[Case]:
    rows: Any = make(record.table, strength=3)
    found: list[Case] = []
    for position, row in enumerate(rows):
        spec = record.layer({name: row[name] for name in record.table if name not in INPUTS})
        if "groups" in row:
            spec = {**spec, "out_channels": 6 if row["groups"] == 3 else 5}
        shape = (2, 3, *SIZES[len(record.plain.shape) - 2][row["size"]])
        data_format = FORMATS[row["format"]]
        name = "-".join(_word(option, row[option]) for option in record.table)
        stem = f"layers.{record.feature}.table.{name}"
        # Eager, but for every fourth row: compiling takes some frameworks far longer than running.
        compiled = {"compile": False} if position % 4 else {}
        needs = _rows_needed(spec)
        needs += (f"layers.{record.feature}.plain.last",) if row["format"] == "last" else ()
        shapes, values = pair(stem, spec, in_format(shape, data_format), data_format, needs, compiled)
        found += [_sizes_only(shapes), values]
    return found


def cases() -> list[Case]:
    """Return a case of shapes and one of values for each row of 3-way covering tables."""
    return [case for record in RECORDS.values() if record.table for case in _cases_of(record)]

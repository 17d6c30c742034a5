"""Cases of each layer's initial values."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS
from isomorph.conformance.model.rules import declared

from .layers import FORMATS, PLAIN, feature_of, formats_of, in_format, input_for, moved_in
from .write import Case, Data, case, law

Row = tuple[str, str, Data, tuple[int, ...], Data | None]
SCALES = (
    ("xavier", law("Xavier")),
    ("kaiming", law("Kaiming", distribution="normal")),
    ("kaiming-fan-out", law("Kaiming", mode="fan_out")),
)


def _rows() -> list[Row]:
    """Return names, clauses, layers, shapes of their inputs, and laws: None for the default."""
    roles = {name: [each.role for each in declared(spec).values()] for name, (spec, _) in PLAIN.items()}
    optional = [name for name, record in RECORDS.items() if roles[name] and not record.is_core]
    rows: list[Row] = [("default", "N-2", *PLAIN[name], None) for name in optional]
    fans = [
        ("" if row.slug == "plain" else f"-{row.slug}", record.layer(row.options), row.shape)
        for record in RECORDS.values()
        for row in record.fans
    ]
    rows += [(f"default{suffix}", "N-2", spec, shape, None) for suffix, spec, shape in fans if suffix]
    for slug, scaled in SCALES:
        rows += [(f"{slug}{suffix}", "N-3", spec, shape, scaled) for suffix, spec, shape in fans]
    scaling = [name for name in optional if "scale" in roles[name]]
    return rows + [("law-for-weights", "N-4", *PLAIN[name], law("Constant", value=3)) for name in scaling]


def cases() -> list[Case]:
    """Return each layer's initial values: by its default law, and by laws that count fans."""
    found: list[Case] = []
    for slug, clause, spec, shape, law_of in _rows():
        feature = feature_of(spec)
        for short in formats_of(spec, shape):
            ask: Data = {"seed": 3} if law_of is None else {"law": law_of, "seed": 3}
            x = input_for(spec, in_format(shape, FORMATS[short]))
            steps: list[Any] = [
                ["construct", {"spec": spec}],
                ["to", moved_in(FORMATS[short])],
                ["initialize", ask],
                ["apply_init", {"inputs": [x]}],
            ]
            stem = f"layers.{feature}.initial"
            name = f"{stem}.{slug}" + (".last" if short == "last" else "")
            wider = {f"{stem}.{each}" for each in (slug, slug.removesuffix("-groups"), "default")}
            behind = sorted((wider - {name}) & {each["id"] for each in found})
            found.append(
                case(
                    name,
                    clause,
                    steps,
                    [[3, "values"]],
                    feature=feature,
                    oracle="stream",
                    needs=(*behind, f"layers.{feature}.plain.shapes"),
                )
            )
    return found

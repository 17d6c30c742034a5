"""Cases of each layer's initial values."""

from __future__ import annotations

from typing import Any

from .layers import FORMATS, IMAGE, ROWS, feature_of, formats_of, in_format, input_for
from .write import Case, Data, case, law, layer


def cases() -> list[Case]:
    """Return each layer's initial values: by its default law, and by laws that count fans."""
    found: list[Case] = []
    plain = {spec["kind"]: (spec, shape) for slug, spec, shape in ROWS if slug == "plain"}
    filters = layer("Conv2d", out_channels=6, kernel_size=[2, 3], groups=3)
    rows: list[tuple[str, str, Data, tuple[int, ...], Data | None]] = [
        ("default", "N-2", *plain[kind], None)
        for kind in ("Conv1d", "Conv2d", "BatchNorm", "LayerNorm", "Embedding")
    ]
    rows += [("default-groups", "N-2", filters, IMAGE, None)]
    for slug, scaled in (
        ("xavier", law("Xavier")),
        ("kaiming", law("Kaiming", distribution="normal")),
        ("kaiming-fan-out", law("Kaiming", mode="fan_out")),
    ):
        rows += [
            (slug, "N-3", *plain["Conv1d"], scaled),
            (f"{slug}-groups", "N-3", filters, IMAGE, scaled),
        ]
    rows += [
        ("law-for-weights", "N-4", *plain[kind], law("Constant", value=3))
        for kind in ("BatchNorm", "LayerNorm")
    ]
    for slug, clause, spec, shape, law_of in rows:
        feature = feature_of(spec)
        for short in formats_of(spec, shape):
            ask: Data = {"seed": 3} if law_of is None else {"law": law_of, "seed": 3}
            to: Data = {} if short == "first" else {"data_format": FORMATS[short]}
            x = input_for(spec, in_format(shape, FORMATS[short]))
            steps: list[Any] = [
                ["construct", {"spec": spec}],
                ["to", to],
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

"""Cases of the layers in types other than float32."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS

from .layers import PLAIN, feature_of, input_for
from .write import Case, case, values_for


def cases() -> list[Case]:
    """Return each layer's plain row in each further type."""
    found = []
    for kind, (spec, shape) in PLAIN.items():
        coarse = RECORDS[kind].coarse
        shape = coarse or shape
        x = {**input_for(spec, shape), **({"scale": 0.5, "offset": 1.5} if coarse else {})}
        for dtype in ("float64", "float16", "bfloat16"):
            values = values_for(spec, shape)
            steps: list[Any] = [
                ["construct", {"spec": spec}],
                ["to", {"dtype": dtype}],
                ["mode", {"training": False}],
                *([["set_all", {"values": values}]] if values else []),
                ["call", {"inputs": [x]}],
            ]
            last = len(steps) - 1
            found.append(
                case(
                    f"extras.types.{feature_of(spec)}-{dtype}",
                    "L-13",
                    steps,
                    [[last, "dtypes"], [last, "output.dtype"], [last, "output"]],
                    feature="types",
                    oracle="reference",
                    needs=(f"layers.{feature_of(spec)}.plain.values",)
                    + ((f"extras.types.dense-{dtype}",) if kind != "Dense" else ()),
                )
            )
    return found

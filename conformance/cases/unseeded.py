"""Cases of initial values without a seed: what must differ from net to net, and what must not."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS
from isomorph.conformance.model.rules import declared

from . import initialize_layers
from .layers import PLAIN, feature_of, input_for
from .write import Case, Data, case, law

DRAWN = law("Normal")
# A default law that is wrong is told by a layer's own case, and by no other.
DEFAULTS = {each["id"] for each in initialize_layers.cases()}


def _call(x: Data, net: str = "net") -> list[Any]:
    return ["call", {"inputs": [x], "net": net}]


def _two(spec: Data, x: Data, asked: list[Any]) -> list[Any]:
    made = [
        step
        for net in ("net", "other")
        for step in (["construct", {"spec": spec, "net": net}], ["to", {"net": net}], *_asked(asked, net))
    ]
    return [*made, _call(x), _call(x, "other")]


def _asked(steps: list[Any], net: str) -> list[Any]:
    return [[verb, {**arguments, "net": net}] for verb, arguments in steps]


def cases() -> list[Case]:
    """Return the cases of each layer that draws, by its default law and by a law given to the net."""
    found: list[Case] = []
    for kind, (spec, shape) in PLAIN.items():
        if not declared(spec) or RECORDS[kind].one_size:
            continue  # it draws nothing
        x, feature, by_law = input_for(spec, shape), feature_of(spec), [["initialize", {"law": DRAWN}]]
        to: list[Any] = ["to", {}]
        evaluated: list[Any] = [["construct", {"spec": spec}], to, _call(x)]
        patterns = [["initialize", {"patterns": {"weight": DRAWN}}]]
        rows: dict[str, tuple[str, list[Any], list[Any]]] = {
            "two-nets": (
                "N-2",
                (two := _two(spec, x, [])),
                [[len(two) - 1, "output", {"unlike": len(two) - 2}]],
            ),
            "two-nets-by-law": ("N-13", (two := _two(spec, x, by_law)), [[7, "output", {"unlike": 6}]]),
            "two-nets-by-pattern": ("N-7", (two := _two(spec, x, patterns)), [[7, "output", {"unlike": 6}]]),
            "copy": (
                "P-7",
                [*evaluated, ["copy", {"to": "twin"}], _call(x, "twin"), _call(x)],
                [[4, "output", {"like": 2}], [5, "output", {"like": 2}]],
            ),
            "force": (
                "N-8",
                [*evaluated, ["initialize", {"force": True}], _call(x)],
                [[4, "output", {"unlike": 2}]],
            ),
            "again": (
                "N-9",
                [*evaluated, ["initialize", {}], _call(x)],
                [[3, "warnings"], [4, "output", {"like": 2}]],
            ),
        }
        for slug, (clause, steps, ask) in rows.items():
            name = f"layers.{feature}.unseeded.{slug}"
            found.append(case(name, clause, steps, ask, feature=feature, oracle="relation",
                              needs=(f"layers.{feature}.plain.shapes",)))  # fmt: skip
        found += _seeded_parts(kind, spec, x)
    return found


def _seeded_parts(kind: str, spec: Data, x: Data) -> list[Case]:
    """Return the cases of seeds given to a part, with and without a pattern; what laws are told."""
    feature = RECORDS[kind].feature
    nested: Data = {"kind": "Sequential", "children": [{"kind": "Sequential", "children": [spec]}]}
    counted = law("Normal", counted=True)
    default = f"layers.{feature}.initial.default"
    needs = (f"layers.{feature}.plain.shapes", *([default] if default in DEFAULTS else []))
    rows: dict[str, tuple[str, Data]] = {
        "seed-on-a-part": ("N-10", {"seed": 5, "path": "0"}),
        "seed-on-a-layer": ("N-10", {"seed": 5, "path": "0.0"}),
        "seed-on-a-parameter": ("N-10", {"seed": 5, "path": "0.0.weight", "law": DRAWN}),
        "seed-and-pattern": ("N-7", {"seed": 5, "path": "0", "patterns": {r"0\.weight": DRAWN}}),
        "law-is-told": ("N-13", {"seed": 5, "law": counted}),
    }
    return [
        case(
            f"layers.{feature}.initial.{slug}",
            clause,
            [["construct", {"spec": nested}], ["to", {}], ["initialize", asked], _call(x)],
            [[3, "values"], [3, "law_calls"]],
            feature=feature,
            oracle="stream",
            needs=needs,
        )
        for slug, (clause, asked) in rows.items()
    ]

"""Cases of the books' chapters on deferred and parameter initialization, with the numbers they print."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALLED, SEED, TO, X
from .write import Case, case, chain, dense, graph, law

DENSE_MLP: list[Any] = ["construct", {"spec": chain(dense(256, activation="relu"), dense(10))}]
HALF: list[Any] = ["construct", {"spec": chain(dense(256, activation="relu", in_features=20), dense(10))}]
DATA = spread(2, 20)
CALL: list[Any] = ["call", {"inputs": [DATA]}]
SHAPES = {"0.weight": [256, 20], "0.bias": [256], "1.weight": [10, 256], "1.bias": [10]}
OPTIONAL = graph([["h", "only", ["x"]]], "h", inputs=["x", "y"], children={"only": dense(7)})


def _book(name: str, clause: str, steps: list[Any], ask: list[Any], expect: Any, **more: Any) -> Case:
    return case(
        f"core.book.{name}", clause, steps, ask, feature="book", oracle="published", expect=expect, **more
    )


def _shared(first: int, units: int, last: int) -> dict[str, Any]:
    """Return the books' net with one layer at two positions."""
    shared = {"kind": "share", "path": "1"}
    return chain(dense(first, activation="tanh"), dense(units, activation="tanh"), shared, dense(last))


def sizes() -> list[Case]:
    """Return the cases of sizes that are unknown until data come, and of a mismatch."""
    return [
        _book(
            "unknown-until-data",
            "D-4",
            [DENSE_MLP, TO, ["initialize", {"law": law("Ramp", counted=True)}], CALL, CALL],
            [
                [1, "shapes"],
                [2, "law_calls"],
                [2, "states"],
                [3, "shapes"],
                [3, "law_calls"],
                [4, "law_calls"],
            ],
            {
                "1": {"shapes": {**SHAPES, "0.weight": [256, None], "1.weight": [10, None]}},
                "2": {"law_calls": []},
                "3": {"shapes": SHAPES, "law_calls": [["0.weight", [256, 20]], ["1.weight", [10, 256]]]},
                "4": {"law_calls": []},
            },
            needs=CALLED,
        ),
        _book(
            "only-the-first-size",
            "D-7",
            [HALF, TO, SEED, CALL],
            [[2, "states"], [3, "shapes"]],
            {
                "2": {"states": dict(zip(SHAPES, ["ready", "ready", "declared", "shaped"]))},
                "3": {"shapes": SHAPES},
            },
            needs=CALLED,
        ),
        _book(
            "mismatched-sizes",
            "E-1",
            [["construct", {"spec": chain(dense(256), dense(10, in_features=255))}], TO, CALL],
            [[2, "error"], [2, "states"]],
            {"2": {"error": "ShapeMismatchError"}},
        ),
    ]


def sharing() -> list[Case]:
    """Return the cases of weights shared by two positions."""
    return [
        _book(
            "weights-shared-by-two-positions",
            "S-1",
            [["construct", {"spec": _shared(8, 8, 10)}], TO, SEED, CALL, ["count", {}]],
            [[4, "count"]],
            {"4": {"count": 330}},
            needs=("core.share.module",),
        ),
        _book(
            "weights-shared-on-four-features",
            "S-1",
            [
                ["construct", {"spec": _shared(8, 8, 1)}],
                TO,
                SEED,
                ["call", {"inputs": [spread(2, 4)]}],
                ["count", {}],
            ],
            [[4, "count"]],
            {"4": {"count": 121}},
            needs=("core.share.module",),
        ),
    ]


def values() -> list[Case]:
    """Return the cases of values drawn by laws, and set directly."""
    return [
        case(
            "core.book.normal-constant-xavier-custom",
            "N-6",
            [
                DENSE_MLP,
                TO,
                SEED,
                CALL,
                ["initialize", {"law": law("Normal", std=0.01), "force": True}],
                ["initialize", {"law": law("Constant", value=1), "force": True}],
                ["initialize", {"path": "0.weight", "law": law("Xavier"), "force": True}],
                ["initialize", {"path": "1", "law": law("Constant", value=42), "force": True}],
                ["initialize", {"law": law("HalfZero"), "force": True}],
            ],
            [[step, "values"] for step in range(3, 9)],
            feature="book",
            oracle="stream",
            needs=("core.init.force-redraws",),
        ),
        case(
            "core.book.values-set-directly",
            "P-3",
            [
                DENSE_MLP,
                TO,
                ["initialize", {"law": law("Ramp")}],
                CALL,
                ["edit", {"path": "0.weight", "value": 1.0, "add": True}],
                ["edit", {"path": "0.weight", "index": [0, 0], "value": 42.0}],
                CALL,
            ],
            [[5, "values"], [6, "output"]],
            feature="book",
            oracle="reference",
            needs=("core.state.edit-one-element",),
        ),
    ]


def inputs() -> list[Case]:
    """Return the case of an input that is absent."""
    return [
        case(
            "core.defer.absent-input",
            "D-12",
            [
                ["construct", {"spec": OPTIONAL}],
                TO,
                SEED,
                ["call", {"inputs": [X, None]}],
                ["call", {"inputs": [X]}],
            ],
            [[3, "shapes"], [3, "output"], [4, "output"]],
            feature="defer",
            oracle="reference",
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of the books: sizes, sharing, values, absent inputs."""
    return [*sizes(), *sharing(), *values(), *inputs()]

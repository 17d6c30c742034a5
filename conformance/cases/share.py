"""Cases of shared modules and parameters."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALL, SEED, TIED_MODULE, TIED_PARAMETER, TO, TOKENS, TWO_DENSE, X
from .write import Case, chain, core_case, dense, graph, law

TWO_INPUTS_EQUAL = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children={"left": dense(3), "right": dense(3)},
)
MODULE: list[Any] = [["construct", {"spec": TIED_MODULE}], TO, SEED]
PARAMETER: list[Any] = [["construct", {"spec": TIED_PARAMETER}], TO, SEED]
CALL_TOKENS: list[Any] = ["call", {"inputs": [TOKENS]}]
# What the others stand on.
SHARED = ("core.share.module",)


def modules() -> list[Case]:
    """Return the cases of one module at several places."""
    return [
        core_case(
            "share.module",
            "S-1",
            [*MODULE, CALL],
            [[1, "paths"], [1, "aliases"], [3, "shapes"]],
            expect={"1": {"paths": ["first.weight", "first.bias", "out.weight", "out.bias"]}},
        ),
        core_case(
            "share.module-values",
            "S-1",
            [*MODULE, CALL],
            [[3, "values"], [3, "output"]],
            oracle="reference",
            needs=SHARED,
        ),
        core_case(
            "share.module-at-two-positions",
            "S-1",
            [
                ["construct", {"spec": chain(dense(5), {"kind": "share", "path": "0"}, dense(3))}],
                TO,
                SEED,
                CALL,
            ],
            [[1, "paths"], [3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=SHARED,
        ),
        core_case(
            "share.count",
            "P-5",
            [*MODULE, CALL, ["count", {}]],
            [[4, "count"]],
            oracle="published",
            expect={"4": {"count": 5 * 5 + 5 + 3 * 5 + 3}},
            needs=SHARED,
        ),
    ]


def parameters() -> list[Case]:
    """Return the cases of one parameter in several layers."""
    return [
        core_case(
            "share.parameter-two-layers",
            "S-2",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 5, salt=4)]}]],
            [[1, "paths"], [1, "aliases"], [3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        core_case(
            "embedding.tied",
            "S-2",
            [*PARAMETER, CALL_TOKENS],
            [[1, "paths"], [3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
            level="layers",
        ),
        core_case(
            "share.owner-first",
            "S-3",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X], "path": "left"}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
        core_case(
            "share.sharer-first",
            "S-3",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X], "path": "right"}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
    ]


def inconsistent() -> list[Case]:
    """Return the cases of places that want two sizes."""
    return [
        core_case(
            "share.inconsistent",
            "S-4",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 11)]}]],
            [[3, "error"], [3, "shapes"], [3, "states"]],
            needs=("core.share.parameter-two-layers",),
        ),
        core_case(
            "share.module-inconsistent",
            "S-4",
            [["construct", {"spec": chain(dense(7), {"kind": "share", "path": "0"})}], TO, SEED, CALL],
            [[3, "error"], [3, "shapes"], [3, "states"]],
            needs=SHARED,
        ),
    ]


def copies() -> list[Case]:
    """Return the cases of copies and pickles, which share as the net does."""
    return [
        core_case(
            "share.copy",
            "S-5",
            [
                *MODULE,
                CALL,
                ["copy", {"to": "twin"}],
                ["set", {"net": "twin", "path": "again.weight", "data": spread(5, 5, salt=5)}],
                ["call", {"net": "twin", "inputs": [X]}],
                CALL,
            ],
            [[4, "aliases"], [5, "values"], [6, "output"], [7, "output"]],
            oracle="reference",
            needs=SHARED,
        ),
        core_case(
            "embedding.tied-copy",
            "S-5",
            [
                *PARAMETER,
                CALL_TOKENS,
                ["copy", {"to": "twin"}],
                ["call", {"net": "twin", "inputs": [TOKENS]}],
            ],
            [[4, "aliases"], [4, "paths"], [5, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
        core_case(
            "share.pickle",
            "S-5",
            [
                *MODULE,
                CALL,
                ["pickle", {"to": "twin"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [X]}],
            ],
            [[4, "aliases"], [6, "output"]],
            oracle="reference",
            needs=SHARED,
        ),
    ]


def changes() -> list[Case]:
    """Return the cases of shared values that are set, drawn, tied late and moved."""
    return [
        core_case(
            "embedding.tied-set",
            "S-6",
            [
                *PARAMETER,
                CALL_TOKENS,
                ["set", {"path": "out.weight", "data": spread(11, 5, salt=5)}],
                ["read", {"path": "embed.weight"}],
                CALL_TOKENS,
            ],
            [[5, "value"], [6, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
        core_case(
            "share.drawn-once",
            "S-7",
            [
                ["construct", {"spec": TIED_MODULE}],
                TO,
                ["initialize", {"law": law("Ramp", counted=True)}],
                CALL,
            ],
            [[3, "law_calls"]],
            expect={"3": {"law_calls": [["first.weight", [5, 5]], ["out.weight", [3, 5]]]}},
            needs=SHARED,
        ),
        core_case(
            "share.tied-after-call",
            "S-2",
            [
                ["construct", {"spec": TWO_INPUTS_EQUAL}],
                TO,
                SEED,
                ["call", {"inputs": [X, spread(2, 5, salt=4)]}],
                ["tie", {"there": "right.weight", "here": "left.weight"}],
                ["call", {"inputs": [X, spread(2, 5, salt=4)]}],
            ],
            [[4, "paths"], [5, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
        core_case(
            "embedding.tied-move",
            "S-2",
            [*PARAMETER, CALL_TOKENS, ["to", {"backend": "numpy"}], ["to", {}], CALL_TOKENS],
            [[5, "aliases"], [6, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of sharing: modules, parameters, contradictions, copies and changes."""
    return [*modules(), *parameters(), *inconsistent(), *copies(), *changes()]

"""Cases of bad input: class, path, expected, received, text, and nothing changed."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers, spread

from .nets import BUFFERED, CALL, CALLED, KNOWN, NET, READY, SEED, TO, TWO_DENSE, UNREACHED, X
from .write import Case, chain, core_case, dense, graph, law

SCALED = graph(
    [["y", "ops.multiply", ["x", "self.gain"]]],
    "y",
    parameters={"gain": {"shape": [None], "role": "scale"}},
    build={"gain": ["x.-1"]},
)
FAILING = law("Failing", path="1.weight")
# All elements in one row, so that the batch's size matters.
FLAT = [["y", "ops.reshape", ["x"], {"shape": [1, -1]}]]
DEEP = chain(dense(7), chain(dense(5), dense(2, in_features=11)))


def _bad(name: str, clause: str, steps: list[Any], **more: Any) -> Case:
    last = len(steps) - 1
    return core_case(f"error.{name}", clause, steps, [[last, "error"], [last, "states"]], **more)


def sizes() -> list[Case]:
    """Return the cases of inputs and values of a wrong size, rank or type."""
    in_a_tree = [["construct", {"spec": DEEP}], TO, SEED, CALL]
    return [
        core_case("error.size-deep-in-a-tree", "E-1", in_a_tree, [[3, "error"]]),
        _bad("size-known-to-constructor", "E-1", [KNOWN, TO, SEED, ["call", {"inputs": [spread(2, 11)]}]]),
        _bad("size-after-data", "E-1", [*READY, ["call", {"inputs": [spread(3, 11)]}]], needs=CALLED),
        _bad(
            "shapes-that-do-not-broadcast",
            "E-6",
            [
                ["construct", {"spec": chain(dense(7), SCALED)}],
                TO,
                ["set", {"path": "1.gain", "data": spread(6)}],
                CALL,
            ],
        ),
        _bad(
            "batch-that-becomes-features",
            "E-1",
            [
                ["construct", {"spec": chain(graph(FLAT, "y"), dense(3))}],
                TO,
                SEED,
                ["call", {"inputs": [spread(1, 5)]}],
                ["call", {"inputs": [X]}],
            ],
        ),
        _bad("size-in-infer", "E-1", [KNOWN, TO, ["infer", {"shapes": [[2, 11]]}]]),
        _bad("size-zero", "E-1", [NET, TO, ["call", {"inputs": [numbers([[], []])]}]]),
        _bad(
            "rank-zero", "E-2", [["construct", {"spec": dense(3)}], TO, ["call", {"inputs": [numbers(3.0)]}]]
        ),
        _bad(
            "integers-to-dense",
            "E-3",
            [["construct", {"spec": dense(3)}], TO, ["call", {"inputs": [numbers([[1, 2]], "int32")]}]],
        ),
    ]


def misuse() -> list[Case]:
    """Return the cases of reads before data, laws, patterns, sharing and training gone wrong."""
    return [
        _bad("read-declared", "E-4", [NET, TO, ["read", {"path": "1.weight"}]]),
        _bad("read-native", "E-4", [NET, TO, ["read", {"path": "0.weight", "what": "native"}]]),
        _bad("read-shaped", "E-4", [KNOWN, TO, ["read", {"path": "0.weight"}]]),
        _bad("edit-declared", "E-4", [NET, TO, ["edit", {"path": "0.weight", "value": 1.0}]]),
        _bad("read-gradient", "E-4", [NET, TO, ["read", {"path": "0.weight", "what": "grad"}]]),
        _bad("law-that-raises", "N-12", [NET, TO, ["initialize", {"law": FAILING}], CALL]),
        _bad("pattern-of-nothing", "E-7", [NET, TO, ["initialize", {"patterns": {"wieght": FAILING}}]]),
        _bad(
            "sharing-places-of-two-sizes",
            "S-4",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 11)]}]],
        ),
        _bad(
            "one-module-at-places-of-two-sizes",
            "S-4",
            [["construct", {"spec": chain(dense(7), {"kind": "share", "path": "0"})}], TO, SEED, CALL],
        ),
        _bad(
            "buffer-to-be-trained",
            "P-11",
            [["construct", {"spec": BUFFERED}], ["freeze", {"path": "factor", "trainable": True}]],
        ),
        _bad("unreached-parameter", "E-8", [["construct", {"spec": UNREACHED}], TO, SEED, CALL]),
    ]


def texts(rows: list[Case]) -> list[Case]:
    """Return a case of the error's text for each case; the first one's stands under the others."""
    return [
        core_case(
            f"{row['id'].removeprefix('core.')}.text",
            "E-5",
            row["steps"],
            [[len(row["steps"]) - 1, "error.text"]],
            needs=(row["id"], *(f"{each['id']}.text" for each in rows[:1] if each is not row)),
            feature="error",
        )
        for row in rows
    ]


def recoveries() -> list[Case]:
    """Return the cases of nets that work after an error."""
    return [
        core_case(
            "error.recover-after-wrong-size",
            "E-6",
            [NET, TO, SEED, ["call", {"inputs": [numbers([[], []])], "goes_on": True}], CALL],
            [[4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "error.recover-after-deep-mismatch",
            "E-6",
            [
                ["construct", {"spec": DEEP}],
                TO,
                SEED,
                ["call", {"inputs": [X], "goes_on": True}],
                ["assign", {"path": "1.1", "spec": dense(2)}],
                CALL,
            ],
            [[5, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "error.recover-after-failed-law",
            "E-6",
            [
                NET,
                TO,
                ["initialize", {"law": law("Failing", path="1.weight")}],
                ["call", {"inputs": [X], "goes_on": True}],
                ["initialize", {"law": law("Ones")}],
                CALL,
            ],
            [[5, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "error.recover-after-early-read",
            "E-6",
            [NET, TO, SEED, ["read", {"path": "0.weight", "goes_on": True}], CALL],
            [[4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of errors, of their texts, and of what works afterwards."""
    rows = [*sizes(), *misuse()]
    return [*rows, *texts(rows), *recoveries()]

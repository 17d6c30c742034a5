"""Cases of parameters: paths, values, counts, copies, pickles, moves, texts."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import BUFFERED, CALL, CALLED, NET, READY, RESIDUAL, SEED, TO, X
from .write import Case, chain, core_case, dense

PARAMETERS: list[Any] = ["text", {"what": "parameters"}]
SUMMARY: list[Any] = ["text", {"what": "summary"}]
INFERRED: list[Any] = [NET, TO, SEED, ["infer", {"shapes": [[2, 5]]}]]
READ: list[Any] = ["read", {"path": "0.weight"}]


def values() -> list[Case]:
    """Return the cases of paths, and of values that are read and set."""
    return [
        core_case(
            "state.paths",
            "P-1",
            READY,
            [[1, "paths"], [3, "paths"], [3, "name"]],
            expect={"3": {"paths": ["0.weight", "0.bias", "1.weight", "1.bias"]}},
        ),
        core_case(
            "state.paths-nested",
            "P-1",
            [["construct", {"spec": RESIDUAL}], TO, SEED, CALL],
            [[1, "paths"], [3, "paths"], [3, "name"]],
        ),
        core_case("state.read-values", "P-2", [*READY, READ], [[4, "value"]], oracle="stream", needs=CALLED),
        core_case(
            "state.set-then-read",
            "P-2",
            [*READY, ["set", {"path": "0.weight", "data": spread(7, 5, salt=2)}], READ],
            [[4, "values"], [5, "value"]],
            oracle="stream",
            needs=CALLED,
        ),
        core_case(
            "state.set-then-call",
            "P-2",
            [*READY, ["set", {"path": "0.weight", "data": spread(7, 5, salt=2)}], CALL],
            [[5, "output"]],
            oracle="reference",
            needs=("core.state.set-then-read",),
        ),
    ]


def edits() -> list[Case]:
    """Return the cases of values edited in place, and of shapes that don't fit."""
    return [
        core_case(
            "state.edit-one-element",
            "P-3",
            [*READY, ["edit", {"path": "0.weight", "index": [2, 3], "value": 42.0}], CALL],
            [[4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "state.edit-everything",
            "P-3",
            [*READY, ["edit", {"path": "1.bias", "value": 1.5, "add": True}], CALL],
            [[5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "state.set-another-shape",
            "P-4",
            [*READY, ["set", {"path": "0.weight", "data": spread(5, 7), "goes_on": True}], CALL],
            [[4, "error"], [4, "shapes"], [4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "state.set-another-shape-deferred",
            "P-4",
            [NET, TO, ["set", {"path": "0.weight", "data": spread(5, 7), "goes_on": True}], SEED, CALL],
            [[2, "error"], [2, "shapes"], [2, "states"], [4, "shapes"]],
        ),
    ]


def counts() -> list[Case]:
    """Return the cases of counts and selections."""
    return [
        core_case(
            "state.count",
            "P-5",
            [*READY, ["count", {}]],
            [[4, "count"]],
            oracle="published",
            expect={"4": {"count": 7 * 5 + 7 + 3 * 7 + 3}},
        ),
        core_case(
            "state.count-of-the-books-net",
            "P-5",
            [
                ["construct", {"spec": chain(dense(256, activation="relu"), dense(10))}],
                ["infer", {"shapes": [[2, 20]]}],
                ["count", {}],
            ],
            [[1, "shapes"], [2, "count"]],
            oracle="published",
            expect={"2": {"count": 7946}},
        ),
        core_case(
            "state.select-before-data",
            "P-6",
            [NET, TO, ["select", {"pattern": r".*bias"}]],
            [[2, "selected"]],
            expect={"2": {"selected": ["0.bias", "1.bias"]}},
        ),
        core_case(
            "state.select-after-data",
            "P-6",
            [*READY, ["select", {"pattern": r"1\..*"}]],
            [[4, "selected"]],
            expect={"4": {"selected": ["1.weight", "1.bias"]}},
        ),
        core_case(
            "state.select-whole-paths",
            "P-6",
            [*READY, ["select", {"pattern": "weight"}]],
            [[4, "selected"]],
            expect={"4": {"selected": []}},
        ),
    ]


def copies() -> list[Case]:
    """Return the cases of copies in each state."""
    return [
        core_case(
            "state.copy-deferred",
            "P-7",
            [
                NET,
                TO,
                SEED,
                ["copy", {"to": "twin"}],
                ["call", {"net": "twin", "inputs": [spread(2, 11)]}],
                CALL,
            ],
            [[3, "states"], [4, "shapes"], [4, "values"], [5, "shapes"], [5, "values"]],
            oracle="stream",
        ),
        core_case(
            "state.copy-inferred",
            "P-7",
            [*INFERRED, ["copy", {"to": "twin"}], ["call", {"net": "twin", "inputs": [X]}], CALL],
            [[4, "states"], [4, "shapes"], [5, "values"], [5, "states"], [6, "values"]],
            oracle="stream",
            needs=CALLED,
        ),
        core_case(
            "state.copy-ready",
            "P-7",
            [
                *READY,
                ["copy", {"to": "twin"}],
                ["set", {"net": "twin", "path": "1.bias", "data": spread(3, salt=5)}],
                ["call", {"net": "twin", "inputs": [X]}],
                CALL,
            ],
            [[4, "values"], [5, "values"], [6, "output"], [7, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "state.copy-of-a-part",
            "P-7",
            [
                *READY,
                ["copy", {"to": "twin", "path": "1"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [spread(2, 7)]}],
            ],
            [[4, "values"], [6, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
    ]


def pickles() -> list[Case]:
    """Return the cases of pickles in each state."""
    return [
        core_case(
            "state.pickle-deferred",
            "P-8",
            [
                NET,
                TO,
                SEED,
                ["pickle", {"to": "twin"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [X]}],
            ],
            [[3, "states"], [3, "values"], [5, "values"]],
            oracle="stream",
        ),
        core_case(
            "state.pickle-inferred",
            "P-8",
            [
                *INFERRED,
                ["pickle", {"to": "twin"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [X]}],
            ],
            [[4, "states"], [4, "shapes"], [6, "values"], [6, "states"]],
            oracle="stream",
            needs=CALLED,
        ),
        core_case(
            "state.pickle-ready",
            "P-8",
            [
                *READY,
                ["pickle", {"to": "twin"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [X]}],
            ],
            [[4, "values"], [5, "values"], [6, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
    ]


def moves() -> list[Case]:
    """Return the cases of nets moved to another backend or type."""
    return [
        core_case(
            "state.move-and-back",
            "P-9",
            [*READY, ["to", {"backend": "numpy"}], CALL, ["to", {}], CALL],
            [[4, "values"], [5, "values"], [5, "output.shape"], [6, "values"], [7, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "state.move-while-deferred",
            "P-9",
            [NET, ["to", {"backend": "numpy"}], SEED, TO, CALL],
            [[3, "states"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "types.chosen-before-data",
            "P-10",
            [NET, ["to", {"dtype": "float64"}], SEED, CALL],
            [[1, "dtypes"], [3, "dtypes"], [3, "output.dtype"], [3, "output"]],
            oracle="reference",
            needs=CALLED,
            level="extras",
        ),
        core_case(
            "types.chosen-after-data",
            "P-10",
            [*READY, ["to", {"dtype": "float64"}], CALL],
            [[4, "dtypes"], [4, "values"], [5, "output.dtype"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
            level="extras",
        ),
        core_case("state.to-returns-the-net", "P-12", [NET, TO], [[1, "same_object"], [1, "backend"]]),
    ]


def texts() -> list[Case]:
    """Return the cases of what is learned, and of what a net prints."""
    return [
        core_case(
            "state.learned-and-not",
            "P-11",
            [["construct", {"spec": BUFFERED}], TO, SEED, CALL, ["count", {}]],
            [[3, "trainable"], [3, "kind"], [3, "values"], [3, "output"], [4, "count"]],
            oracle="reference",
        ),
        core_case("state.texts", "P-15", [*READY, PARAMETERS, SUMMARY], [[4, "text"], [5, "text"]]),
        core_case(
            "state.texts-before-data", "P-15", [NET, TO, PARAMETERS, SUMMARY], [[2, "text"], [3, "text"]]
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of parameters, from their paths to what a net prints of them."""
    return [*values(), *edits(), *counts(), *copies(), *pickles(), *moves(), *texts()]

"""Cases of deferral: what is unknown, when it becomes known, what a failure leaves."""

from __future__ import annotations

from isomorph.conformance.data import numbers, spread

from .nets import CALL, CALLED, KNOWN, NET, SEED, TO, UNREACHED, X
from .write import Case, chain, core_case, dense, graph, law

HALF = ["construct", {"spec": chain(dense(7, in_features=5), dense(3))}]
TWO_INPUTS = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children={"left": dense(7), "right": dense(7)},
)
UNKNOWN = {"0.weight": [7, None], "0.bias": [7], "1.weight": [3, None], "1.bias": [3]}
SHAPES = {"0.weight": [7, 5], "0.bias": [7], "1.weight": [3, 7], "1.bias": [3]}


def before_data() -> list[Case]:
    """Return the cases of shapes, states and values that no input has reached."""
    return [
        core_case(
            "defer.shapes-before-data",
            "D-1",
            [NET, TO],
            [[0, "shapes"], [1, "shapes"]],
            expect={"1": {"shapes": UNKNOWN}},
        ),
        core_case(
            "defer.states-before-data",
            "D-1",
            [NET, TO],
            [[1, "states"]],
            expect={"1": {"states": dict(zip(UNKNOWN, ["declared", "shaped", "declared", "shaped"]))}},
        ),
        core_case("defer.nothing-held", "D-2", [NET, TO], [[1, "values"]]),
        core_case(
            "defer.read-before-data",
            "D-2",
            [NET, TO, ["read", {"path": "0.weight", "goes_on": True}], ["read", {"path": "0.bias"}]],
            [[2, "error"], [3, "error"]],
            needs=("core.defer.shapes-before-data",),
        ),
    ]


def first_call() -> list[Case]:
    """Return the cases of what the first call asks, gives and records."""
    return [
        core_case(
            "defer.initialize-records",
            "D-3",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}]],
            [[2, "law_calls"], [2, "states"], [2, "requested"], [2, "values"]],
            expect={"2": {"law_calls": []}},
        ),
        core_case(
            "defer.first-call",
            "D-4",
            [NET, TO, SEED, CALL],
            [[3, "shapes"], [3, "states"]],
            expect={"3": {"shapes": SHAPES, "states": dict.fromkeys(SHAPES, "ready")}},
        ),
        core_case(
            "defer.first-call-uninitialized",
            "D-4",
            [NET, TO, CALL],
            [[2, "states"], [2, "output.shape"]],
            needs=CALLED,
        ),
        core_case(
            "defer.law-once-in-order",
            "D-5",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], CALL],
            [[3, "law_calls"]],
            expect={"3": {"law_calls": [["0.weight", [7, 5]], ["1.weight", [3, 7]]]}},
            needs=CALLED,
        ),
        core_case(
            "defer.law-not-called-again",
            "D-5",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], CALL, CALL],
            [[4, "law_calls"]],
            expect={"4": {"law_calls": []}},
            needs=CALLED,
        ),
    ]


def known_sizes() -> list[Case]:
    """Return the cases of sizes that the constructor was told, all of them or some."""
    return [
        core_case(
            "defer.known-sizes-at-once",
            "D-6",
            [KNOWN, TO, SEED],
            [[2, "states"], [2, "values"]],
            oracle="stream",
        ),
        core_case(
            "defer.half-known",
            "D-7",
            [HALF, TO, SEED, CALL],
            [[2, "states"], [3, "states"]],
            expect={"2": {"states": dict(zip(UNKNOWN, ["ready", "ready", "declared", "shaped"]))}},
        ),
        core_case(
            "defer.bias-waits-for-weight",
            "D-7",
            [NET, TO, SEED, ["read", {"path": "0.bias"}]],
            [[3, "error"]],
        ),
    ]


def inferred() -> list[Case]:
    """Return the cases of sizes found without values."""
    return [
        core_case(
            "defer.infer-gives-shapes",
            "D-8",
            [NET, TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "states"], [2, "spec"]],
            expect={"2": {"shapes": SHAPES, "spec": [2, 3]}},
        ),
        core_case(
            "defer.infer-without-backend",
            "D-8",
            [NET, ["infer", {"shapes": [[None, 5]]}]],
            [[1, "shapes"], [1, "spec"]],
            expect={"1": {"spec": [None, 3]}},
        ),
        core_case(
            "defer.infer-calls-no-law",
            "D-8",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], ["infer", {"shapes": [[2, 5]]}]],
            [[3, "law_calls"], [3, "states"]],
            expect={"3": {"law_calls": []}},
        ),
        core_case(
            "defer.infer-keeps-ready-values",
            "D-8",
            [NET, TO, SEED, CALL, ["infer", {"shapes": [[3, 5]]}], CALL],
            [[4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "defer.infer-then-initialize",
            "D-6",
            [NET, TO, ["infer", {"shapes": [[2, 5]]}], SEED],
            [[3, "states"], [3, "values"]],
            oracle="stream",
            needs=("core.defer.infer-gives-shapes",),
        ),
    ]


def failing() -> list[Case]:
    """Return the cases of failures that leave no trace."""
    return [
        core_case(
            "defer.failed-infer-leaves-no-trace",
            "D-9",
            [
                ["construct", {"spec": chain(dense(7), dense(3, in_features=11))}],
                TO,
                SEED,
                ["infer", {"shapes": [[2, 5]]}],
            ],
            [[3, "error"], [3, "shapes"], [3, "states"]],
        ),
        core_case(
            "defer.failed-call-leaves-no-trace",
            "D-9",
            [
                ["construct", {"spec": chain(dense(7), dense(5), dense(3, in_features=11))}],
                TO,
                SEED,
                CALL,
            ],
            [[3, "error"], [3, "shapes"], [3, "states"], [3, "values"]],
        ),
        core_case(
            "defer.failed-law-leaves-no-trace",
            "D-9",
            [NET, TO, ["initialize", {"law": law("Failing", path="1.weight")}], CALL],
            [[3, "error"], [3, "shapes"], [3, "states"]],
        ),
    ]


def applied() -> list[Case]:
    """Return the cases of `apply_init`."""
    return [
        core_case(
            "defer.apply-init",
            "D-10",
            [NET, TO, ["apply_init", {"inputs": [X], "law": law("Constant", value=2)}]],
            [[2, "states"], [2, "values"]],
            oracle="stream",
        ),
        core_case(
            "defer.apply-init-default-law",
            "D-10",
            [NET, TO, ["apply_init", {"inputs": [X], "seed": 5}]],
            [[2, "states"], [2, "values"]],
            oracle="stream",
            needs=("core.defer.apply-init",),
        ),
        core_case(
            "defer.apply-init-again-keeps",
            "D-10",
            [NET, TO, SEED, CALL, ["apply_init", {"inputs": [X]}]],
            [[4, "values"], [4, "warnings"]],
            oracle="stream",
            needs=CALLED,
        ),
    ]


def given() -> list[Case]:
    """Return the cases of sizes from a constructor, several inputs or values that are set."""
    return [
        core_case(
            "defer.constructor-size",
            "D-11",
            [KNOWN, TO],
            [[0, "shapes"], [1, "states"]],
            expect={"1": {"states": dict.fromkeys(SHAPES, "shaped")}},
        ),
        core_case(
            "defer.keyword-inputs",
            "D-12",
            [
                ["construct", {"spec": TWO_INPUTS}],
                TO,
                SEED,
                ["call", {"inputs": [X], "named": {"y": spread(2, 3)}}],
            ],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        core_case(
            "defer.several-inputs",
            "D-12",
            [["construct", {"spec": TWO_INPUTS}], TO, SEED, ["call", {"inputs": [X, spread(2, 3)]}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        core_case(
            "defer.set-gives-sizes",
            "D-13",
            [NET, TO, SEED, ["set", {"path": "0.weight", "data": spread(7, 5, salt=3)}], CALL],
            [[3, "shapes"], [3, "states"], [4, "values"], [4, "output"]],
            oracle="reference",
        ),
        core_case(
            "defer.set-before-backend",
            "D-13",
            [NET, ["set", {"path": "1.weight", "data": spread(3, 7, salt=3)}], TO, SEED, CALL],
            [[1, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
        ),
    ]


def edited() -> list[Case]:
    """Return the cases of nets that are changed after a call."""
    return [
        core_case(
            "defer.append-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["append", {"spec": dense(2)}], CALL],
            [[4, "shapes"], [4, "states"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "defer.replace-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["assign", {"path": "1", "spec": dense(2)}], CALL],
            [[4, "states"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "defer.remove-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["remove", {"path": "1"}], CALL],
            [[4, "paths"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "defer.append-then-failed-call",
            "D-9",
            [
                NET,
                TO,
                SEED,
                ["append", {"spec": dense(2)}],
                ["call", {"inputs": [numbers([[1, 2]], "int32")], "goes_on": True}],
                CALL,
            ],
            [[4, "error"], [4, "states"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=("core.defer.append-after-call",),
        ),
        core_case(
            "defer.new-part-called-alone",
            "D-14",
            [
                NET,
                TO,
                SEED,
                CALL,
                ["append", {"spec": dense(2)}],
                ["call", {"inputs": [spread(2, 3)], "path": "2"}],
                ["to", {"compile": False}],
            ],
            [[5, "states"], [5, "output.owned"], [5, "output"], [6, "backend"]],
            oracle="reference",
            needs=("core.defer.append-after-call",),
        ),
    ]


def refused() -> list[Case]:
    """Return the cases of what makes no net ready."""
    return [
        core_case(
            "defer.apply-init-unreached",
            "E-8",
            [["construct", {"spec": UNREACHED}], TO, ["apply_init", {"inputs": [X]}]],
            [[2, "error"], [2, "states"]],
            needs=("core.defer.apply-init",),
        ),
        core_case(
            "defer.empty-keyword-input",
            "D-12",
            [
                ["construct", {"spec": TWO_INPUTS}],
                TO,
                SEED,
                ["call", {"inputs": [X], "named": {"y": numbers([[], []])}}],
            ],
            [[3, "error"], [3, "states"]],
            needs=("core.defer.keyword-inputs",),
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of deferral, from what is unknown before data to nets that are edited."""
    return [
        *before_data(),
        *first_call(),
        *known_sizes(),
        *inferred(),
        *failing(),
        *applied(),
        *given(),
        *edited(),
        *refused(),
    ]

"""Cases of initial values: laws, defaults, seeds, force, types."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALL, GAIN, KNOWN, NET, SEED, TO
from .write import Case, chain, core_case, dense, graph, law

# A vector's default law is another than a matrix's.
OWN_WEIGHTS = graph(
    [["y", "ops.multiply", ["x", "self.factor"]], ["y", "ops.einsum", ["=bi,oi->bo", "y", "self.matrix"]]],
    "y",
    parameters={"factor": {"shape": [None]}, "matrix": {"shape": [3, None]}},
    build={"factor": ["x.-1"], "matrix": [3, "x.-1"]},
)
STREAM: dict[str, Any] = {"oracle": "stream"}
AFTER_A_LAW: dict[str, Any] = {"needs": ("core.init.law.uniform",), **STREAM}
AFTER_DEFAULTS: dict[str, Any] = {"needs": ("core.init.default.dense",), **STREAM}


def laws() -> list[Case]:
    """Return a case for each law."""
    named = {
        "zeros": law("Zeros"),
        "ones": law("Ones"),
        "constant": law("Constant", value=0.75),
        "uniform": law("Uniform", low=-0.07, high=0.3),
        "normal": law("Normal", std=0.01),
        "normal-mean": law("Normal", std=0.5, mean=2.0),
        "xavier-uniform": law("Xavier"),
        "xavier-normal": law("Xavier", distribution="normal", gain=1.5),
        "kaiming-uniform": law("Kaiming"),
        "kaiming-normal": law("Kaiming", distribution="normal"),
        "kaiming-fan-out": law("Kaiming", mode="fan_out", a=0.2),
    }
    return [
        core_case(
            f"init.law.{name}",
            "N-1",
            [
                ["construct", {"spec": dense(7, bias=False)}],
                TO,
                ["initialize", {"law": each, "seed": 3}],
                CALL,
            ],
            [[3, "values"]],
            **STREAM,
        )
        for name, each in named.items()
    ]


def defaults() -> list[Case]:
    """Return the cases of what is drawn where no law was asked for, and of what laws leave."""
    return [
        core_case(
            "init.default.dense",
            "N-2",
            [["construct", {"spec": dense(7)}], TO, SEED, CALL],
            [[3, "values"]],
            **STREAM,
        ),
        core_case(
            "init.default.own",
            "N-2",
            [["construct", {"spec": GAIN}], TO, SEED, CALL],
            [[3, "values"]],
            **STREAM,
        ),
        core_case(
            "init.default.own-weights",
            "N-2",
            [["construct", {"spec": OWN_WEIGHTS}], TO, SEED, CALL],
            [[3, "values"], [3, "output"]],
            oracle="reference",
        ),
        core_case(
            "init.weights-only",
            "N-4",
            [NET, TO, ["initialize", {"law": law("Constant", value=2)}], CALL],
            [[3, "values"]],
            **STREAM,
        ),
        core_case(
            "init.scales-become-one",
            "N-4",
            [
                ["construct", {"spec": chain(dense(7), GAIN)}],
                TO,
                ["initialize", {"law": law("Constant", value=3)}],
                CALL,
            ],
            [[3, "values"]],
            **STREAM,
        ),
    ]


def lazy_and_eager() -> list[Case]:
    """Return the cases of values that a path and a seed give, known sizes or not."""
    return [
        core_case(
            "init.two-layers-differ",
            "N-5",
            [["construct", {"spec": chain(dense(5), dense(5), dense(5))}], TO, SEED, CALL],
            [[3, "values"]],
            **AFTER_DEFAULTS,
        ),
        core_case(
            "init.lazy-equals-eager.lazy", "N-5", [NET, TO, SEED, CALL], [[3, "values"]], **AFTER_DEFAULTS
        ),
        core_case(
            "init.lazy-equals-eager.eager",
            "N-5",
            [
                [
                    "construct",
                    {"spec": chain(dense(7, activation="tanh", in_features=5), dense(3, in_features=7))},
                ],
                SEED,
                TO,
                CALL,
            ],
            [[1, "values"], [2, "values"], [3, "values"]],
            **AFTER_DEFAULTS,
        ),
    ]


def independent() -> list[Case]:
    """Return the cases of values that other layers, order and threads don't change."""
    return [
        core_case(
            "init.other-layers-do-not-matter",
            "N-5",
            [
                ["construct", {"spec": chain(dense(7, activation="tanh"), dense(3), dense(13), dense(2))}],
                TO,
                SEED,
                CALL,
            ],
            [[3, "values"]],
            **AFTER_DEFAULTS,
        ),
        core_case(
            "init.order-of-parts-does-not-matter",
            "N-5",
            [
                ["construct", {"spec": chain(dense(7), dense(3))}],
                TO,
                SEED,
                ["call", {"inputs": [spread(2, 7)], "path": "1"}],
                CALL,
            ],
            [[3, "values"], [4, "values"]],
            **AFTER_DEFAULTS,
        ),
        core_case(
            "init.many-values-on-threads",
            "N-5",
            [["construct", {"spec": dense(1031)}], TO, SEED, ["call", {"inputs": [spread(1, 1033)]}]],
            [[3, "values"]],
            needs=("core.init.default.dense",),
            oracle="stream",
        ),
    ]


def seeds() -> list[Case]:
    """Return the cases of which seed is in force."""
    return [
        core_case(
            "init.seeded-later",
            "N-10",
            [NET, TO, ["initialize", {"law": law("Normal", std=0.1)}], ["initialize", {"seed": 23}], CALL],
            [[4, "values"]],
            **AFTER_A_LAW,
        ),
        core_case(
            "init.seed-stays",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Normal", std=0.1), "force": True}]],
            [[4, "values"]],
            **AFTER_A_LAW,
        ),
        core_case(
            "init.another-seed",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"seed": 12, "force": True}]],
            [[4, "values"]],
            **AFTER_A_LAW,
        ),
        core_case(
            "init.force-with-law-and-seed",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Normal", std=0.1), "seed": 5, "force": True}]],
            [[4, "values"]],
            **AFTER_A_LAW,
        ),
    ]


def again() -> list[Case]:
    """Return the cases of asking for a law again, with force and without."""
    return [
        core_case(
            "init.force-redraws",
            "N-8",
            [
                NET,
                TO,
                ["initialize", {"law": law("Ramp", counted=True)}],
                CALL,
                ["initialize", {"law": law("Constant", value=4, counted=True), "force": True}],
            ],
            [[4, "values"], [4, "law_calls"]],
            expect={"4": {"law_calls": [["0.weight", [7, 5]], ["1.weight", [3, 7]]]}},
            **STREAM,
        ),
        core_case(
            "init.force-changes-the-next-call",
            "N-8",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Ramp"), "force": True}], CALL],
            [[5, "output"]],
            needs=("core.init.force-redraws",),
            oracle="reference",
        ),
        core_case(
            "init.again-keeps-and-warns",
            "N-9",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Constant", value=4)}]],
            [[4, "values"], [4, "warnings"]],
            **STREAM,
        ),
        core_case(
            "init.again-on-a-deferred-net",
            "N-6",
            [
                NET,
                TO,
                ["initialize", {"law": law("Ones")}],
                ["initialize", {"law": law("Constant", value=4)}],
                CALL,
            ],
            [[4, "values"]],
            **STREAM,
        ),
    ]


def own_laws() -> list[Case]:
    """Return the cases of a user's laws, and of laws that fail."""
    return [
        core_case(
            "init.custom-law",
            "N-13",
            [NET, TO, ["initialize", {"law": law("HalfZero", counted=True), "seed": 3}], CALL],
            [[3, "values"], [3, "law_calls"]],
            **STREAM,
        ),
        core_case(
            "init.ramp",
            "N-13",
            [NET, TO, ["initialize", {"law": law("Ramp")}], CALL],
            [[3, "values"]],
            **STREAM,
        ),
        *(
            core_case(
                f"init.failing-law.{name}",
                "N-12",
                [NET, TO, ["initialize", {"law": law("Failing", path="1.weight", **more)}], CALL],
                [[3, "error"], [3, "states"]],
            )
            for name, more in (("raises", {}), ("shape", {"returns": "shape"}), ("text", {"returns": "text"}))
        ),
        core_case(
            "init.failing-law.at-once",
            "N-12",
            [KNOWN, TO, ["initialize", {"law": law("Failing", path="1.weight"), "goes_on": True}], SEED],
            [[2, "error"], [2, "states"], [3, "values"]],
            **STREAM,
        ),
    ]


def types() -> list[Case]:
    """Return the cases of initial values in other types."""
    return [
        *(
            core_case(
                f"types.initial-{dtype}",
                "N-11",
                [NET, ["to", {"dtype": dtype}], SEED, CALL],
                [[3, "values"], [3, "dtypes"]],
                level="extras",
                **AFTER_DEFAULTS,
            )
            for dtype in ("float64", "float16", "bfloat16")
        )
    ]


def cases() -> list[Case]:
    """Return the cases of initial values: of each law, by default, by seeds, with force, in other types."""
    return [
        *laws(),
        *defaults(),
        *lazy_and_eager(),
        *independent(),
        *seeds(),
        *again(),
        *own_laws(),
        *types(),
    ]

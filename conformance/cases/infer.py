"""Cases of inferred sizes that are no table of options."""

from __future__ import annotations

from isomorph.conformance.data import spread

from .nets import CALL, CALLED, GAIN, NET, RESIDUAL, SEED, TO, X
from .write import Case, chain, core_case, dense, graph

GAIN_OF_Y = graph(
    [["a", "ops.sum", ["x"]], ["b", "ops.multiply", ["y", "self.gain"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    parameters={"gain": {"shape": [None], "role": "scale"}},
    build={"gain": ["y.-1"]},
)


def forward() -> list[Case]:
    """Return the cases of sizes that follow a net's forward."""
    residual = [["construct", {"spec": RESIDUAL}], TO, SEED]
    return [
        *(
            core_case(
                f"infer.dense-rank-{len(shape)}",
                "I-1",
                [["construct", {"spec": dense(7)}], TO, SEED, ["call", {"inputs": [spread(*shape)]}]],
                [[3, "shapes"], [3, "output.shape"]],
                expect={"3": {"shapes": {"weight": [7, shape[-1]], "bias": [7]}}},
            )
            for shape in ((5,), (2, 5), (2, 3, 5), (2, 3, 11, 5))
        ),
        core_case("infer.chain-values", "L-14", [NET, TO, SEED, CALL], [[3, "output"]], oracle="reference"),
        core_case("infer.nested-forward", "I-2", [*residual, CALL], [[3, "shapes"], [3, "output.shape"]]),
        core_case(
            "infer.nested-forward-values",
            "I-2",
            [*residual, CALL],
            [[3, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "infer.nested-forward-dry",
            "I-2",
            [["construct", {"spec": RESIDUAL}], TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "spec"]],
        ),
    ]


def again() -> list[Case]:
    """Return the cases of a ready net that meets an input of another shape."""
    return [
        core_case(
            "infer.another-batch-size",
            "I-5",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(11, 5)]}]],
            [[4, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "infer.further-leading-axes",
            "I-5",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(2, 3, 5)]}]],
            [[4, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "infer.another-feature-size",
            "I-6",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(2, 11)], "goes_on": True}], CALL],
            [[4, "error"], [4, "shapes"], [4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "infer.another-feature-size-native",
            "I-6",
            [
                NET,
                TO,
                SEED,
                CALL,
                ["call", {"inputs": [spread(2, 11)], "as_native": True, "goes_on": True}],
                CALL,
            ],
            [[4, "error"], [4, "shapes"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
    ]


def own_build() -> list[Case]:
    """Return the cases of sizes that a user's `build` sets."""
    return [
        core_case(
            "infer.own-build",
            "I-7",
            [["construct", {"spec": chain(dense(7), GAIN)}], TO, SEED, CALL],
            [[1, "shapes"], [3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        core_case(
            "infer.own-build-keyword-input",
            "D-12",
            [
                ["construct", {"spec": GAIN_OF_Y}],
                TO,
                SEED,
                ["call", {"inputs": [X], "named": {"y": spread(2, 3)}}],
            ],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.infer.own-build",),
        ),
        core_case(
            "infer.own-build-dry",
            "I-7",
            [["construct", {"spec": GAIN}], TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "states"]],
        ),
    ]


def partly() -> list[Case]:
    """Return the cases of sizes that stay open, and of one part of a net."""
    return [
        *(
            core_case(
                f"infer.open-{name}",
                "I-8",
                [["construct", {"spec": spec}], ["infer", {"shapes": [shape]}]],
                [[1, "spec"], [1, "shapes"]],
            )
            for name, spec, shape in (
                ("batch", chain(dense(7), dense(3)), [None, 5]),
                ("features", chain(dense(7), dense(3)), [2, None]),
                ("everything", chain(dense(7), dense(3)), [None, None]),
                ("time", dense(3), [None, None, 5]),
            )
        ),
        core_case(
            "infer.part-alone",
            "I-2",
            [NET, TO, SEED, ["call", {"inputs": [spread(2, 13)], "path": "1"}]],
            [[3, "shapes"], [3, "states"], [3, "output"]],
            oracle="reference",
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of inference through nets, later inputs, a user's `build` and open sizes."""
    return [*forward(), *again(), *own_build(), *partly()]

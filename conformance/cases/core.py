"""Cases of the core: deferral, initialization, state, sharing, errors. No capability removes one."""

from __future__ import annotations

from typing import Any

from .write import Case, case, chain, dense, graph, law, layer, numbers, spread

NET = ["construct", {"spec": chain(dense(7, activation="tanh"), dense(3))}]
KNOWN = ["construct", {"spec": chain(dense(7, in_features=5), dense(3, in_features=7))}]
HALF = ["construct", {"spec": chain(dense(7, in_features=5), dense(3))}]
TO: list[Any] = ["to", {}]
X = spread(2, 5)
CALL = ["call", {"inputs": [X]}]
SEED = ["initialize", {"seed": 11}]
RESIDUAL = graph(
    [
        ["h", "stem", ["x"]],
        ["h", "blocks.0", ["h"]],
        ["g", "blocks.1", ["h"]],
        ["h", "ops.add", ["h", "g"]],
        ["a", "heads.left", ["h"]],
        ["b", "heads.right", ["h"]],
        ["y", "ops.concat", [["a", "b"]], {"axis": -1}],
    ],
    "y",
    children={
        "stem": dense(7, activation="tanh"),
        "blocks": {"kind": "ModuleList", "children": [dense(11, activation="relu"), dense(11)]},
        "heads": {"kind": "ModuleDict", "children": {"left": dense(3), "right": dense(2, bias=False)}},
    },
)
GAIN = graph(
    [["y", "ops.multiply", ["x", "self.gain"]], ["y", "ops.add", ["y", "self.shift"]]],
    "y",
    parameters={
        "gain": {"shape": [None], "role": "scale"},
        "shift": {"shape": [None], "role": "bias"},
    },
    build={"gain": ["x.-1"], "shift": ["x.-1"]},
)
# A vector's default law is another than a matrix's.
OWN_WEIGHTS = graph(
    [["y", "ops.multiply", ["x", "self.factor"]], ["y", "ops.einsum", ["=bi,oi->bo", "y", "self.matrix"]]],
    "y",
    parameters={"factor": {"shape": [None]}, "matrix": {"shape": [3, None]}},
    build={"factor": ["x.-1"], "matrix": [3, "x.-1"]},
)
GAIN_OF_Y = graph(
    [["a", "ops.sum", ["x"]], ["b", "ops.multiply", ["y", "self.gain"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    parameters={"gain": {"shape": [None], "role": "scale"}},
    build={"gain": ["y.-1"]},
)
TIED_MODULE = graph(
    [["h", "first", ["x"]], ["h", "again", ["h"]], ["y", "out", ["h"]]],
    "y",
    children={"first": dense(5), "again": {"kind": "share", "path": "first"}, "out": dense(3)},
)
TIED_PARAMETER = graph(
    [["h", "embed", ["x"]], ["y", "out", ["h"]]],
    "y",
    children={"embed": layer("Embedding", num_embeddings=11, embedding_dim=5), "out": dense(11, bias=False)},
    ties=[["out.weight", "embed.weight"]],
)
TWO_DENSE = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children={"left": dense(3), "right": dense(3)},
    ties=[["right.weight", "left.weight"]],
)
TOKENS = numbers([[1, 4, 10], [2, 2, 7]], "int64")


def _core(name: str, clause: str, steps: list[Any], ask: list[Any], **more: Any) -> Case:
    """Return a case of the core; one that needs a capability belongs to another level."""
    level = more.pop("level", "core")
    feature = more.pop("feature", name.split(".")[0])
    return case(f"{level}.{name}", clause, steps, ask, feature=feature, **more)


UNREACHED = graph([["y", "used", ["x"]]], "y", children={"used": dense(3), "spare": dense(2)})


def defer() -> list[Case]:
    """Return the cases of deferral."""
    shapes = {"0.weight": [7, None], "0.bias": [7], "1.weight": [3, None], "1.bias": [3]}
    after = {"0.weight": [7, 5], "0.bias": [7], "1.weight": [3, 7], "1.bias": [3]}
    shapes_case = _core(
        "defer.shapes-before-data",
        "D-1",
        [NET, TO],
        [[0, "shapes"], [1, "shapes"]],
        expect={"1": {"shapes": shapes}},
    )
    built = "core.defer.shapes-before-data"
    called = "core.defer.first-call"
    states = ["declared", "shaped", "declared", "shaped"]
    found = [
        shapes_case,
        _core(
            "defer.states-before-data",
            "D-1",
            [NET, TO],
            [[1, "states"]],
            expect={"1": {"states": dict(zip(shapes, states))}},
        ),
        _core("defer.nothing-held", "D-2", [NET, TO], [[1, "values"]]),
        _core(
            "defer.read-before-data",
            "D-2",
            [NET, TO, ["read", {"path": "0.weight", "goes_on": True}], ["read", {"path": "0.bias"}]],
            [[2, "error"], [3, "error"]],
            needs=(built,),
        ),
        _core(
            "defer.initialize-records",
            "D-3",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}]],
            [[2, "law_calls"], [2, "states"], [2, "requested"], [2, "values"]],
            expect={"2": {"law_calls": []}},
        ),
        _core(
            "defer.first-call",
            "D-4",
            [NET, TO, SEED, CALL],
            [[3, "shapes"], [3, "states"]],
            expect={"3": {"shapes": after, "states": dict.fromkeys(after, "ready")}},
        ),
        _core(
            "defer.first-call-uninitialized",
            "D-4",
            [NET, TO, CALL],
            [[2, "states"], [2, "output.shape"]],
            needs=(called,),
        ),
        _core(
            "defer.law-once-in-order",
            "D-5",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], CALL],
            [[3, "law_calls"]],
            expect={"3": {"law_calls": [["0.weight", [7, 5]], ["1.weight", [3, 7]]]}},
            needs=(called,),
        ),
        _core(
            "defer.law-not-called-again",
            "D-5",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], CALL, CALL],
            [[4, "law_calls"]],
            expect={"4": {"law_calls": []}},
            needs=(called,),
        ),
        _core(
            "defer.known-sizes-at-once",
            "D-6",
            [KNOWN, TO, SEED],
            [[2, "states"], [2, "values"]],
            oracle="stream",
        ),
        _core(
            "defer.half-known",
            "D-7",
            [HALF, TO, SEED, CALL],
            [[2, "states"], [3, "states"]],
            expect={"2": {"states": dict(zip(shapes, ["ready", "ready", "declared", "shaped"]))}},
        ),
        _core(
            "defer.bias-waits-for-weight",
            "D-7",
            [NET, TO, SEED, ["read", {"path": "0.bias"}]],
            [[3, "error"]],
        ),
        _core(
            "defer.infer-gives-shapes",
            "D-8",
            [NET, TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "states"], [2, "spec"]],
            expect={"2": {"shapes": after, "spec": [2, 3]}},
        ),
        _core(
            "defer.infer-without-backend",
            "D-8",
            [NET, ["infer", {"shapes": [[None, 5]]}]],
            [[1, "shapes"], [1, "spec"]],
            expect={"1": {"spec": [None, 3]}},
        ),
        _core(
            "defer.infer-calls-no-law",
            "D-8",
            [NET, TO, ["initialize", {"law": law("Ramp", counted=True)}], ["infer", {"shapes": [[2, 5]]}]],
            [[3, "law_calls"], [3, "states"]],
            expect={"3": {"law_calls": []}},
        ),
        _core(
            "defer.infer-keeps-ready-values",
            "D-8",
            [NET, TO, SEED, CALL, ["infer", {"shapes": [[3, 5]]}], CALL],
            [[4, "values"], [5, "output"]],
            oracle="reference",
            needs=(called,),
        ),
        _core(
            "defer.infer-then-initialize",
            "D-6",
            [NET, TO, ["infer", {"shapes": [[2, 5]]}], SEED],
            [[3, "states"], [3, "values"]],
            oracle="stream",
            needs=("core.defer.infer-gives-shapes",),
        ),
        _core(
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
        _core(
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
        _core(
            "defer.failed-law-leaves-no-trace",
            "D-9",
            [NET, TO, ["initialize", {"law": law("Failing", path="1.weight")}], CALL],
            [[3, "error"], [3, "shapes"], [3, "states"]],
        ),
        _core(
            "defer.apply-init",
            "D-10",
            [NET, TO, ["apply_init", {"inputs": [X], "law": law("Constant", value=2)}]],
            [[2, "states"], [2, "values"]],
            oracle="stream",
        ),
        _core(
            "defer.apply-init-default-law",
            "D-10",
            [NET, TO, ["apply_init", {"inputs": [X], "seed": 5}]],
            [[2, "states"], [2, "values"]],
            oracle="stream",
            needs=("core.defer.apply-init",),
        ),
        _core(
            "defer.apply-init-again-keeps",
            "D-10",
            [NET, TO, SEED, CALL, ["apply_init", {"inputs": [X]}]],
            [[4, "values"], [4, "warnings"]],
            oracle="stream",
            needs=(called,),
        ),
        _core(
            "defer.constructor-size",
            "D-11",
            [KNOWN, TO],
            [[0, "shapes"], [1, "states"]],
            expect={"1": {"states": dict.fromkeys(after, "shaped")}},
        ),
        _core(
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
        _core(
            "defer.several-inputs",
            "D-12",
            [["construct", {"spec": TWO_INPUTS}], TO, SEED, ["call", {"inputs": [X, spread(2, 3)]}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        _core(
            "defer.set-gives-sizes",
            "D-13",
            [NET, TO, SEED, ["set", {"path": "0.weight", "data": spread(7, 5, salt=3)}], CALL],
            [[3, "shapes"], [3, "states"], [4, "values"], [4, "output"]],
            oracle="reference",
        ),
        _core(
            "defer.set-before-backend",
            "D-13",
            [NET, ["set", {"path": "1.weight", "data": spread(3, 7, salt=3)}], TO, SEED, CALL],
            [[1, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
        ),
        _core(
            "defer.append-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["append", {"spec": dense(2)}], CALL],
            [[4, "shapes"], [4, "states"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=(called,),
        ),
        _core(
            "defer.replace-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["assign", {"path": "1", "spec": dense(2)}], CALL],
            [[4, "states"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=(called,),
        ),
        _core(
            "defer.remove-after-call",
            "D-14",
            [NET, TO, SEED, CALL, ["remove", {"path": "1"}], CALL],
            [[4, "paths"], [5, "values"], [5, "output"]],
            oracle="reference",
            needs=(called,),
        ),
        _core(
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
        _core(
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
        _core(
            "defer.apply-init-unreached",
            "E-8",
            [["construct", {"spec": UNREACHED}], TO, ["apply_init", {"inputs": [X]}]],
            [[2, "error"], [2, "states"]],
            needs=("core.defer.apply-init",),
        ),
        _core(
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
        _core(
            "defer.threads-initialize-once",
            "D-15",
            [NET, TO, SEED, ["call_in_threads", {"inputs": [X], "count": 4}]],
            [[3, "values"], [3, "output"]],
            oracle="reference",
            needs=(called,),
        ),
        _core(
            "defer.threads-call-laws-once",
            "D-15",
            [
                NET,
                TO,
                ["initialize", {"law": law("Ramp", counted=True)}],
                ["call_in_threads", {"inputs": [X], "count": 4}],
            ],
            [[3, "law_calls"]],
            needs=(called,),
        ),
    ]
    return found


TWO_INPUTS = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children={"left": dense(7), "right": dense(7)},
)


def infer() -> list[Case]:
    """Return the cases of inference that are no table of options."""
    called = ("core.defer.first-call",)
    residual = [["construct", {"spec": RESIDUAL}], TO, SEED]
    return [
        *(
            _core(
                f"infer.dense-rank-{len(shape)}",
                "I-1",
                [["construct", {"spec": dense(7)}], TO, SEED, ["call", {"inputs": [spread(*shape)]}]],
                [[3, "shapes"], [3, "output.shape"]],
                expect={"3": {"shapes": {"weight": [7, shape[-1]], "bias": [7]}}},
            )
            for shape in ((5,), (2, 5), (2, 3, 5), (2, 3, 11, 5))
        ),
        _core("infer.chain-values", "L-14", [NET, TO, SEED, CALL], [[3, "output"]], oracle="reference"),
        _core("infer.nested-forward", "I-2", [*residual, CALL], [[3, "shapes"], [3, "output.shape"]]),
        _core(
            "infer.nested-forward-values",
            "I-2",
            [*residual, CALL],
            [[3, "output"]],
            oracle="reference",
            needs=called,
        ),
        _core(
            "infer.nested-forward-dry",
            "I-2",
            [["construct", {"spec": RESIDUAL}], TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "spec"]],
        ),
        _core(
            "infer.another-batch-size",
            "I-5",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(11, 5)]}]],
            [[4, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=called,
        ),
        _core(
            "infer.further-leading-axes",
            "I-5",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(2, 3, 5)]}]],
            [[4, "shapes"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=called,
        ),
        _core(
            "infer.another-feature-size",
            "I-6",
            [NET, TO, SEED, CALL, ["call", {"inputs": [spread(2, 11)], "goes_on": True}], CALL],
            [[4, "error"], [4, "shapes"], [4, "values"], [5, "output"]],
            oracle="reference",
            needs=called,
        ),
        _core(
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
            needs=called,
        ),
        _core(
            "infer.own-build",
            "I-7",
            [["construct", {"spec": chain(dense(7), GAIN)}], TO, SEED, CALL],
            [[1, "shapes"], [3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        _core(
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
        _core(
            "infer.own-build-dry",
            "I-7",
            [["construct", {"spec": GAIN}], TO, ["infer", {"shapes": [[2, 5]]}]],
            [[2, "shapes"], [2, "states"]],
        ),
        *(
            _core(
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
        _core(
            "infer.part-alone",
            "I-2",
            [NET, TO, SEED, ["call", {"inputs": [spread(2, 13)], "path": "1"}]],
            [[3, "shapes"], [3, "states"], [3, "output"]],
            oracle="reference",
        ),
    ]


def initialize() -> list[Case]:
    """Return the cases of initial values."""
    laws = {
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
    stream = {"oracle": "stream"}
    first = "core.init.law.uniform"
    needs = {"needs": (first,), **stream}
    default = {"needs": ("core.init.default.dense",), **stream}
    found = [
        _core(
            f"init.law.{name}",
            "N-1",
            [
                ["construct", {"spec": dense(7, bias=False)}],
                TO,
                ["initialize", {"law": each, "seed": 3}],
                CALL,
            ],
            [[3, "values"]],
            **stream,
        )
        for name, each in laws.items()
    ]
    found += [
        _core(
            "init.default.dense",
            "N-2",
            [["construct", {"spec": dense(7)}], TO, SEED, CALL],
            [[3, "values"]],
            **stream,
        ),
        _core(
            "init.default.own",
            "N-2",
            [["construct", {"spec": GAIN}], TO, SEED, CALL],
            [[3, "values"]],
            **stream,
        ),
        _core(
            "init.default.own-weights",
            "N-2",
            [["construct", {"spec": OWN_WEIGHTS}], TO, SEED, CALL],
            [[3, "values"], [3, "output"]],
            oracle="reference",
        ),
        _core(
            "init.weights-only",
            "N-4",
            [NET, TO, ["initialize", {"law": law("Constant", value=2)}], CALL],
            [[3, "values"]],
            **stream,
        ),
        _core(
            "init.scales-become-one",
            "N-4",
            [
                ["construct", {"spec": chain(dense(7), GAIN)}],
                TO,
                ["initialize", {"law": law("Constant", value=3)}],
                CALL,
            ],
            [[3, "values"]],
            **stream,
        ),
        _core(
            "init.two-layers-differ",
            "N-5",
            [["construct", {"spec": chain(dense(5), dense(5), dense(5))}], TO, SEED, CALL],
            [[3, "values"]],
            **default,
        ),
        _core("init.lazy-equals-eager.lazy", "N-5", [NET, TO, SEED, CALL], [[3, "values"]], **default),
        _core(
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
            **default,
        ),
        _core(
            "init.other-layers-do-not-matter",
            "N-5",
            [
                ["construct", {"spec": chain(dense(7, activation="tanh"), dense(3), dense(13), dense(2))}],
                TO,
                SEED,
                CALL,
            ],
            [[3, "values"]],
            **default,
        ),
        _core(
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
            **default,
        ),
        _core(
            "init.many-values-on-threads",
            "N-5",
            [["construct", {"spec": dense(1031)}], TO, SEED, ["call", {"inputs": [spread(1, 1033)]}]],
            [[3, "values"]],
            needs=("core.init.default.dense",),
            oracle="stream",
        ),
        _core(
            "init.seeded-later",
            "N-10",
            [NET, TO, ["initialize", {"law": law("Normal", std=0.1)}], ["initialize", {"seed": 23}], CALL],
            [[4, "values"]],
            **needs,
        ),
        _core(
            "init.seed-stays",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Normal", std=0.1), "force": True}]],
            [[4, "values"]],
            **needs,
        ),
        _core(
            "init.another-seed",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"seed": 12, "force": True}]],
            [[4, "values"]],
            **needs,
        ),
        _core(
            "init.force-with-law-and-seed",
            "N-10",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Normal", std=0.1), "seed": 5, "force": True}]],
            [[4, "values"]],
            **needs,
        ),
        _core(
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
            **stream,
        ),
        _core(
            "init.force-changes-the-next-call",
            "N-8",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Ramp"), "force": True}], CALL],
            [[5, "output"]],
            needs=("core.init.force-redraws",),
            oracle="reference",
        ),
        _core(
            "init.again-keeps-and-warns",
            "N-9",
            [NET, TO, SEED, CALL, ["initialize", {"law": law("Constant", value=4)}]],
            [[4, "values"], [4, "warnings"]],
            **stream,
        ),
        _core(
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
            **stream,
        ),
        _core(
            "init.custom-law",
            "N-13",
            [NET, TO, ["initialize", {"law": law("HalfZero", counted=True), "seed": 3}], CALL],
            [[3, "values"], [3, "law_calls"]],
            **stream,
        ),
        _core(
            "init.ramp",
            "N-13",
            [NET, TO, ["initialize", {"law": law("Ramp")}], CALL],
            [[3, "values"]],
            **stream,
        ),
        *(
            _core(
                f"init.failing-law.{name}",
                "N-12",
                [NET, TO, ["initialize", {"law": law("Failing", path="1.weight", **more)}], CALL],
                [[3, "error"], [3, "states"]],
            )
            for name, more in (("raises", {}), ("shape", {"returns": "shape"}), ("text", {"returns": "text"}))
        ),
        _core(
            "init.failing-law.at-once",
            "N-12",
            [KNOWN, TO, ["initialize", {"law": law("Failing", path="1.weight"), "goes_on": True}], SEED],
            [[2, "error"], [2, "states"], [3, "values"]],
            **stream,
        ),
        _core(
            "types.initial-float64",
            "N-11",
            [NET, ["to", {"dtype": "float64"}], SEED, CALL],
            [[3, "values"], [3, "dtypes"]],
            level="extras",
            **default,
        ),
        _core(
            "types.initial-float16",
            "N-11",
            [NET, ["to", {"dtype": "float16"}], SEED, CALL],
            [[3, "values"], [3, "dtypes"]],
            level="extras",
            **default,
        ),
        _core(
            "types.initial-bfloat16",
            "N-11",
            [NET, ["to", {"dtype": "bfloat16"}], SEED, CALL],
            [[3, "values"], [3, "dtypes"]],
            level="extras",
            **default,
        ),
    ]
    return found + _precedence()


def _precedence() -> list[Case]:
    """Return the cases of which law wins."""
    one, two, three = law("Constant", value=1), law("Constant", value=2), law("Constant", value=3)
    own = ["construct", {"spec": chain(dense(7, weight_init=three), dense(3))}]
    nested = ["construct", {"spec": chain(chain(dense(7), dense(5)), dense(3))}]

    def ask(law: Any, path: str = "", **more: Any) -> list[Any]:
        return ["initialize", {"law": law, "path": path, **more}]

    rows: dict[str, tuple[list[Any], list[list[Any]]]] = {
        "constructor-over-net": (own, [ask(one)]),
        "parameter-over-net": (NET, [ask(one, "0.weight"), ask(two)]),
        "layer-over-net": (NET, [ask(one, "0"), ask(two)]),
        "layer-over-constructor": (own, [ask(one, "0")]),
        "pattern-over-net": (NET, [["initialize", {"patterns": {r"0\.weight": three}}], ask(two)]),
        "pattern-over-constructor": (own, [["initialize", {"patterns": {r".*weight": one}}]]),
        "parameter-over-pattern": (
            NET,
            [ask(one, "0.weight"), ["initialize", {"patterns": {r".*weight": three}}]],
        ),
        "layer-over-pattern": (NET, [ask(one, "1"), ["initialize", {"patterns": {r".*": three}}]]),
        "nearest-over-net": (nested, [ask(one, "0"), ask(two)]),
        "layer-over-nearest": (nested, [ask(three, "0.1"), ask(one, "0"), ask(two)]),
        "later-layer": (NET, [ask(one, "0"), ask(two, "0")]),
        "later-parameter-over-layer": (NET, [ask(one, "0"), ask(two, "0.weight")]),
        "later-layer-over-parameter": (NET, [ask(two, "0.weight"), ask(one, "0")]),
        "pattern-names-biases": (NET, [ask(one), ["initialize", {"patterns": {r".*bias": two}}]]),
        "pattern-inside-a-part": (
            nested,
            [ask(one), ["initialize", {"patterns": {r"1\.weight": two}, "path": "0"}]],
        ),
        "later-pattern": (
            NET,
            [["initialize", {"patterns": {".*": one}}], ["initialize", {"patterns": {r"1\..*": two}}]],
        ),
    }
    found = [
        _core(
            f"init.precedence.{name}",
            "N-7" if "pattern-" in name and "over" not in name else "N-6",
            [construct, TO, ["initialize", {"seed": 1}], *requests, CALL],
            [[3 + len(requests), "values"]],
            oracle="stream",
        )
        for name, (construct, requests) in rows.items()
    ]
    forced: list[Any] = [NET, TO, SEED, CALL]
    found += [
        _core(
            "init.precedence.force-forgets-laws-inside",
            "N-8",
            [*forced, ask(one, "1", force=True), ask(law("HalfZero"), force=True)],
            [[4, "values"], [5, "values"]],
            oracle="stream",
            needs=("core.init.force-redraws",),
        ),
        _core(
            "init.precedence.force-one-parameter",
            "N-8",
            [*forced, ask(law("Xavier"), "0.weight", force=True)],
            [[4, "values"]],
            oracle="stream",
            needs=("core.init.force-redraws",),
        ),
        _core(
            "init.pattern-of-a-part-of-a-path",
            "N-7",
            [NET, TO, ["initialize", {"patterns": {"weight": one}}]],
            [[2, "error"], [2, "requested"]],
        ),
        _core(
            "init.pattern-that-matches-nothing",
            "E-7",
            [NET, TO, ["initialize", {"patterns": {"wieght": one}}]],
            [[2, "error"], [2, "requested"]],
        ),
    ]
    return found


def cases() -> list[Case]:
    """Return all of them."""
    return [*defer(), *infer(), *initialize()]

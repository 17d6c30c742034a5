"""Cases of what a forward may use: parameters, sizes, attributes, buffers, the mode."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALL, SEED, TO, X
from .write import Case, Data, core_case, dense, graph, law, needs_of_calls

ANOTHER: list[Any] = ["call", {"inputs": [spread(3, 5)]}]
SIXTH: list[Any] = ["call", {"inputs": [spread(7, 5)]}]
HALF = {"shape": [5], "buffer": True, "init": law("Constant", value=0.5)}
# The encoder's weight is also the decoder's.
AUTOENCODER = graph(
    [["h", "encode", ["x"]], ["y", "ops.matmul", ["h", "self.encode.weight"]]],
    "y",
    children={"encode": dense(3, activation="tanh")},
)
BEFORE = graph(
    [
        ["s", "ops.sum", ["self.part.weight"], {"axis": 1}],
        ["h", "part", ["x"]],
        ["y", "ops.add", ["h", "s"]],
        ["z", "ops.multiply", ["y", "self.part.bias"]],
    ],
    ["z", "s"],
    children={"part": dense(3, in_features=5)},
)
DEEP = graph(
    [
        ["h", "blocks.0", ["x"]],
        ["g", "heads.out", ["h"]],
        ["a", "ops.matmul", ["g", "self.heads.out.weight"]],
        ["y", "ops.matmul", ["a", "self.blocks.0.weight"]],
    ],
    "y",
    children={
        "blocks": {"kind": "ModuleList", "children": [dense(7)]},
        "heads": {"kind": "ModuleDict", "children": {"out": dense(3)}},
    },
)
EARLY = graph(
    [["s", "ops.sum", ["self.part.weight"], {"axis": 1}], ["h", "part", ["x"]], ["y", "ops.add", ["h", "s"]]],
    "y",
    children={"part": dense(3)},
)
INNER = graph([["y", "ops.multiply", ["x", "self.gain"]]], "y", parameters={"gain": HALF})
OUTER = graph(
    [["h", "inner", ["x"]], ["y", "ops.add", ["h", "self.inner.gain"]]], "y", children={"inner": INNER}
)
HELD = graph(
    [
        ["a", "ops.multiply", ["x", "self.table.:scale"]],
        ["b", "operator.mul", ["a", "self.table.:rest.1"]],
        ["h", "dense", ["b"]],
        ["y", "operator.mul", ["h", "self.gain"]],
    ],
    "y",
    attributes={"gain": 2.0, "table": {"scale": 0.5, "rest": [3.0, -1.5]}},
    children={"dense": dense(3)},
)
# The mean of a batch, and a buffer that follows it, as books write it.
FOLLOWING: list[Any] = [
    ["m", "ops.mean", ["x"], {"axis": 0}, {"when": "training"}],
    ["a", "operator.mul", ["m", 0.25], {}, {"when": "training"}],
    ["b", "operator.mul", ["self.running", 0.75], {}, {"when": "training"}],
    ["c", "ops.add", ["a", "b"], {}, {"when": "training"}],
    ["u", "self.running.update", ["c"], {}, {"when": "training"}],
]
RUNNING = graph(
    [*FOLLOWING, ["y", "ops.subtract", ["x", "self.running"]], ["z", "dense", ["y"]]],
    "z",
    parameters={"running": HALF},
    children={"dense": dense(3)},
)
TWICE = graph(
    [
        ["a", "operator.add", ["self.running", 1.0]],
        ["u", "self.running.update", ["a"]],
        ["b", "operator.mul", ["self.running", 3.0]],
        ["u", "self.running.update", ["b"]],
        ["y", "ops.add", ["x", "self.running"]],
    ],
    "y",
    parameters={"running": HALF},
)
FROM_OUTSIDE = graph(
    [
        ["m", "ops.mean", ["x"], {"axis": 0}],
        ["u", "self.inner.gain.update", ["m"]],
        ["y", "inner", ["x"]],
    ],
    "y",
    children={"inner": INNER},
)
MISFIT = graph(
    [["u", "self.running.update", ["x"]], ["y", "dense", ["x"]]],
    "y",
    parameters={"running": HALF},
    children={"dense": dense(3)},
)
ASSIGNING = graph(
    [["h", "dense", ["x"]], ["u", "assign.last", ["h"]], ["y", "ops.relu", ["h"]]],
    "y",
    children={"dense": dense(3)},
)
LISTED = graph(
    [
        ["a", "ops.multiply", ["x", "self.gains.0"]],
        ["b", "ops.add", ["a", "self.shifts.:right"]],
        ["c", "ops.multiply", ["b", "self.gains.1"]],
        ["d", "ops.subtract", ["c", "self.shifts.:left"]],
        ["y", "dense", ["d"]],
    ],
    "y",
    parameters={
        "gains": {"list": [{"shape": [5]}, {"shape": [5], "role": "scale"}]},
        "shifts": {"dict": {"left": {"shape": [5]}, "right": {"shape": [5], "role": "bias"}}},
    },
    children={"dense": dense(3)},
)
BY_MODE = graph(
    [
        ["y", "operator.mul", ["x", 2.0], {}, {"when": "training"}],
        ["y", "operator.mul", ["x", -3.0], {}, {"when": "evaluating"}],
        ["z", "dense", ["y"]],
    ],
    "z",
    children={"dense": dense(3)},
)


def sized(*lines: Any, output: Any = "z") -> Data:
    """Return a net that asks for its input's batch size in Python."""
    return graph([["h", "dense", ["x"]], *lines], output, children={"dense": dense(3)})


_TIMES: list[Any] = ["z", "operator.mul", ["h", "k"]]
# Each way of asking for the batch's size.
ASKED = {
    "compared": sized(["n", "python.size", ["x"]], ["k", "python.equals", ["n", 2]], _TIMES),
    "in": sized(["n", "python.size", ["x"]], ["k", "python.among", ["n"]], _TIMES),
    "as-key": sized(["n", "python.size", ["x"]], ["k", "python.lookup", ["n"]], _TIMES),
    "len": sized(["n", "python.len", ["x"]], ["k", "python.equals", ["n", 3]], _TIMES),
    "iterated": sized(["r", "python.rows", ["h"]], ["z", "ops.stack", ["r"], {"axis": 1}]),
    "returned": sized(["n", "python.size", ["x"]], output={"tuple": ["h", "n"]}),
    "of-an-inner-tensor": sized(["n", "python.size", ["h"]], ["k", "python.equals", ["n", 3]], _TIMES),
}


def ready(spec: Data, **options: Any) -> list[Any]:
    """Return the steps that make a net, lower it and ask for its values."""
    return [["construct", {"spec": spec}], ["to", options] if options else TO, SEED]


def asked(steps: list[Any], *names: str) -> list[Any]:
    """Return what is asked after every call."""
    calls = [position for position, (verb, _) in enumerate(steps) if verb == "call"]
    return [[position, name] for position in calls for name in names]


def _case(name: str, clause: str, steps: list[Any], *names: str, **more: Any) -> Case:
    found = [*asked(steps, *(names or ("output",))), *more.pop("also", ())]
    more["needs"] = (*more.get("needs", ()), *needs_of_calls(steps))
    return core_case(f"forward.{name}", clause, steps, found, oracle="reference", **more)


def parameters() -> list[Case]:
    """Return the cases of parameters and buffers that a forward reads."""
    return [
        _case("child-weight", "F-1", [*ready(AUTOENCODER), CALL, ANOTHER, CALL]),
        _case("before-the-child", "F-1", [*ready(BEFORE), CALL, ANOTHER]),
        _case("deep-weights", "F-1", [*ready(DEEP), CALL, ANOTHER]),
        _case("child-buffer", "F-1", [*ready(OUTER), CALL, ANOTHER]),
        _case(
            "child-weight-set",
            "F-1",
            [
                *ready(AUTOENCODER),
                CALL,
                ["set", {"path": "encode.weight", "data": spread(3, 5, salt=2)}],
                CALL,
            ],
            needs=("core.forward.child-weight",),
        ),
        core_case(
            "forward.before-sizes-are-known",
            "F-1",
            [*ready(EARLY), CALL],
            [[3, "error"], [3, "error.text"], [3, "shapes"], [3, "states"]],
        ),
        _case(
            "listed-parameters",
            "F-8",
            [*ready(LISTED), CALL, ANOTHER],
            "output",
            also=[[2, "paths"], [3, "values"]],
        ),
        _case(
            "listed-parameters-set",
            "F-8",
            [
                *ready(LISTED),
                ["initialize", {"patterns": {r"gains\..*": law("Constant", value=1.5)}}],
                CALL,
                ["set", {"path": "shifts.left", "data": spread(5, salt=3)}],
                CALL,
                ["copy", {"to": "twin"}],
                ["call", {"inputs": [X], "net": "twin"}],
            ],
            also=[[4, "values"], [7, "paths"], [7, "values"]],
            needs=("core.forward.listed-parameters",),
        ),
    ]


def sizes() -> list[Case]:
    """Return the cases of the batch's size, asked in Python."""
    found = [
        _case(
            f"batch-size-{name}",
            "F-3",
            [*ready(spec), CALL, ANOTHER, CALL, SIXTH],
            "output",
            "output.structure",
        )
        for name, spec in ASKED.items()
    ]
    inner = graph(
        [["h", "inner", ["x"]], ["y", "ops.relu", ["h"]]], "y", children={"inner": ASKED["compared"]}
    )
    needs = ("core.forward.batch-size-compared",)
    return [*found, _case("batch-size-in-a-child", "F-3", [*ready(inner), CALL, ANOTHER, CALL], needs=needs)]


def state() -> list[Case]:
    """Return the cases of attributes and of the mode."""
    training: list[Any] = ["mode", {"training": True}]
    evaluate: list[Any] = ["mode", {"training": False}]
    return [
        _case(
            "attributes-now",
            "F-4",
            [
                *ready(HELD),
                CALL,
                ["change", {"path": "table.:scale", "value": 4.0}],
                CALL,
                ["change", {"path": "table.:rest.1", "value": 0.75}],
                CALL,
                ANOTHER,
            ],
        ),
        _case("mode", "F-9", [*ready(BY_MODE), CALL, evaluate, CALL, training, CALL]),
    ]


def buffers() -> list[Case]:
    """Return the cases of buffers that a forward updates."""
    evaluate: list[Any] = ["mode", {"training": False}]
    return [
        _case("update", "F-5", [*ready(RUNNING), CALL, ANOTHER, CALL], "output", "statistics"),
        _case(
            "update-eager",
            "F-5",
            [*ready(RUNNING, compile=False), CALL, ANOTHER],
            "output",
            "statistics",
            needs=("core.forward.update",),
        ),
        _case(
            "update-only-in-training",
            "F-5",
            [*ready(RUNNING), CALL, evaluate, CALL, ["mode", {"training": True}], CALL],
            "output",
            "statistics",
            needs=("core.forward.update",),
        ),
        _case("updates-see-each-other", "F-5", [*ready(TWICE), CALL, CALL, ANOTHER], "output", "statistics"),
        _case("update-of-a-child", "F-5", [*ready(FROM_OUTSIDE), CALL, ANOTHER], "output", "statistics"),
        core_case(
            "forward.update-not-while-inferring",
            "F-5",
            [*ready(RUNNING), CALL, ["infer", {"shapes": [[3, 5]]}], CALL],
            [[4, "statistics"], [5, "statistics"], [5, "output"]],
            oracle="reference",
            needs=("core.forward.update",),
        ),
        core_case(
            "forward.update-of-another-shape",
            "F-5",
            [*ready(MISFIT), ["call", {"inputs": [X], "goes_on": True}], ["call", {"inputs": [spread(5)]}]],
            [[3, "error"], [3, "error.text"], [3, "states"], [4, "error"], [4, "output"], [4, "statistics"]],
            oracle="reference",
            needs=("core.forward.update",),
        ),
    ]


def refused() -> list[Case]:
    """Return the cases of what a forward may not do."""
    nested = graph([["y", "inner", ["x"]]], "y", children={"inner": ASSIGNING})
    found = [
        core_case(
            f"forward.{name}",
            "F-6",
            [*ready(spec), CALL],
            [[3, "error"], [3, "error.text"], [3, "states"], [3, "shapes"]],
        )
        for name, spec in (("assigns", ASSIGNING), ("assigns-in-a-child", nested))
    ]
    found.append(
        core_case(
            "forward.assigns-while-inferring",
            "F-6",
            [["construct", {"spec": ASSIGNING}], ["infer", {"shapes": [[2, 5]]}]],
            [[1, "error"], [1, "shapes"]],
        )
    )
    for where in ("set", "deque", "object", "closure"):
        hidden = graph(
            [["h", "dense", ["x"]], ["y", "hidden", ["h"]]],
            "y",
            hidden={"where": where, "spec": dense(2)},
            children={"dense": dense(3)},
        )
        found.append(
            core_case(
                f"forward.module-held-by-{where}",
                "F-7",
                [*ready(hidden), CALL],
                [[3, "error"], [3, "error.text"], [3, "states"]],
            )
        )
    return found


def cases() -> list[Case]:
    """Return the cases of forwards on the core alone."""
    return [*parameters(), *sizes(), *state(), *buffers(), *refused()]

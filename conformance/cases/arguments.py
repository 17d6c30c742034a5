"""Cases of what nets may be given, and what they give: names, containers, flags."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALL, NET, SEED, TO, X
from .write import Case, Data, core_case, dense, graph, needs_of_calls

Y = spread(2, 7, salt=1)
DENSE: list[Any] = ["construct", {"spec": dense(7)}]
# How each container's two items are reached, and what it is.
WAYS: dict[str, tuple[str, str]] = {
    "tuple": ("x.0", "x.1"),
    "list": ("x.0", "x.1"),
    "dict": ("x.:left", "x.:right"),
    "named_tuple": ("x.left", "x.right"),
    "dataclass": ("x.left", "x.right"),
}
CHILDREN = {"left": dense(3, activation="tanh"), "right": dense(3)}
TWO = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.subtract", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children=CHILDREN,
)
INSIDE = graph(
    [["h", "stem", [], {}, {"named": {"x": "x"}}], ["y", "heads.out", [], {}, {"named": {"x": "h"}}]],
    "y",
    children={"stem": dense(7), "heads": {"kind": "ModuleDict", "children": {"out": dense(3)}}},
)
# Multiplies by a number that depends on the type of its second input.
FLAGGED = graph(
    [["h", "dense", ["x"]], ["k", "python.kind", ["y"]], ["z", "operator.mul", ["h", "k"]]],
    "z",
    inputs=["x", "y"],
    children={"dense": dense(3)},
)
DEEP = graph(
    [
        ["a", "left", ["x.:pair.0"]],
        ["b", "right", ["x.:pair.1.:inner"]],
        ["c", "ops.add", ["a", "b"]],
        ["z", "operator.mul", ["c", "x.:scale"]],
    ],
    "z",
    children=CHILDREN,
)


def held(kind: str, *items: Any) -> Data:
    """Return a container of two items as data."""
    if kind in ("tuple", "list"):
        return {kind: list(items)}
    return {kind: dict(zip(("left", "right"), items))}


def taking(kind: str) -> Data:
    """Return a net that takes a container of two."""
    left, right = WAYS[kind]
    program = [["a", "left", [left]], ["b", "right", [right]], ["z", "ops.subtract", ["a", "b"]]]
    return graph(program, "z", children=CHILDREN)


def giving(output: Any) -> Data:
    """Return a net that gives two tensors in a container."""
    return graph([["a", "left", ["x"]], ["b", "right", ["x"]]], output, children=CHILDREN)


def _call(*inputs: Any, **more: Any) -> list[Any]:
    return ["call", {"inputs": list(inputs), **more}]


def _ready(spec: Data) -> list[Any]:
    return [["construct", {"spec": spec}], TO, SEED]


def _asked(steps: list[Any], *names: str) -> list[Any]:
    """Return asks of every call in some steps."""
    calls = [position for position, (verb, _) in enumerate(steps) if verb == "call"]
    return [[position, name] for position in calls for name in names]


def _case(name: str, clause: str, steps: list[Any], *names: str, **more: Any) -> Case:
    asked = _asked(steps, *(names or ("output",)))
    more["needs"] = (*more.get("needs", ()), *needs_of_calls(steps))
    more = {"oracle": "reference", "feature": "arguments", **more}
    return core_case(f"arguments.{name}", clause, steps, asked, **more)


def by_name() -> list[Case]:
    """Return the cases of inputs given by name."""
    named = _call(named={"x": X})
    return [
        _case("by-name", "A-1", [NET, TO, SEED, named, _call(named={"x": spread(3, 5)})]),
        _case("layer-by-name", "A-1", [DENSE, TO, SEED, named, _call(named={"x": spread(3, 5)}), CALL]),
        _case("by-name-after-position", "A-7", [NET, TO, SEED, CALL, named, CALL]),
        _case("by-name-inside", "A-1", [*_ready(INSIDE), CALL, _call(spread(3, 5)), named]),
        _case(
            "two-by-name",
            "A-1",
            [
                *_ready(TWO),
                _call(named={"y": spread(2, 5, salt=1), "x": X}),
                _call(named={"x": X, "y": spread(2, 5, salt=1)}),
                _call(X, named={"y": spread(2, 5, salt=1)}),
                _call(X, spread(2, 5, salt=1)),
            ],
        ),
        core_case(
            "arguments.unknown-name",
            "A-1",
            [*_ready(dense(3)), _call(named={"z": X}, goes_on=True), CALL],
            [[3, "error"], [3, "error.text"], [3, "states"], [4, "output"]],
            oracle="reference",
        ),
    ]


def nested() -> list[Case]:
    """Return the cases of containers, in and out."""
    found = []
    for kind in WAYS:
        word = kind.replace("_", "-")
        calls = [_call(held(kind, X, Y)), _call(held(kind, spread(3, 5), spread(3, 7, salt=1)))]
        found.append(
            _case(
                f"{word}-in", "A-2", [*_ready(taking(kind)), *calls, calls[0]], "output", "output.structure"
            )
        )
        steps = [*_ready(giving(held(kind, "a", "b"))), CALL, _call(spread(3, 5)), CALL]
        found.append(_case(f"{word}-out", "A-3", steps, "output.structure", "output", "output.owned"))
    deep = {"dict": {"pair": {"tuple": [X, {"dict": {"inner": Y}}]}, "scale": 2.5}}
    outside = {
        "list": [
            "a",
            {"dict": {"b": "b", "none": None, "three": 3}},
            {"named_tuple": {"left": "a", "right": True}},
        ]
    }
    return [
        *found,
        _case(
            "nested-deep-in",
            "A-2",
            [*_ready(DEEP), _call(deep), _call(deep)],
            needs=("core.arguments.dict-in",),
        ),
        _case(
            "nested-deep-out",
            "A-3",
            [*_ready(giving(outside)), CALL, _call(spread(3, 5))],
            "output.structure",
            "output",
            needs=("core.arguments.dict-out",),
        ),
        _case(
            "tuple-then-list",
            "A-7",
            [
                *_ready(taking("tuple")),
                _call(held("tuple", X, Y)),
                _call(held("list", X, Y)),
                _call(held("tuple", X, Y)),
            ],
            needs=("core.arguments.tuple-in",),
        ),
    ]


def flags() -> list[Case]:
    """Return the cases of inputs that are no tensors."""
    return [
        _case(
            "flags-by-type",
            "A-4",
            [*_ready(FLAGGED), *(_call(X, flag) for flag in (True, 1, 1.0, None, "=", True))],
        ),
        _case("flag-left-out", "A-4", [*_ready(FLAGGED), _call(X), _call(X, 2), _call(X)]),
        _case(
            "flag-by-name", "A-4", [*_ready(FLAGGED), _call(X, named={"y": True}), _call(X, named={"y": 1})]
        ),
        _case(
            "numbers",
            "A-4",
            [
                *_ready(
                    graph(
                        [["h", "dense", ["x"]], ["z", "operator.mul", ["h", "y"]]],
                        "z",
                        inputs=["x", "y"],
                        children={"dense": dense(3)},
                    )
                ),
                *(_call(X, number) for number in (2, 3, 2.5, -0.75, 2)),
            ],
        ),
    ]


def later() -> list[Case]:
    """Return the cases of later calls that are not like the first."""
    return [
        _case(
            "vector-after-matrix",
            "A-7",
            [NET, TO, SEED, CALL, _call(spread(5)), _call(spread(3, 5)), _call(spread(5))],
        ),
        _case("vector-first", "A-7", [NET, TO, SEED, _call(spread(5)), CALL, _call(spread(2, 3, 5))]),
        _case(
            "batch-sizes-of-two",
            "A-7",
            [*_ready(TWO), *(_call(spread(n, 5), spread(n, 5, salt=1)) for n in (2, 3, 7, 2))],
        ),
    ]


def alike() -> list[Case]:
    """Return the cases of what takes nested inputs as calls do, and of `to_numpy`."""
    both = held("dict", X, Y)
    return [
        core_case(
            "arguments.nested-infer",
            "A-5",
            [*_ready(taking("dict")), ["infer", {"shapes": [held("dict", [None, 5], [None, 7])]}]],
            [[3, "spec"], [3, "shapes"], [3, "states"]],
            needs=("core.arguments.dict-in",),
        ),
        core_case(
            "arguments.nested-apply-init",
            "A-5",
            [*_ready(taking("dict")), ["apply_init", {"inputs": [both]}], _call(both)],
            [[3, "values"], [4, "output"]],
            oracle="stream",
            needs=("core.arguments.dict-in",),
        ),
        _case("to-numpy", "A-6", [NET, TO, SEED, _call(X, as_numpy=True)], "output.numpy", "output"),
        _case(
            "to-numpy-nested",
            "A-6",
            [*_ready(giving({"dict": {"y": {"tuple": ["a", 3]}, "z": "b"}})), _call(X, as_numpy=True)],
            "output.numpy",
            "output.structure",
            "output",
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of arguments and outputs."""
    return [*by_name(), *nested(), *flags(), *later(), *alike()]

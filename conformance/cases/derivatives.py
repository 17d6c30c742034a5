"""Gradients through every function that has one: a user's forward is made of them."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .write import Case, Data, case, dense, graph

X = spread(3, 5)
PLAIN = "train.gradients.dense"
H, G = ("h", "first", ["x"]), ("g", "second", ["x"])
# Positive, for functions that need it; differentiated on the way.
POSITIVE: tuple[Any, ...] = (("s", "ops.multiply", ["h", "h"]), ("p", "ops.add", ["s", 0.5]))


# By function: its arguments and options; h and g are outputs of Dense layers of x.
TABLE: dict[str, tuple[list[Any], Data]] = {
    **{name: (["h"], {}) for name in ("negative", "abs", "exp", "square", "tanh", "sigmoid", "relu")},
    **{name: (["h"], {}) for name in ("leaky_relu", "gelu", "silu", "softmax", "log_softmax")},
    **{name: (["h"], {}) for name in ("sum", "mean", "max")},
    **{name: (["p"], {}) for name in ("log", "sqrt")},
    **{name: (["h", "g"], {}) for name in ("add", "subtract", "multiply", "maximum", "minimum")},
    "divide": (["h", "p"], {}),
    "cumsum": (["h"], {"axis": 1}),
    "pow": (["p", "g"], {}),
    "where": (["c", "h", "g"], {}),
    "clip": (["h"], {"low": -0.3, "high": 0.4}),
    "matmul": (["h", "t"], {}),
    "einsum": (["=ij,kj->ki", "h", "g"], {}),
    "reshape": (["h"], {"shape": [2, -1]}),
    "flatten": (["h"], {"start_axis": 0}),
    "expand_dims": (["h"], {"axis": 1}),
    "squeeze": (["e"], {"axis": 1}),
    "permute_dims": (["h"], {"axes": [1, 0]}),
    "concat": ([["h", "g"]], {"axis": 1}),
    "stack": ([["h", "g"]], {"axis": 1}),
    "split": (["h"], {"sizes": [1, 3], "axis": 1}),
    "pad": (["h"], {"widths": [[1, 0], [2, 1]], "value": 0.7}),
}
# Lines that make what some functions are called with.
MAKING: dict[str, tuple[Any, ...]] = {
    "p": POSITIVE,
    "c": (("c", "operator.gt", ["h", 0.0]),),
    "t": (("t", "ops.permute_dims", ["g"], {"axes": [1, 0]}),),
    "e": (("e", "ops.expand_dims", ["h"], {"axis": 1}),),
}


def cases() -> list[Case]:
    """Return a case for each function."""
    found = []
    for name, (arguments, options) in TABLE.items():
        flat = [each for one in arguments for each in (one if isinstance(one, list) else [one])]
        lines: list[Any] = [H, *((G,) if {"g", "t"} & set(flat) else ())]
        lines += [line for each in flat for line in MAKING.get(each, ())]
        called = name
        if name == "split":
            lines.append(("parts", "ops.split", arguments, options))
            called, arguments, options = "concat", ["parts"], {"axis": 1}
        lines.append(("y", f"ops.{called}", arguments, options))
        children = {"first": dense(4)} | ({"second": dense(4)} if G in lines else {})
        spec = graph([list(line) for line in lines], "y", children=children)
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            ["to", {}],
            ["initialize", {"seed": 5}],
            ["gradients", {"inputs": [X], "loss": "half-square-sum"}],
        ]
        found.append(
            case(
                f"train.gradients.ops.{name}",
                "G-1",
                steps,
                [[3, "gradients"]],
                feature="gradients",
                oracle="reference",
                needs=(PLAIN,),
            )
        )
    return found

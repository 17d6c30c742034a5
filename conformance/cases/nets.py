"""Nets, inputs and steps that many cases share."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers, spread

from .write import chain, dense, graph, law, layer

NET = ["construct", {"spec": chain(dense(7, activation="tanh"), dense(3))}]
KNOWN = ["construct", {"spec": chain(dense(7, in_features=5), dense(3, in_features=7))}]
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
UNREACHED = graph([["y", "used", ["x"]]], "y", children={"used": dense(3), "spare": dense(2)})
BUFFERED = graph(
    [["y", "ops.multiply", ["x", "self.factor"]], ["y", "inner", ["y"]]],
    "y",
    parameters={"factor": {"shape": [5], "buffer": True, "init": law("Constant", value=0.5)}},
    children={"inner": dense(3)},
)
# What most cases stand on, and a net that is ready.
CALLED = ("core.defer.first-call",)
READY: list[Any] = [NET, TO, SEED, CALL]

"""Cases of the core: state, sharing, errors."""

from __future__ import annotations

from typing import Any

from .core import (
    CALL,
    KNOWN,
    NET,
    RESIDUAL,
    SEED,
    TIED_MODULE,
    TIED_PARAMETER,
    TO,
    TOKENS,
    TWO_DENSE,
    UNREACHED,
    X,
    _core,
)
from .write import Case, chain, dense, graph, law, numbers, spread

CALLED = ("core.defer.first-call",)
READY: list[Any] = [NET, TO, SEED, CALL]
PARAMETERS: list[Any] = ["text", {"what": "parameters"}]
SUMMARY: list[Any] = ["text", {"what": "summary"}]
INFERRED: list[Any] = [NET, TO, SEED, ["infer", {"shapes": [[2, 5]]}]]


def state() -> list[Case]:
    """Return the cases of parameters: paths, values, copies, moves."""
    read = ["read", {"path": "0.weight"}]
    return [
        _core(
            "state.paths",
            "P-1",
            READY,
            [[1, "paths"], [3, "paths"], [3, "name"]],
            expect={"3": {"paths": ["0.weight", "0.bias", "1.weight", "1.bias"]}},
        ),
        _core(
            "state.paths-nested",
            "P-1",
            [["construct", {"spec": RESIDUAL}], TO, SEED, CALL],
            [[1, "paths"], [3, "paths"], [3, "name"]],
        ),
        _core("state.read-values", "P-2", [*READY, read], [[4, "value"]], oracle="stream", needs=CALLED),
        _core(
            "state.set-then-read",
            "P-2",
            [*READY, ["set", {"path": "0.weight", "data": spread(7, 5, salt=2)}], read],
            [[4, "values"], [5, "value"]],
            oracle="stream",
            needs=CALLED,
        ),
        _core(
            "state.set-then-call",
            "P-2",
            [*READY, ["set", {"path": "0.weight", "data": spread(7, 5, salt=2)}], CALL],
            [[5, "output"]],
            oracle="reference",
            needs=("core.state.set-then-read",),
        ),
        _core(
            "state.edit-one-element",
            "P-3",
            [*READY, ["edit", {"path": "0.weight", "index": [2, 3], "value": 42.0}], CALL],
            [[4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        _core(
            "state.edit-everything",
            "P-3",
            [*READY, ["edit", {"path": "1.bias", "value": 1.5, "add": True}], CALL],
            [[5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        _core(
            "state.set-another-shape",
            "P-4",
            [*READY, ["set", {"path": "0.weight", "data": spread(5, 7), "goes_on": True}], CALL],
            [[4, "error"], [4, "shapes"], [4, "values"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        _core(
            "state.set-another-shape-deferred",
            "P-4",
            [NET, TO, ["set", {"path": "0.weight", "data": spread(5, 7), "goes_on": True}], SEED, CALL],
            [[2, "error"], [2, "shapes"], [2, "states"], [4, "shapes"]],
        ),
        _core(
            "state.count",
            "P-5",
            [*READY, ["count", {}]],
            [[4, "count"]],
            oracle="published",
            expect={"4": {"count": 7 * 5 + 7 + 3 * 7 + 3}},
        ),
        _core(
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
        _core(
            "state.select-before-data",
            "P-6",
            [NET, TO, ["select", {"pattern": r".*bias"}]],
            [[2, "selected"]],
            expect={"2": {"selected": ["0.bias", "1.bias"]}},
        ),
        _core(
            "state.select-after-data",
            "P-6",
            [*READY, ["select", {"pattern": r"1\..*"}]],
            [[4, "selected"]],
            expect={"4": {"selected": ["1.weight", "1.bias"]}},
        ),
        _core(
            "state.select-whole-paths",
            "P-6",
            [*READY, ["select", {"pattern": "weight"}]],
            [[4, "selected"]],
            expect={"4": {"selected": []}},
        ),
        _core(
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
        _core(
            "state.copy-inferred",
            "P-7",
            [*INFERRED, ["copy", {"to": "twin"}], ["call", {"net": "twin", "inputs": [X]}], CALL],
            [[4, "states"], [4, "shapes"], [5, "values"], [5, "states"], [6, "values"]],
            oracle="stream",
            needs=CALLED,
        ),
        _core(
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
        _core(
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
        _core(
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
        _core(
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
        _core(
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
        _core(
            "state.move-and-back",
            "P-9",
            [*READY, ["to", {"backend": "numpy"}], CALL, ["to", {}], CALL],
            [[4, "values"], [5, "values"], [5, "output.shape"], [6, "values"], [7, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        _core(
            "state.move-while-deferred",
            "P-9",
            [NET, ["to", {"backend": "numpy"}], SEED, TO, CALL],
            [[3, "states"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        _core(
            "types.chosen-before-data",
            "P-10",
            [NET, ["to", {"dtype": "float64"}], SEED, CALL],
            [[1, "dtypes"], [3, "dtypes"], [3, "output.dtype"], [3, "output"]],
            oracle="reference",
            needs=CALLED,
            level="extras",
        ),
        _core(
            "types.chosen-after-data",
            "P-10",
            [*READY, ["to", {"dtype": "float64"}], CALL],
            [[4, "dtypes"], [4, "values"], [5, "output.dtype"], [5, "output"]],
            oracle="reference",
            needs=CALLED,
            level="extras",
        ),
        _core("state.to-returns-the-net", "P-12", [NET, TO], [[1, "same_object"], [1, "backend"]]),
        _core(
            "state.learned-and-not",
            "P-11",
            [["construct", {"spec": BUFFERED}], TO, SEED, CALL, ["count", {}]],
            [[3, "trainable"], [3, "kind"], [3, "values"], [3, "output"], [4, "count"]],
            oracle="reference",
        ),
        _core("state.texts", "P-15", [*READY, PARAMETERS, SUMMARY], [[4, "text"], [5, "text"]]),
        _core("state.texts-before-data", "P-15", [NET, TO, PARAMETERS, SUMMARY], [[2, "text"], [3, "text"]]),
    ]


BUFFERED = graph(
    [["y", "ops.multiply", ["x", "self.factor"]], ["y", "inner", ["y"]]],
    "y",
    parameters={"factor": {"shape": [5], "buffer": True, "init": law("Constant", value=0.5)}},
    children={"inner": dense(3)},
)


def sharing() -> list[Case]:
    """Return the cases of shared modules and parameters."""
    module: list[Any] = [["construct", {"spec": TIED_MODULE}], TO, SEED]
    parameter: list[Any] = [["construct", {"spec": TIED_PARAMETER}], TO, SEED]
    tokens = ["call", {"inputs": [TOKENS]}]
    first = ("core.share.module",)
    return [
        _core(
            "share.module",
            "S-1",
            [*module, CALL],
            [[1, "paths"], [1, "aliases"], [3, "shapes"]],
            expect={"1": {"paths": ["first.weight", "first.bias", "out.weight", "out.bias"]}},
        ),
        _core(
            "share.module-values",
            "S-1",
            [*module, CALL],
            [[3, "values"], [3, "output"]],
            oracle="reference",
            needs=first,
        ),
        _core(
            "share.module-at-two-positions",
            "S-1",
            [
                ["construct", {"spec": chain(dense(5), {"kind": "share", "path": "0"}, dense(3))}],
                TO,
                SEED,
                CALL,
            ],
            [[1, "paths"], [3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=first,
        ),
        _core(
            "share.count",
            "P-5",
            [*module, CALL, ["count", {}]],
            [[4, "count"]],
            oracle="published",
            expect={"4": {"count": 5 * 5 + 5 + 3 * 5 + 3}},
            needs=first,
        ),
        _core(
            "share.parameter-two-layers",
            "S-2",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 5, salt=4)]}]],
            [[1, "paths"], [1, "aliases"], [3, "shapes"], [3, "output"]],
            oracle="reference",
        ),
        _core(
            "embedding.tied",
            "S-2",
            [*parameter, tokens],
            [[1, "paths"], [3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
            level="layers",
        ),
        _core(
            "share.owner-first",
            "S-3",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X], "path": "left"}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
        _core(
            "share.sharer-first",
            "S-3",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X], "path": "right"}]],
            [[3, "shapes"], [3, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
        _core(
            "share.inconsistent",
            "S-4",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 11)]}]],
            [[3, "error"], [3, "shapes"], [3, "states"]],
            needs=("core.share.parameter-two-layers",),
        ),
        _core(
            "share.module-inconsistent",
            "S-4",
            [["construct", {"spec": chain(dense(7), {"kind": "share", "path": "0"})}], TO, SEED, CALL],
            [[3, "error"], [3, "shapes"], [3, "states"]],
            needs=first,
        ),
        _core(
            "share.copy",
            "S-5",
            [
                *module,
                CALL,
                ["copy", {"to": "twin"}],
                ["set", {"net": "twin", "path": "again.weight", "data": spread(5, 5, salt=5)}],
                ["call", {"net": "twin", "inputs": [X]}],
                CALL,
            ],
            [[4, "aliases"], [5, "values"], [6, "output"], [7, "output"]],
            oracle="reference",
            needs=first,
        ),
        _core(
            "embedding.tied-copy",
            "S-5",
            [*parameter, tokens, ["copy", {"to": "twin"}], ["call", {"net": "twin", "inputs": [TOKENS]}]],
            [[4, "aliases"], [4, "paths"], [5, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
        _core(
            "share.pickle",
            "S-5",
            [
                *module,
                CALL,
                ["pickle", {"to": "twin"}],
                ["to", {"net": "twin"}],
                ["call", {"net": "twin", "inputs": [X]}],
            ],
            [[4, "aliases"], [6, "output"]],
            oracle="reference",
            needs=first,
        ),
        _core(
            "embedding.tied-set",
            "S-6",
            [
                *parameter,
                tokens,
                ["set", {"path": "out.weight", "data": spread(11, 5, salt=5)}],
                ["read", {"path": "embed.weight"}],
                tokens,
            ],
            [[5, "value"], [6, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
        _core(
            "share.drawn-once",
            "S-7",
            [
                ["construct", {"spec": TIED_MODULE}],
                TO,
                ["initialize", {"law": law("Ramp", counted=True)}],
                CALL,
            ],
            [[3, "law_calls"]],
            expect={"3": {"law_calls": [["first.weight", [5, 5]], ["out.weight", [3, 5]]]}},
            needs=first,
        ),
        _core(
            "share.tied-after-call",
            "S-2",
            [
                ["construct", {"spec": TWO_INPUTS_EQUAL}],
                TO,
                SEED,
                ["call", {"inputs": [X, spread(2, 5, salt=4)]}],
                ["tie", {"there": "right.weight", "here": "left.weight"}],
                ["call", {"inputs": [X, spread(2, 5, salt=4)]}],
            ],
            [[4, "paths"], [5, "output"]],
            oracle="reference",
            needs=("core.share.parameter-two-layers",),
        ),
        _core(
            "embedding.tied-move",
            "S-2",
            [*parameter, tokens, ["to", {"backend": "numpy"}], ["to", {}], tokens],
            [[5, "aliases"], [6, "output"]],
            oracle="reference",
            needs=("layers.embedding.tied",),
            level="layers",
        ),
    ]


TWO_INPUTS_EQUAL = graph(
    [["a", "left", ["x"]], ["b", "right", ["y"]], ["z", "ops.add", ["a", "b"]]],
    "z",
    inputs=["x", "y"],
    children={"left": dense(3), "right": dense(3)},
)


SCALED = graph(
    [["y", "ops.multiply", ["x", "self.gain"]]],
    "y",
    parameters={"gain": {"shape": [None], "role": "scale"}},
    build={"gain": ["x.-1"]},
)
FAILING = law("Failing", path="1.weight")
# All elements in one row, so that the batch's size matters.
FLAT = [["y", "ops.reshape", ["x"], {"shape": [1, -1]}]]


def errors() -> list[Case]:
    """Return the cases of bad input: class, path, expected, received, and nothing changed."""
    after = CALLED
    deep = chain(dense(7), chain(dense(5), dense(2, in_features=11)))

    def bad(name: str, clause: str, steps: list[Any], **more: Any) -> Case:
        last = len(steps) - 1
        return _core(f"error.{name}", clause, steps, [[last, "error"], [last, "states"]], **more)

    in_a_tree = [["construct", {"spec": deep}], TO, SEED, CALL]
    rows = [
        _core("error.size-deep-in-a-tree", "E-1", in_a_tree, [[3, "error"]]),
        bad("size-known-to-constructor", "E-1", [KNOWN, TO, SEED, ["call", {"inputs": [spread(2, 11)]}]]),
        bad("size-after-data", "E-1", [*READY, ["call", {"inputs": [spread(3, 11)]}]], needs=after),
        bad(
            "shapes-that-do-not-broadcast",
            "E-6",
            [
                ["construct", {"spec": chain(dense(7), SCALED)}],
                TO,
                ["set", {"path": "1.gain", "data": spread(6)}],
                CALL,
            ],
        ),
        bad(
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
        bad("size-in-infer", "E-1", [KNOWN, TO, ["infer", {"shapes": [[2, 11]]}]]),
        bad("size-zero", "E-1", [NET, TO, ["call", {"inputs": [numbers([[], []])]}]]),
        bad(
            "rank-zero", "E-2", [["construct", {"spec": dense(3)}], TO, ["call", {"inputs": [numbers(3.0)]}]]
        ),
        bad(
            "integers-to-dense",
            "E-3",
            [["construct", {"spec": dense(3)}], TO, ["call", {"inputs": [numbers([[1, 2]], "int32")]}]],
        ),
        bad("read-declared", "E-4", [NET, TO, ["read", {"path": "1.weight"}]]),
        bad("read-native", "E-4", [NET, TO, ["read", {"path": "0.weight", "what": "native"}]]),
        bad("read-shaped", "E-4", [KNOWN, TO, ["read", {"path": "0.weight"}]]),
        bad("edit-declared", "E-4", [NET, TO, ["edit", {"path": "0.weight", "value": 1.0}]]),
        bad("read-gradient", "E-4", [NET, TO, ["read", {"path": "0.weight", "what": "grad"}]]),
        bad("law-that-raises", "N-12", [NET, TO, ["initialize", {"law": FAILING}], CALL]),
        bad("pattern-of-nothing", "E-7", [NET, TO, ["initialize", {"patterns": {"wieght": FAILING}}]]),
        bad(
            "sharing-places-of-two-sizes",
            "S-4",
            [["construct", {"spec": TWO_DENSE}], TO, SEED, ["call", {"inputs": [X, spread(2, 11)]}]],
        ),
        bad(
            "one-module-at-places-of-two-sizes",
            "S-4",
            [["construct", {"spec": chain(dense(7), {"kind": "share", "path": "0"})}], TO, SEED, CALL],
        ),
        bad(
            "buffer-to-be-trained",
            "P-11",
            [["construct", {"spec": BUFFERED}], ["freeze", {"path": "factor", "trainable": True}]],
        ),
        bad("unreached-parameter", "E-8", [["construct", {"spec": UNREACHED}], TO, SEED, CALL]),
    ]
    texts = [
        _core(
            f"{row['id'].removeprefix('core.')}.text",
            "E-5",
            row["steps"],
            [[len(row["steps"]) - 1, "error.text"]],
            needs=(row["id"], *(f"{each['id']}.text" for each in rows[:1] if each is not row)),
            feature="error",
        )
        for row in rows
    ]
    recover = [
        _core(
            "error.recover-after-wrong-size",
            "E-6",
            [NET, TO, SEED, ["call", {"inputs": [numbers([[], []])], "goes_on": True}], CALL],
            [[4, "values"], [4, "output"]],
            oracle="reference",
            needs=after,
        ),
        _core(
            "error.recover-after-deep-mismatch",
            "E-6",
            [
                ["construct", {"spec": deep}],
                TO,
                SEED,
                ["call", {"inputs": [X], "goes_on": True}],
                ["assign", {"path": "1.1", "spec": dense(2)}],
                CALL,
            ],
            [[5, "values"], [5, "output"]],
            oracle="reference",
            needs=after,
        ),
        _core(
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
            needs=after,
        ),
        _core(
            "error.recover-after-early-read",
            "E-6",
            [NET, TO, SEED, ["read", {"path": "0.weight", "goes_on": True}], CALL],
            [[4, "values"], [4, "output"]],
            oracle="reference",
            needs=after,
        ),
    ]
    return [*rows, *texts, *recover]


def cases() -> list[Case]:
    """Return all of them."""
    return [*state(), *sharing(), *errors()]

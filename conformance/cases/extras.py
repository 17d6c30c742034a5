"""Cases of native modules, of scripts in the framework's own API, and of compiled calls."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers, spread
from isomorph.conformance.layers import RECORDS
from isomorph.conformance.model.rules import declared

from .layers import FORMATS, PLAIN, feature_of, input_for
from .nets import CALL, NET, RESIDUAL, SEED, TO, TOKENS, X
from .write import Case, Data, case, chain, dense, layer, values_for

WATCHED: list[Any] = ["call", {"inputs": [X], "watched": True}]
NETS = {
    "mlp": (chain(dense(7, activation="relu"), dense(3)), (2, 5)),
    "composite": (RESIDUAL, (2, 5)),
    "conv": (
        chain(
            layer("Conv2d", out_channels=5, kernel_size=3, padding="same"),
            layer("ReLU"),
            layer("MaxPool2d", kernel_size=2),
            layer("Flatten"),
            dense(3),
        ),
        (2, 3, 11, 7),
    ),
    "norm": (chain(dense(7), layer("LayerNorm"), layer("GELU"), dense(3)), (2, 5)),
}
COMPILED: list[Any] = [
    ["construct", {"spec": NETS["mlp"][0]}],
    ["to", {"compile": True}],
    SEED,
    CALL,
]
AFTER_EAGER: dict[str, Any] = {"needs": ("extras.compile.equals-eager.mlp",), "timeout": 120.0}


def _extra(name: str, clause: str, steps: list[Any], ask: list[Any], **more: Any) -> Case:
    return case(f"extras.{name}", clause, steps, ask, feature=more.pop("feature", name.split(".")[0]), **more)


def native_layers() -> list[Case]:
    """Return the cases of each layer's native object: its class, its parameters, and what it defers."""
    found: list[Case] = []
    for kind, (spec, shape) in PLAIN.items():
        x = numbers([[1, 2]], "int64") if RECORDS[kind].takes_indices else spread(*shape)
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            TO,
            SEED,
            ["call", {"inputs": [x]}],
            ["native", {}],
        ]
        parameters = declared(spec).values()
        asked: list[Any] = [[4, "native.class", {"kind": kind}]]
        stem = f"native.{feature_of(spec)}"
        found.append(_extra(f"{stem}.class", "W-1", steps, asked, oracle="profile"))
        if parameters:
            asked = [[4, "native.names", {"kind": kind}], [4, "native.memory"]]
            found.append(_extra(f"{stem}.parameters", "W-2", steps, asked, oracle="profile"))
        if any(None in each.shape for each in parameters):
            steps = [["construct", {"spec": spec}], TO, SEED, ["native", {}]]
            asked = [[3, "native.class", {"kind": kind}], [3, "native.memory"]]
            found.append(_extra(f"{stem}.deferred", "W-3", steps, asked))
    return found


def native_nets() -> list[Case]:
    """Return the cases of a whole net's native objects."""
    return [
        _extra("native.chain.deferred", "W-3", [NET, TO, SEED, ["native", {}]], [[3, "native.memory"]]),
        _extra(
            "native.chain.set-at-once",
            "W-3",
            [
                ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}],
                TO,
                ["set", {"path": "weight", "data": spread(11, 3)}],
                ["native", {}],
            ],
            [[3, "native.memory"]],
        ),
        _extra("native.chain.ready", "W-2", [NET, TO, SEED, CALL, ["native", {}]], [[4, "native.memory"]]),
        _extra(
            "native.composite.deferred",
            "W-3",
            [["construct", {"spec": RESIDUAL}], TO, SEED, ["native", {}]],
            [[3, "native.memory"]],
        ),
        _extra(
            "native.composite.infer-holds-nothing",
            "W-3",
            [["construct", {"spec": RESIDUAL}], TO, SEED, ["infer", {"shapes": [[2, 5]]}], ["native", {}]],
            [[4, "native.memory"]],
        ),
        _extra(
            "native.composite.user-class",
            "W-4",
            [["construct", {"spec": RESIDUAL}], TO, SEED, CALL, ["native", {}]],
            [[4, "native.user_class"]],
        ),
    ]


def tensors() -> list[Case]:
    """Return the cases of whose tensors come out."""
    return [
        _extra("native.tensors.numpy-in", "W-5", [NET, TO, SEED, CALL], [[3, "output.owned"]]),
        _extra(
            "native.tensors.native-in",
            "W-5",
            [NET, TO, SEED, ["call", {"inputs": [X], "as_native": True}]],
            [[3, "output.owned"], [3, "output"]],
            oracle="reference",
        ),
        _extra(
            "native.tensors.integers-in",
            "W-5",
            [
                ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}],
                TO,
                SEED,
                ["call", {"inputs": [TOKENS], "as_native": True}],
            ],
            [[3, "output.owned"], [3, "output"]],
            oracle="reference",
        ),
    ]


def variables() -> list[Case]:
    """Return the cases of a framework's own state tree."""
    return [
        _extra(
            "native.variables",
            "W-6",
            [NET, TO, SEED, CALL, ["variables", {}], CALL],
            [[4, "tree"], [5, "values"], [5, "output"]],
            oracle="reference",
        ),
        _extra(
            "native.variables-while-deferred",
            "W-6",
            [NET, TO, SEED, ["variables", {}], CALL],
            [[3, "tree"], [3, "states"], [4, "values"], [4, "output"]],
            oracle="reference",
            needs=("extras.native.variables",),
        ),
        _extra(
            "native.variables-of-another-net",
            "W-6",
            [
                *(NET, TO, SEED, CALL, ["copy", {"to": "twin"}]),
                ["set", {"net": "twin", "path": "0.weight", "data": spread(7, 5, salt=2)}],
                ["variables", {"source": "twin"}],
                CALL,
            ],
            [[6, "values"], [7, "output"]],
            oracle="reference",
            needs=("extras.native.variables",),
        ),
    ]


def scripts() -> list[Case]:
    """Return the cases of scripts in the framework's own API; each imports the framework once more."""
    formats = [(*row, data_format) for row in PLAIN.values() for data_format in FORMATS.values()]
    asked = {"dense": [row for row in formats if row[0]["kind"] == "Dense"][:1], "layers": formats}
    return [
        _extra(
            f"native.script.{name}",
            "W-7",
            (steps := _script_steps(rows)),
            [[len(steps) - 1, "output"]],
            oracle="reference",
            timeout=120.0,
        )
        for name, rows in asked.items()
    ]


def _script_steps(rows: list[tuple[Data, tuple[int, ...], str]]) -> list[Any]:
    steps: list[Any] = []
    inputs = {}
    for spec, shape, data_format in rows:
        net = f"{feature_of(spec)}-{data_format}"
        steps += [
            ["construct", {"spec": spec, "net": net}],
            ["to", {"data_format": data_format, "net": net}],
            ["mode", {"training": False, "net": net}],
        ]
        if values := values_for(spec, shape, data_format):
            steps.append(["set_all", {"values": values, "net": net}])
        inputs[net] = input_for(spec, shape)
    return [*steps, ["native_script", {"inputs": inputs}]]


def equal_to_eager() -> list[Case]:
    """Return a case for each net whose compiled call has to equal the eager one."""
    found: list[Case] = []
    for name, (spec, shape) in NETS.items():
        x = spread(*shape)
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            ["to", {"compile": False}],
            SEED,
            ["call", {"inputs": [x]}],
            ["to", {"compile": True}],
            ["call", {"inputs": [x]}],
        ]
        found.append(
            _extra(
                f"compile.equals-eager.{name}",
                "C-1",
                steps,
                [[5, "output", {"like": 3}], [5, "output"]],
                oracle="relation",
                timeout=120.0,
            )
        )
    return found


def compiled() -> list[Case]:
    """Return the cases of what compiled calls run and take."""
    return [
        _extra(
            "compile.before-data",
            "C-1",
            COMPILED,
            [[3, "values"], [3, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
        _extra(
            "compile.runs-no-python",
            "C-4",
            [
                ["construct", {"spec": RESIDUAL}],
                ["to", {"compile": True}],
                SEED,
                CALL,
                CALL,
                WATCHED,
                ["to", {"compile": False}],
                WATCHED,
            ],
            [[5, "compiled"], [7, "eager"]],
            **AFTER_EAGER,
        ),
        _extra(
            "compile.another-batch-size",
            "C-2",
            [*COMPILED, ["call", {"inputs": [spread(11, 5)]}]],
            [[4, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
        _extra(
            "compile.another-feature-size",
            "C-2",
            [*COMPILED, ["call", {"inputs": [spread(2, 11)]}]],
            [[4, "error"]],
            **AFTER_EAGER,
        ),
    ]


def followed() -> list[Case]:
    """Return the cases of changes that compiled calls follow."""
    return [
        _extra(
            "compile.follows-values",
            "C-3",
            [*COMPILED, ["set", {"path": "1.bias", "data": spread(3, salt=5)}], CALL],
            [[5, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
        _extra(
            "compile.follows-force",
            "C-3",
            [*COMPILED, ["initialize", {"seed": 12, "force": True}], CALL],
            [[5, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
        _extra(
            "compile.follows-modes",
            "C-3",
            [
                ["construct", {"spec": chain(dense(3), layer("BatchNorm"))}],
                ["to", {"compile": True}],
                SEED,
                ["call", {"inputs": [spread(7, 5)]}],
                ["mode", {"training": False}],
                ["call", {"inputs": [spread(7, 5)]}],
            ],
            [[3, "statistics"], [3, "output"], [5, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
        _extra(
            "compile.off-and-on",
            "C-1",
            [*COMPILED, ["to", {"compile": False}], CALL, ["to", {"compile": True}], CALL],
            [[5, "output"], [7, "output"]],
            oracle="reference",
            **AFTER_EAGER,
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of native objects, tensors, state trees, scripts and compiled calls."""
    return [
        *native_layers(),
        *native_nets(),
        *tensors(),
        *variables(),
        *scripts(),
        *equal_to_eager(),
        *compiled(),
        *followed(),
    ]

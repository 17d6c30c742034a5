"""Cases of arguments and forwards together with further layers, gradients and compilers."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers, spread

from .arguments import DEEP, FLAGGED, TWO, Y, held, taking
from .forwards import (
    ANOTHER,
    ASKED,
    AUTOENCODER,
    HALF,
    HELD,
    LISTED,
    RUNNING,
    TWICE,
    asked,
    ready,
)
from .nets import CALL, TOKENS, X
from .write import Case, Data, case, graph, layer, train_case

EMBED = layer("Embedding", num_embeddings=11, embedding_dim=5)
TIED_HEAD = graph(
    [
        ["h", "embed", ["x"]],
        ["w", "ops.permute_dims", ["self.embed.weight"], {"axes": [1, 0]}],
        ["y", "ops.matmul", ["h", "w"]],
    ],
    "y",
    children={"embed": EMBED},
)
STATISTICS = graph(
    [
        ["m", "operator.mul", ["self.norm.running_mean", 2.0]],
        ["h", "norm", ["x"]],
        ["y", "ops.add", ["h", "m"]],
        ["z", "ops.multiply", ["y", "self.norm.weight"]],
    ],
    "z",
    children={"norm": layer("BatchNorm", in_features=5)},
)
FILTERS = graph(
    [["h", "conv", ["x"]]],
    ["h", "self.conv.weight"],
    children={"conv": layer("Conv2d", out_channels=5, kernel_size=[2, 3])},
)
# Updates a buffer, then looks up what may not be there.
FAILING = graph(
    [
        ["a", "operator.add", ["self.running", 1.0]],
        ["u", "self.running.update", ["a"]],
        ["h", "embed", ["x"]],
        ["y", "ops.add", ["h", "self.running"]],
    ],
    "y",
    parameters={"running": HALF},
    children={"embed": EMBED},
)
BAD = numbers([[1, 11]], "int64")


def _layers(name: str, steps: list[Any], asks: list[Any], clause: str = "F-1") -> Case:
    feature = name.partition(".")[0]
    needs = (f"layers.{feature}.plain.values",)
    return case(f"layers.{name}", clause, steps, asks, feature=feature, oracle="reference", needs=needs)


def with_layers() -> list[Case]:
    """Return the cases of layers whose parameters a net's forward reads."""
    tokens: list[Any] = ["call", {"inputs": [TOKENS]}]
    few: list[Any] = ["call", {"inputs": [numbers([[1, 4]], "int64")]}]
    evaluate: list[Any] = ["mode", {"training": False}]
    batch: list[Any] = ["call", {"inputs": [spread(7, 5)]}]
    image: list[Any] = ["call", {"inputs": [spread(2, 7, 5, 3)]}]
    tied, filters = [*ready(TIED_HEAD), tokens, few], [*ready(FILTERS, data_format="channels_last"), image]
    norm = [*ready(STATISTICS), batch, batch, evaluate, batch]
    failing = [*ready(FAILING), tokens, ["call", {"inputs": [BAD], "goes_on": True}], tokens]
    return [
        _layers("embedding.tied-head", tied, asked(tied, "output")),
        _layers("conv2d.weight-read-by-parent", filters, asked(filters, "output")),
        _layers("batchnorm.statistics-read-by-parent", norm, asked(norm, "output", "statistics")),
        _layers(
            "embedding.failed-call-undoes-updates",
            failing,
            [[4, "error"], [4, "statistics"], [5, "output"], [5, "statistics"]],
            "F-5",
        ),
    ]


def trained() -> list[Case]:
    """Return the cases of gradients."""
    rows: dict[str, tuple[str, Data, list[Any]]] = {
        "nested-inputs": ("A-5", taking("dict"), [held("dict", X, Y)]),
        "read-by-parent": ("F-2", AUTOENCODER, [X]),
        "listed-parameters": ("F-2", LISTED, [X]),
        "tied-head": ("F-2", TIED_HEAD, [TOKENS]),
        "with-updates": ("F-5", RUNNING, [X]),
    }
    found = []
    for name, (clause, spec, inputs) in rows.items():
        steps = [*ready(spec), ["gradients", {"inputs": inputs, "loss": "half-square-sum"}]]
        asks: list[Any] = [[3, "gradients"], [3, "statistics"]]
        needs = ("train.gradients.dense",)
        found.append(train_case(f"gradients.{name}", clause, steps, asks, oracle="reference", needs=needs))
    return found


def _compiled(name: str, clause: str, spec: Data, calls: list[Any], *names: str) -> Case:
    steps = [*ready(spec, compile=True), *calls]
    asks = asked(steps, *(names or ("output",)))
    needs = ("extras.compile.equals-eager.mlp",)
    return case(
        f"extras.compile.{name}",
        clause,
        steps,
        asks,
        feature="compile",
        oracle="reference",
        needs=needs,
        timeout=120.0,
    )


def compiled() -> list[Case]:
    """Return the cases of compiled calls."""
    deep = {"dict": {"pair": {"tuple": [X, {"dict": {"inner": Y}}]}, "scale": 2.5}}
    flags: list[Any] = [["call", {"inputs": [X, flag]}] for flag in (True, 1, True)]
    change: list[Any] = ["change", {"path": "table.:scale", "value": 4.0}]
    two, names = {"inputs": [X, spread(2, 5, salt=1)]}, {"inputs": [X], "named": {"y": spread(2, 5, salt=1)}}
    return [
        _compiled("nested", "A-2", DEEP, [["call", {"inputs": [deep]}]] * 2),
        _compiled("flags", "A-4", FLAGGED, flags),
        _compiled("read-by-parent", "F-1", AUTOENCODER, [CALL, ANOTHER]),
        _compiled("batch-size-compared", "F-3", ASKED["compared"], [CALL, ANOTHER, CALL]),
        _compiled(
            "batch-size-returned",
            "F-3",
            ASKED["returned"],
            [CALL, ANOTHER, CALL],
            "output",
            "output.structure",
        ),
        _compiled("follows-containers", "F-4", HELD, [CALL, change, CALL]),
        _compiled("updates", "F-5", RUNNING, [CALL, ANOTHER, CALL], "output", "statistics"),
        _compiled("updates-see-each-other", "F-5", TWICE, [CALL, CALL], "output", "statistics"),
        *(
            case(
                f"extras.compile.{name}-runs-no-python",
                "C-4",
                [*ready(spec, compile=True), *([["call", given]] * 2), ["call", {**given, "watched": True}]],
                [[5, "compiled"]],
                feature="compile",
                needs=("extras.compile.runs-no-python",),
                timeout=120.0,
            )
            for name, spec, given in (
                ("two-inputs", TWO, two),
                ("named-input", TWO, names),
                ("nested-input", taking("dict"), {"inputs": [held("dict", X, Y)]}),
            )
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of each."""
    return [*with_layers(), *trained(), *compiled()]

"""Cases of gradients: of each layer, of shared parameters, and of what asking for them changes."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import indices, numbers, spread
from isomorph.conformance.layers import activations

from .layers import in_format
from .modes import NORM
from .nets import CALL, NET, SEED, TIED_MODULE, TIED_PARAMETER, TO, TOKENS, X
from .write import Case, Data, chain, dense, graph, layer, train_case

PLAIN = ("train.gradients.dense",)
CONV = ("train.gradients.conv2d",)
SMALL = (2, 3, 5, 4)
CONVS: dict[str, Data] = {
    "stride": {"stride": 2},
    "padding": {"padding": 1},
    "same": {"padding": "same", "stride": 2},
    "dilation": {"dilation": 2},
    "groups": {"groups": 3, "out_channels": 3},
    "kernel-pair": {"kernel_size": [1, 2]},
    "no-bias": {"bias": False},
}
IDLE = graph([["h", "unused", ["x"]], ["y", "ops.relu", ["x"]]], "y", children={"unused": dense(3)})
EMBED = layer("Embedding", num_embeddings=7, embedding_dim=3)


def _row(
    name: str,
    clause: str,
    spec: Data,
    inputs: list[Data],
    *,
    loss: str = "half-square-sum",
    training: bool = False,
    data_format: str = "channels_first",
    needs: tuple[str, ...] = (),
) -> Case:
    steps: list[Any] = [
        ["construct", {"spec": spec}],
        ["to", {"data_format": data_format} if data_format != "channels_first" else {}],
        ["initialize", {"seed": 11}],
        ["mode", {"training": training}],
        ["gradients", {"inputs": inputs, "loss": loss}],
    ]
    return train_case(f"gradients.{name}", clause, steps, [[4, "gradients"]], oracle="reference", needs=needs)


def _conv2d(**options: Any) -> Data:
    return layer("Conv2d", **{"out_channels": 2, "kernel_size": 2, **options})


def _gain() -> Data:
    return graph(
        [["y", "ops.multiply", ["x", "self.gain"]]],
        "y",
        parameters={"gain": {"shape": [None], "role": "weight"}},
        build={"gain": ["x.-1"]},
    )


def of_dense() -> list[Case]:
    """Return the cases of dense layers, and of a user's own parameter."""
    return [
        _row("dense", "G-1", dense(3), [X]),
        _row("dense-sum", "G-1", dense(3), [X], loss="sum", needs=PLAIN),
        _row("dense-mean-cube", "G-1", dense(3), [X], loss="mean-cube", needs=PLAIN),
        _row("dense-no-bias", "G-1", dense(3, bias=False), [X], needs=PLAIN),
        _row("dense-rank-3", "G-1", dense(3), [spread(2, 3, 5)], needs=PLAIN),
        *(
            _row(f"dense-{name}", "G-1", dense(3, activation=name), [X], needs=PLAIN)
            for name in ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax")
        ),
        _row("chain", "G-1", chain(dense(7, activation="tanh"), dense(3)), [X], needs=PLAIN),
        _row("own-parameter", "G-1", chain(dense(7), _gain()), [X], needs=PLAIN),
    ]


def of_convolutions() -> list[Case]:
    """Return the cases of convolutions, and of pools behind them."""
    return [
        _row("conv1d", "G-1", layer("Conv1d", out_channels=2, kernel_size=3), [spread(2, 3, 7)]),
        _row("conv2d", "G-1", _conv2d(), [spread(*SMALL)]),
        _row(
            "conv2d.last",
            "G-1",
            _conv2d(),
            [spread(*in_format(SMALL, "channels_last"))],
            data_format="channels_last",
            needs=CONV,
        ),
        *(
            _row(f"conv2d-{name}", "G-1", _conv2d(**options), [spread(*SMALL)], needs=CONV)
            for name, options in CONVS.items()
        ),
        *(
            _row(f"conv2d-then-{name}", "G-1", chain(_conv2d(), spec), [spread(*SMALL)], needs=CONV)
            for name, spec in (
                ("maxpool", layer("MaxPool2d", kernel_size=2)),
                ("avgpool", layer("AvgPool2d", kernel_size=2)),
                ("avgpool-padding", layer("AvgPool2d", kernel_size=2, padding=1)),
                ("globalavgpool", layer("GlobalAvgPool2d")),
                ("flatten-dense", chain(layer("Flatten"), dense(3))),
            )
        ),
    ]


def of_norms() -> list[Case]:
    """Return the cases of norms and activations."""
    return [
        _row("batchnorm-evaluation", "G-1", chain(dense(3), NORM, dense(2)), [X], needs=PLAIN),
        _row(
            "batchnorm-training",
            "G-4",
            chain(dense(3), NORM, dense(2)),
            [spread(5, 7)],
            training=True,
            needs=PLAIN,
        ),
        _row(
            "batchnorm-image-training",
            "G-4",
            chain(_conv2d(), NORM),
            [spread(*SMALL)],
            training=True,
            loss="mean-cube",
            needs=CONV,
        ),
        _row("layernorm", "G-1", chain(dense(5), layer("LayerNorm"), dense(2)), [X], needs=PLAIN),
        _row(
            "groupnorm", "G-1", chain(dense(6), layer("GroupNorm", num_groups=2), dense(2)), [X], needs=PLAIN
        ),
        *(
            _row(f"{kind.lower()}", "G-1", chain(dense(5), layer(kind), dense(2)), [X], needs=PLAIN)
            for kind in (each.name for each in activations.RECORDS)
        ),
    ]


def of_shared() -> list[Case]:
    """Return the cases of embeddings, of what is shared, and of what is unused."""
    return [
        _row("embedding", "G-1", chain(EMBED, dense(2)), [indices(2, 3, below=7)], needs=PLAIN),
        _row(
            "embedding-repeated-rows",
            "G-3",
            chain(EMBED, dense(2)),
            [numbers([[1, 1, 4], [1, 6, 4]], "int64")],
            needs=("train.gradients.embedding",),
        ),
        _row("tied-module", "G-2", TIED_MODULE, [X], needs=PLAIN),
        _row(
            "tied-parameter-two-layouts",
            "G-2",
            TIED_PARAMETER,
            [TOKENS],
            needs=("train.gradients.embedding",),
        ),
        _row("unused-parameters", "G-1", IDLE, [X], needs=PLAIN),
        _row("dropout-evaluation", "G-1", chain(dense(5), layer("Dropout"), dense(2)), [X], needs=PLAIN),
    ]


def on_nets() -> list[Case]:
    """Return the cases of what asking for gradients does to a net."""
    return [
        train_case(
            "gradients.make-a-net-ready",
            "G-5",
            [NET, TO, SEED, ["gradients", {"inputs": [X], "loss": "sum"}]],
            [[3, "states"], [3, "values"], [3, "gradients"]],
            oracle="reference",
            needs=PLAIN,
        ),
        train_case(
            "gradients.of-learned-only",
            "G-5",
            [
                ["construct", {"spec": chain(dense(3), NORM)}],
                TO,
                SEED,
                ["gradients", {"inputs": [spread(5, 7)], "loss": "mean-cube"}],
            ],
            [[3, "gradients"]],
            oracle="reference",
            needs=PLAIN,
        ),
        train_case(
            "gradients.change-no-value",
            "G-5",
            [NET, TO, SEED, CALL, ["gradients", {"inputs": [X], "loss": "sum"}]],
            [[4, "values"]],
            oracle="stream",
            needs=PLAIN,
        ),
        train_case(
            "gradients.move-statistics-once",
            "M-3",
            [
                ["construct", {"spec": chain(dense(3), NORM)}],
                TO,
                SEED,
                ["gradients", {"inputs": [spread(5, 7)], "loss": "mean-cube"}],
            ],
            [[3, "statistics"]],
            oracle="reference",
            needs=("train.gradients.of-learned-only",),
        ),
        train_case(
            "gradients.after-another-loss",
            "G-1",
            [
                NET,
                TO,
                SEED,
                ["gradients", {"inputs": [X], "loss": "sum"}],
                ["gradients", {"inputs": [X], "loss": "half-square-sum"}],
            ],
            [[4, "gradients"]],
            oracle="reference",
            needs=PLAIN,
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of gradients through layers, of shared parameters, and of nets asked for them."""
    return [*of_dense(), *of_convolutions(), *of_norms(), *of_shared(), *on_nets()]

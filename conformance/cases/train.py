"""Cases of training: modes, running statistics, gradients."""

from __future__ import annotations

from typing import Any

from . import derivatives
from .core import CALL, NET, SEED, TIED_MODULE, TIED_PARAMETER, TO, TOKENS, X
from .layers import FORMATS, in_format
from .write import Case, Data, case, chain, dense, graph, indices, layer, numbers, spread, values_for

IMAGE = (2, 3, 5, 7)
NORM = layer("BatchNorm")


def _train(name: str, clause: str, steps: list[Any], ask: list[Any], **more: Any) -> Case:
    feature = more.pop("feature", name.split(".")[0])
    return case(f"train.{name}", clause, steps, ask, feature=feature, **more)


def _norm(spec: Data, shape: tuple[int, ...], data_format: str = "channels_first") -> list[Any]:
    shape = in_format(shape, data_format)
    to = {"data_format": data_format} if data_format != "channels_first" else {}
    values = values_for(spec, shape, data_format)
    return [["construct", {"spec": spec}], ["to", to], ["set_all", {"values": values}]]


def modes() -> list[Case]:
    """Return the cases of modes and of state that calls change."""
    reference: dict[str, Any] = {"oracle": "reference"}
    plain = "train.batchnorm.batch-statistics.plain"
    statistics = "train.batchnorm.running.one-step"
    found: list[Case] = []
    shapes = {"plain": (5, 3), "sequence": (5, 3, 7), "image": IMAGE}
    for name, shape in shapes.items():
        for short, data_format in FORMATS.items():
            if short == "last" and len(shape) == 2:
                continue
            suffix = ".last" if short == "last" else ""
            steps = _norm(NORM, shape, data_format)
            call = ["call", {"inputs": [spread(*in_format(shape, data_format), offset=0.5)]}]
            found.append(
                _train(
                    f"batchnorm.batch-statistics.{name}{suffix}",
                    "M-2",
                    [*steps, call],
                    [[3, "output.dtype"], [3, "output"]],
                    needs=() if f"train.batchnorm.batch-statistics.{name}{suffix}" == plain else (plain,),
                    **reference,
                )
            )
            found.append(
                _train(
                    f"batchnorm.running.{'one-step' if name == 'plain' else name}{suffix}",
                    "M-3",
                    [*steps, call],
                    [[3, "statistics"]],
                    needs=() if name == "plain" else (statistics,),
                    **reference,
                )
            )
    x = [spread(5, 3, salt=salt, offset=salt) for salt in range(3)]
    calls = [["call", {"inputs": [each]}] for each in x]
    steps = _norm(NORM, (5, 3))
    found += [
        _train(
            "batchnorm.running.three-steps",
            "M-3",
            [*steps, *calls],
            [[5, "statistics"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "batchnorm.running.momentum",
            "M-3",
            [*_norm(layer("BatchNorm", momentum=0.3), (5, 3)), *calls],
            [[5, "statistics"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "batchnorm.running.from-the-start",
            "M-3",
            [["construct", {"spec": NORM}], TO, calls[0]],
            [[2, "statistics"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "batchnorm.running.changed-once-by-the-first-call",
            "M-3",
            [["construct", {"spec": chain(dense(3), NORM)}], TO, SEED, CALL],
            [[3, "statistics"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "batchnorm.eps",
            "M-2",
            [*_norm(layer("BatchNorm", eps=0.3), (5, 3)), calls[0]],
            [[3, "output"]],
            needs=(plain,),
            **reference,
        ),
        _train(
            "batchnorm.eval-uses-running",
            "M-4",
            [*steps, calls[1], ["mode", {"training": False}], calls[0]],
            [[5, "output"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "batchnorm.eval-changes-nothing",
            "M-4",
            [*steps, ["mode", {"training": False}], calls[0], calls[1]],
            [[5, "values"], [5, "statistics"]],
            **reference,
        ),
        _train(
            "batchnorm.infer-changes-nothing",
            "D-8",
            [*steps, ["infer", {"shapes": [[7, 3]]}]],
            [[3, "values"]],
            oracle="stream",
        ),
        _train(
            "batchnorm.one-value-in-training",
            "E-1",
            [["construct", {"spec": NORM}], TO, ["call", {"inputs": [spread(1, 3)]}]],
            [[2, "error"], [2, "states"]],
        ),
        _train(
            "batchnorm.one-value-in-evaluation",
            "M-4",
            [*steps, ["mode", {"training": False}], ["call", {"inputs": [spread(1, 3)]}]],
            [[4, "output"]],
            **reference,
        ),
        _train(
            "batchnorm.move-and-back",
            "P-9",
            [
                *steps,
                calls[1],
                ["to", {"backend": "numpy"}],
                ["to", {}],
                ["mode", {"training": False}],
                calls[0],
            ],
            [[7, "output"]],
            needs=("train.batchnorm.eval-uses-running",),
            **reference,
        ),
        _train(
            "batchnorm.failed-call-keeps-statistics",
            "D-9",
            [
                ["construct", {"spec": chain(NORM, layer("Flatten"), dense(3))}],
                TO,
                SEED,
                ["call", {"inputs": [spread(2, 3, 7)]}],
                # The norm takes any length; what is behind it does not.
                ["call", {"inputs": [spread(2, 3, 11)]}],
            ],
            [[4, "error"], [4, "states"], [4, "statistics"], [4, "values"]],
            oracle="reference",
            needs=(statistics,),
        ),
        _train(
            "mode.default-is-training",
            "M-1",
            [["construct", {"spec": NORM}], TO, calls[1]],
            [[2, "statistics"]],
            needs=(statistics,),
            **reference,
        ),
        _train(
            "mode.part-of-a-net",
            "M-7",
            [
                ["construct", {"spec": chain(NORM, dense(5), NORM)}],
                TO,
                SEED,
                ["mode", {"training": False, "path": "0"}],
                calls[1],
            ],
            [[4, "statistics"], [4, "output"]],
            needs=(plain,),
            **reference,
        ),
        _train(
            "mode.back-and-forth",
            "M-7",
            [
                *steps,
                ["mode", {"training": False}],
                calls[0],
                ["mode", {"training": True}],
                calls[1],
                ["mode", {"training": False}],
                calls[0],
            ],
            [[6, "statistics"], [8, "output"]],
            needs=(plain,),
            **reference,
        ),
        _train(
            "mode.before-backend",
            "M-7",
            [["construct", {"spec": NORM}], ["mode", {"training": False}], TO, calls[1]],
            [[3, "output"], [3, "statistics"]],
            **reference,
        ),
        _train(
            "dropout.evaluation",
            "M-5",
            [["construct", {"spec": layer("Dropout", p=0.25)}], TO, ["mode", {"training": False}], CALL],
            [[3, "output"]],
            **reference,
        ),
        _train(
            "dropout.training",
            "M-6",
            [
                ["construct", {"spec": layer("Dropout", p=0.25)}],
                TO,
                ["call", {"inputs": [numbers([[1.0] * 127] * 127)]}],
            ],
            [[2, "dropout", {"p": 0.25}]],
            oracle="rules",
        ),
        _train(
            "dropout.none",
            "M-6",
            [["construct", {"spec": layer("Dropout", p=0.0)}], TO, CALL],
            [[2, "output"]],
            **reference,
        ),
        _train(
            "dropout.draws-anew",
            "M-6",
            [["construct", {"spec": layer("Dropout", p=0.5)}], TO, CALL_ONES, CALL_ONES],
            [[3, "output", {"unlike": 2}]],
            oracle="relation",
        ),
    ]
    return found


CALL_ONES: list[Any] = ["call", {"inputs": [numbers([[1.0] * 31] * 31)]}]


def gradients() -> list[Case]:
    """Return the cases of gradients."""

    def row(
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
        return _train(f"gradients.{name}", clause, steps, [[4, "gradients"]], oracle="reference", needs=needs)

    plain = ("train.gradients.dense",)
    conv = ("train.gradients.conv2d",)
    small = (2, 3, 5, 4)
    convs: dict[str, Data] = {
        "stride": {"stride": 2},
        "padding": {"padding": 1},
        "same": {"padding": "same", "stride": 2},
        "dilation": {"dilation": 2},
        "groups": {"groups": 3, "out_channels": 3},
        "kernel-pair": {"kernel_size": [1, 2]},
        "no-bias": {"bias": False},
    }

    def conv2d(**options: Any) -> Data:
        return layer("Conv2d", **{"out_channels": 2, "kernel_size": 2, **options})

    found = [
        row("dense", "G-1", dense(3), [X]),
        row("dense-sum", "G-1", dense(3), [X], loss="sum", needs=plain),
        row("dense-mean-cube", "G-1", dense(3), [X], loss="mean-cube", needs=plain),
        row("dense-no-bias", "G-1", dense(3, bias=False), [X], needs=plain),
        row("dense-rank-3", "G-1", dense(3), [spread(2, 3, 5)], needs=plain),
        *(
            row(f"dense-{name}", "G-1", dense(3, activation=name), [X], needs=plain)
            for name in ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax")
        ),
        row("chain", "G-1", chain(dense(7, activation="tanh"), dense(3)), [X], needs=plain),
        row("own-parameter", "G-1", chain(dense(7), _gain()), [X], needs=plain),
        row("conv1d", "G-1", layer("Conv1d", out_channels=2, kernel_size=3), [spread(2, 3, 7)]),
        row("conv2d", "G-1", conv2d(), [spread(*small)]),
        row(
            "conv2d.last",
            "G-1",
            conv2d(),
            [spread(*in_format(small, "channels_last"))],
            data_format="channels_last",
            needs=conv,
        ),
        *(
            row(f"conv2d-{name}", "G-1", conv2d(**options), [spread(*small)], needs=conv)
            for name, options in convs.items()
        ),
        *(
            row(f"conv2d-then-{name}", "G-1", chain(conv2d(), spec), [spread(*small)], needs=conv)
            for name, spec in (
                ("maxpool", layer("MaxPool2d", kernel_size=2)),
                ("avgpool", layer("AvgPool2d", kernel_size=2)),
                ("avgpool-padding", layer("AvgPool2d", kernel_size=2, padding=1)),
                ("globalavgpool", layer("GlobalAvgPool2d")),
                ("flatten-dense", chain(layer("Flatten"), dense(3))),
            )
        ),
        row("batchnorm-evaluation", "G-1", chain(dense(3), NORM, dense(2)), [X], needs=plain),
        row(
            "batchnorm-training",
            "G-4",
            chain(dense(3), NORM, dense(2)),
            [spread(5, 7)],
            training=True,
            needs=plain,
        ),
        row(
            "batchnorm-image-training",
            "G-4",
            chain(conv2d(), NORM),
            [spread(*small)],
            training=True,
            loss="mean-cube",
            needs=conv,
        ),
        row("layernorm", "G-1", chain(dense(5), layer("LayerNorm"), dense(2)), [X], needs=plain),
        *(
            row(f"{kind.lower()}", "G-1", chain(dense(5), layer(kind), dense(2)), [X], needs=plain)
            for kind in ("ReLU", "GELU", "SiLU", "Tanh", "Sigmoid", "LeakyReLU", "Softmax")
        ),
        row("embedding", "G-1", chain(EMBED, dense(2)), [indices(2, 3, below=7)], needs=plain),
        row(
            "embedding-repeated-rows",
            "G-3",
            chain(EMBED, dense(2)),
            [numbers([[1, 1, 4], [1, 6, 4]], "int64")],
            needs=("train.gradients.embedding",),
        ),
        row("tied-module", "G-2", TIED_MODULE, [X], needs=plain),
        row(
            "tied-parameter-two-layouts",
            "G-2",
            TIED_PARAMETER,
            [TOKENS],
            needs=("train.gradients.embedding",),
        ),
        row("unused-parameters", "G-1", IDLE, [X], needs=plain),
        row("dropout-evaluation", "G-1", chain(dense(5), layer("Dropout"), dense(2)), [X], needs=plain),
        _train(
            "gradients.make-a-net-ready",
            "G-5",
            [NET, TO, SEED, ["gradients", {"inputs": [X], "loss": "sum"}]],
            [[3, "states"], [3, "values"], [3, "gradients"]],
            oracle="reference",
            needs=plain,
        ),
        _train(
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
            needs=plain,
        ),
        _train(
            "gradients.change-no-value",
            "G-5",
            [NET, TO, SEED, CALL, ["gradients", {"inputs": [X], "loss": "sum"}]],
            [[4, "values"]],
            oracle="stream",
            needs=plain,
        ),
        _train(
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
        _train(
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
            needs=plain,
        ),
    ]
    return found


IDLE = graph([["h", "unused", ["x"]], ["y", "ops.relu", ["x"]]], "y", children={"unused": dense(3)})
EMBED = layer("Embedding", num_embeddings=7, embedding_dim=3)


def _gain() -> Data:
    return graph(
        [["y", "ops.multiply", ["x", "self.gain"]]],
        "y",
        parameters={"gain": {"shape": [None], "role": "weight"}},
        build={"gain": ["x.-1"]},
    )


def cases() -> list[Case]:
    """Return all of them."""
    return [*modes(), *gradients(), *derivatives.cases()]

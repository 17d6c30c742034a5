"""Cases of layers one behind another: nets that stand in papers, and by functions."""

from __future__ import annotations

from isomorph.conformance.data import spread
from isomorph.conformance.layers.conv import IMAGE

from .layers import FORMATS, in_format
from .write import Case, case, chain, dense, graph, layer

LENET = chain(
    layer("Conv2d", out_channels=6, kernel_size=5, padding=2, activation="sigmoid"),
    layer("AvgPool2d", kernel_size=2),
    layer("Conv2d", out_channels=16, kernel_size=5, activation="sigmoid"),
    layer("AvgPool2d", kernel_size=2),
    layer("Flatten"),
    dense(120, activation="sigmoid"),
    dense(84, activation="sigmoid"),
    dense(10),
)
CONV_NORM = chain(
    layer("Conv2d", out_channels=5, kernel_size=3, bias=False),
    layer("BatchNorm"),
    layer("ReLU"),
    layer("MaxPool2d", kernel_size=2),
    layer("GlobalAvgPool2d"),
    dense(3),
    layer("Softmax"),
)
ATTENTION = graph(
    [
        ["q", "query", ["x"]],
        ["k", "key", ["x"]],
        ["v", "value", ["x"]],
        ["s", "ops.einsum", ["=bqd,bkd->bqk", "q", "k"]],
        ["w", "ops.softmax", ["s"]],
        ["y", "ops.einsum", ["=bqk,bkd->bqd", "w", "v"]],
        ["y", "out", ["y"]],
        ["y", "ops.add", ["x", "y"]],
    ],
    "y",
    children={"query": dense(7), "key": dense(7), "value": dense(11), "out": dense(5)},
)


def lenet() -> list[Case]:
    """Return the cases of LeNet-5: its sizes as they were published, its output by the reference."""
    return [
        case(
            "layers.chain.lenet-shapes",
            "L-14",
            [
                ["construct", {"spec": LENET}],
                ["to", {}],
                ["infer", {"shapes": [[1, 1, 28, 28]]}],
                ["count", {}],
            ],
            [[2, "spec"], [2, "shapes"], [3, "count"]],
            feature="chains",
            oracle="published",
            expect={"2": {"spec": [1, 10]}, "3": {"count": 61706}},
        ),
        case(
            "layers.chain.lenet-values",
            "L-14",
            [
                ["construct", {"spec": LENET}],
                ["to", {}],
                ["initialize", {"seed": 2}],
                ["call", {"inputs": [spread(1, 1, 28, 28)]}],
            ],
            [[3, "output"]],
            feature="chains",
            oracle="reference",
            needs=(
                "layers.conv2d.initial.default",
                "layers.conv2d.padding.values",
                "layers.avgpool2d.plain.values",
                "layers.flatten.plain.values",
            ),
        ),
    ]


def conv_norm() -> list[Case]:
    """Return a case of a convolution, a norm, pools and a softmax in each data format."""
    return [
        case(
            f"layers.chain.conv-norm-{short}",
            "L-14",
            [
                ["construct", {"spec": CONV_NORM}],
                ["to", {"data_format": data_format}],
                ["initialize", {"seed": 2}],
                ["mode", {"training": False}],
                ["call", {"inputs": [spread(*in_format(IMAGE, data_format))]}],
            ],
            [[4, "output"]],
            feature="chains",
            oracle="reference",
            needs=(
                "layers.conv2d.initial.default",
                "layers.conv2d.plain.values",
                "layers.batchnorm.plain.values",
            ),
        )
        for short, data_format in FORMATS.items()
    ]


def attention() -> list[Case]:
    """Return the case of attention by functions."""
    return [
        case(
            "layers.chain.attention-by-functions",
            "L-14",
            [
                ["construct", {"spec": ATTENTION}],
                ["to", {}],
                ["initialize", {"seed": 4}],
                ["call", {"inputs": [spread(2, 3, 5)]}],
            ],
            [[3, "shapes"], [3, "output"]],
            feature="chains",
            oracle="reference",
            needs=("layers.dense.plain.values",),
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of chains: LeNet-5, a normalized convolution, attention."""
    return [*lenet(), *conv_norm(), *attention()]

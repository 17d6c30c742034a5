"""Cases of the layers: named rows, each a layer with one option in both data formats."""

from __future__ import annotations

from typing import Any

from .write import Case, Data, case, dense, indices, layer, spread, values_for

FORMATS = {"first": "channels_first", "last": "channels_last"}
# Layers whose data format says where channels are.
IMAGES = ("Conv1d", "Conv2d", "MaxPool2d", "AvgPool2d", "GlobalAvgPool2d", "BatchNorm", "Flatten")
CLAUSES = {
    "Dense": "L-1",
    "Conv1d": "L-2",
    "Conv2d": "L-2",
    "MaxPool2d": "L-4",
    "AvgPool2d": "L-5",
    "GlobalAvgPool2d": "L-6",
    "BatchNorm": "M-4",
    "LayerNorm": "L-7",
    "Embedding": "L-8",
    "Flatten": "L-9",
    "Dropout": "M-5",
}
Row = tuple[str, Data, tuple[int, ...]]
IMAGE = (2, 3, 11, 7)


def _conv2d(slug: str, shape: tuple[int, ...] = IMAGE, **options: Any) -> Row:
    return slug, layer("Conv2d", **{"out_channels": 5, "kernel_size": 3, **options}), shape


def _conv1d(slug: str, shape: tuple[int, ...] = (2, 3, 11), **options: Any) -> Row:
    return slug, layer("Conv1d", **{"out_channels": 5, "kernel_size": 3, **options}), shape


def _pool(kind: str, slug: str, shape: tuple[int, ...] = IMAGE, **options: Any) -> Row:
    return slug, layer(kind, **{"kernel_size": 2, **options}), shape


# The first row of a layer is plain; the others each show one option, and need it.
ROWS: tuple[Row, ...] = (
    ("plain", dense(7), (2, 5)),
    ("no-bias", dense(7, bias=False), (2, 5)),
    ("rank-1", dense(7), (5,)),
    ("rank-4", dense(7), (2, 3, 11, 5)),
    ("known", dense(7, in_features=5), (2, 5)),
    *(
        (f"activation-{name}", dense(7, activation=name), (2, 5))
        for name in ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax")
    ),
    _conv1d("plain"),
    _conv1d("no-bias", bias=False),
    _conv1d("stride", stride=2),
    _conv1d("padding", padding=2),
    _conv1d("same", padding="same", kernel_size=4),
    _conv1d("same-stride", (2, 3, 12), padding="same", stride=2),
    _conv1d("dilation", dilation=2),
    _conv1d("groups", groups=3, out_channels=6),
    _conv2d("plain"),
    _conv2d("no-bias", bias=False),
    _conv2d("kernel-pair", kernel_size=[2, 3]),
    _conv2d("stride", stride=2),
    _conv2d("stride-pair", stride=[3, 2]),
    _conv2d("padding", padding=1),
    _conv2d("padding-pair", padding=[0, 2]),
    _conv2d("same", padding="same"),
    _conv2d("same-even-kernel", padding="same", kernel_size=[4, 2]),
    _conv2d("same-stride", (2, 3, 12, 8), padding="same", stride=2),
    _conv2d("valid", padding="valid"),
    _conv2d("dilation", dilation=2),
    _conv2d("dilation-pair", dilation=[3, 2]),
    _conv2d("groups", groups=3, out_channels=6),
    _conv2d("depthwise", groups=3, out_channels=3),
    _conv2d("activation", activation="relu"),
    _conv2d("known", in_channels=3),
    _pool("MaxPool2d", "plain"),
    _pool("MaxPool2d", "stride", kernel_size=3, stride=2),
    _pool("MaxPool2d", "padding", kernel_size=3, stride=2, padding=1),
    _pool("MaxPool2d", "pairs", kernel_size=[3, 2], stride=[2, 3], padding=[1, 0]),
    _pool("MaxPool2d", "same", kernel_size=3, stride=2, padding="same"),
    _pool("MaxPool2d", "same-even", (2, 3, 12, 8), kernel_size=3, stride=2, padding="same"),
    _pool("AvgPool2d", "plain"),
    _pool("AvgPool2d", "stride", kernel_size=3, stride=2),
    _pool("AvgPool2d", "padding", kernel_size=3, stride=2, padding=1),
    _pool("AvgPool2d", "padding-not-counted", kernel_size=3, stride=2, padding=1, count_include_pad=False),
    _pool("AvgPool2d", "pairs", kernel_size=[3, 2], stride=[2, 3], padding=[1, 0]),
    _pool("AvgPool2d", "same", kernel_size=3, stride=2, padding="same"),
    _pool("AvgPool2d", "same-even", (2, 3, 12, 8), kernel_size=3, stride=2, padding="same"),
    ("plain", layer("GlobalAvgPool2d"), IMAGE),
    ("keepdims", layer("GlobalAvgPool2d", keepdims=True), IMAGE),
    ("plain", layer("BatchNorm"), (5, 3)),
    ("sequence", layer("BatchNorm"), (5, 3, 7)),
    ("image", layer("BatchNorm"), (2, 3, 5, 7)),
    ("eps", layer("BatchNorm", eps=0.3), (2, 3, 5, 7)),
    ("not-affine", layer("BatchNorm", affine=False), (2, 3, 5, 7)),
    ("known", layer("BatchNorm", in_features=3), (5, 3)),
    ("plain", layer("LayerNorm"), (2, 7)),
    ("rank-3", layer("LayerNorm"), (2, 3, 7)),
    ("eps", layer("LayerNorm", eps=0.3), (2, 7)),
    ("no-bias", layer("LayerNorm", bias=False), (2, 7)),
    ("not-affine", layer("LayerNorm", affine=False), (2, 7)),
    ("known", layer("LayerNorm", in_features=7), (2, 7)),
    ("plain", layer("Embedding", num_embeddings=11, embedding_dim=3), (2, 5)),
    ("vector", layer("Embedding", num_embeddings=11, embedding_dim=3), (7,)),
    ("plain", layer("Flatten"), (2, 3, 5, 7)),
    ("matrix", layer("Flatten"), (2, 3)),
    ("sequence", layer("Flatten"), (2, 3, 7)),
    ("start", layer("Flatten", start_axis=2), (2, 3, 5, 7)),
    ("all", layer("Flatten", start_axis=0), (2, 3, 5)),
    ("vector", layer("Flatten"), (5,)),
    *(("plain", layer(kind), (2, 3, 7)) for kind in ("ReLU", "GELU", "SiLU", "Tanh", "Sigmoid", "LeakyReLU")),
    ("slope", layer("LeakyReLU", negative_slope=0.2), (2, 3, 7)),
    ("plain", layer("Softmax"), (2, 3, 7)),
    ("axis", layer("Softmax", axis=1), (2, 3, 7)),
    ("empty-axis", layer("Softmax", axis=0), (0, 7)),
    ("plain", layer("Dropout"), (2, 3, 7)),
)


def feature_of(spec: Data) -> str:
    """Return a layer's feature: the row of the scoreboard it counts in."""
    return str(spec["kind"]).lower()


def in_format(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    """Return a channels-first shape in a data format."""
    return (shape[0], *shape[2:], shape[1]) if data_format == "channels_last" and len(shape) > 1 else shape


def input_for(spec: Data, shape: tuple[int, ...]) -> Data:
    """Return a layer's input of a shape."""
    if spec["kind"] == "Embedding":
        return indices(*shape, below=spec["num_embeddings"])
    return spread(*shape)


def formats_of(spec: Data, shape: tuple[int, ...]) -> list[str]:
    """Return the data formats in which a layer meets inputs of this rank differently."""
    return list(FORMATS) if spec["kind"] in IMAGES and len(shape) > 2 else ["first"]


def _clause(spec: Data) -> str:
    if spec.get("padding") == "same" and spec["kind"] != "AvgPool2d":
        return "L-3"
    return CLAUSES.get(spec["kind"], "L-10")


def pair(
    stem: str, spec: Data, shape: tuple[int, ...], data_format: str, base: tuple[str, ...], options: Data
) -> list[Case]:
    """Return a case of shapes and one of values, of one layer on one input."""
    to: list[Any] = [
        "to",
        {**({} if data_format == "channels_first" else {"data_format": data_format}), **options},
    ]
    construct: list[Any] = ["construct", {"spec": spec}]
    evaluate: list[Any] = ["mode", {"training": False}]
    call: list[Any] = ["call", {"inputs": [input_for(spec, shape)]}]
    values = values_for(spec, shape, data_format)
    setting: list[Any] = [["set_all", {"values": values}]] if values else []
    steps = [construct, to, evaluate, *setting, call]
    feature, last = feature_of(spec), len(steps) - 1
    shapes_clause = {"Conv1d": "I-3", "Conv2d": "I-3", "BatchNorm": "I-4", "LayerNorm": "I-4", "Dense": "I-1"}
    return [
        case(
            f"{stem}.shapes",
            shapes_clause.get(spec["kind"], "L-11"),
            [construct, to, evaluate, call],
            [[1, "shapes"], [3, "shapes"], [3, "output.shape"]],
            feature=feature,
            needs=tuple(f"{each}.shapes" for each in base),
        ),
        case(
            f"{stem}.values",
            _clause(spec),
            steps,
            [[last, "output.dtype"], [last, "output"]],
            feature=feature,
            oracle="reference",
            needs=(f"{stem}.shapes", *(f"{each}.values" for each in base)),
        ),
    ]


def cases() -> list[Case]:
    """Return, for each row and data format, a case of shapes and one of values."""
    found: list[Case] = []
    stems: set[str] = set()
    for slug, spec, shape in ROWS:
        feature = feature_of(spec)
        for short in formats_of(spec, shape):
            last = ".last" if short == "last" else ""
            stem = f"layers.{feature}.{slug}{last}"
            plain = {f"layers.{feature}.plain", f"layers.{feature}.plain{last}", stem.removesuffix(".last")}
            needs = tuple(sorted((plain & stems) - {stem}))
            stems.add(stem)
            found += pair(stem, spec, in_format(shape, FORMATS[short]), FORMATS[short], needs, {})
    return found

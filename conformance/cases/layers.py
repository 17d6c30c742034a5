"""Cases of the layers: named rows first, then covering tables of their options."""

from __future__ import annotations

from typing import Any

from covertable import make

from .functions import FUNCTION_CASES
from .write import Case, Data, case, chain, dense, graph, indices, law, layer, numbers, spread, values_for

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


def _formats(spec: Data, shape: tuple[int, ...]) -> list[str]:
    return list(FORMATS) if spec["kind"] in IMAGES and len(shape) > 2 else ["first"]


def _clause(spec: Data) -> str:
    if spec.get("padding") == "same" and spec["kind"] != "AvgPool2d":
        return "L-3"
    return CLAUSES.get(spec["kind"], "L-10")


def named() -> list[Case]:
    """Return, for each row and data format, a case of shapes and one of values."""
    found: list[Case] = []
    stems: set[str] = set()
    for slug, spec, shape in ROWS:
        feature = feature_of(spec)
        for short in _formats(spec, shape):
            last = ".last" if short == "last" else ""
            stem = f"layers.{feature}.{slug}{last}"
            plain = {f"layers.{feature}.plain", f"layers.{feature}.plain{last}", stem.removesuffix(".last")}
            needs = tuple(sorted((plain & stems) - {stem}))
            stems.add(stem)
            found += _pair(stem, spec, in_format(shape, FORMATS[short]), FORMATS[short], needs, {})
    return found


def _pair(
    stem: str, spec: Data, shape: tuple[int, ...], data_format: str, base: tuple[str, ...], options: Data
) -> list[Case]:
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


def _rows_needed(spec: Data) -> tuple[str, ...]:
    """Return the named rows whose options a covering row combines."""
    slugs = ["plain"]
    for option in ("kernel_size", "stride", "padding", "dilation"):
        value = spec.get(option)
        if isinstance(value, list):
            slugs += [f"{option.removesuffix('_size')}-pair", "pairs"]
        elif value == "same":
            slugs += ["same", "same-even", "same-even-kernel", "same-stride"]
        elif option != "kernel_size" and value not in (None, 0, "valid", 1 if option != "padding" else 0):
            slugs.append(option)
    if spec.get("groups", 1) > 1:
        slugs.append("groups")
    if spec.get("count_include_pad") is False:
        slugs.append("padding-not-counted")
    if spec.get("bias") is False:
        slugs.append("no-bias")
    known = {f"layers.{feature_of(spec)}.{slug}" for slug, spec, _ in ROWS}
    found = (f"layers.{feature_of(spec)}.{slug}" for slug in slugs)
    return tuple(each for each in found if each in known)


def covering() -> list[Case]:
    """Return a case of shapes and one of values for each row of 3-way covering tables."""
    windows: dict[str, list[Any]] = {
        "kernel_size": [1, 2, 3],
        "stride": [1, 2, 3],
        "padding": [0, 1, "same", "valid"],
        "dilation": [1, 2],
        "groups": [1, 3],
        "bias": [True, False],
        "size": [0, 1],
        "format": list(FORMATS),
    }
    tables: dict[str, dict[str, list[Any]]] = {
        "Conv1d": {**windows, "padding": [0, 2, "same", "valid"]},
        "Conv2d": {
            **windows,
            "kernel_size": [1, 3, [2, 3], [3, 1]],
            "stride": [1, 2, [1, 3]],
            "padding": [0, 1, [0, 1], "same"],
            "dilation": [1, 2, [1, 2]],
        },
        "MaxPool2d": {
            "kernel_size": [2, 3, [2, 3]],
            "stride": [None, 1, 2, [2, 3]],
            "padding": [0, 1, "same", "valid"],
            "size": [0, 1],
            "format": list(FORMATS),
        },
    }
    tables["AvgPool2d"] = {**tables["MaxPool2d"], "count_include_pad": [True, False]}
    sizes: dict[int, list[tuple[int, ...]]] = {1: [(11,), (8,)], 2: [(11, 7), (8, 13)]}
    found: list[Case] = []
    for kind, table in tables.items():
        rows: Any = make(table, strength=3)
        for position, row in enumerate(rows):
            options = {name: row[name] for name in table if name not in ("size", "format")}
            spatial = 1 if kind == "Conv1d" else 2
            spec = layer(kind, **options)
            if kind.startswith("Conv"):
                spec = {**spec, "out_channels": 6 if row["groups"] == 3 else 5}
            shape = (2, 3, *sizes[spatial][row["size"]])
            data_format = FORMATS[row["format"]]
            name = "-".join(_word(option, row[option]) for option in table)
            stem = f"layers.{feature_of(spec)}.table.{name}"
            # Eager, but for every fourth row: compiling takes some frameworks far longer than running.
            compiled = {"compile": False} if position % 4 else {}
            needs = _rows_needed(spec)
            needs += (f"layers.{feature_of(spec)}.plain.last",) if row["format"] == "last" else ()
            pair = _pair(stem, spec, in_format(shape, data_format), data_format, needs, compiled)
            found += [_sizes_only(pair[0]), pair[1]]
    return found


def _sizes_only(row: Case) -> Case:
    """Return a case of shapes that stops at the sizes: the values' case runs the layer."""
    *before, (_, call) = row["steps"]
    return {**row, "clause": "I-10", "steps": [*before, ["apply_init", call]], "ask": [[3, "shapes"]]}


def _word(option: str, value: Any) -> str:
    letters = {"kernel_size": "k", "stride": "s", "padding": "p", "dilation": "d", "groups": "g", "size": "n"}
    if option in letters:
        text = "x".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        return f"{letters[option]}{text}"
    if option == "format":
        return str(value)
    words = {"bias": "bias", "count_include_pad": "counted"}
    return words[option] if value else f"no{words[option]}"


# Layers that sum much of a plain row: with 8 bits of precision, what comes out would be within its
# tolerance of anything.
COARSE = {"Softmax": (5, 2), "GlobalAvgPool2d": (2, 3, 2, 2), "Conv2d": (2, 2, 5, 3)}


def types() -> list[Case]:
    """Return each layer's plain row in each further type."""
    found = []
    plain = {spec["kind"]: (spec, shape) for slug, spec, shape in ROWS if slug == "plain"}
    for kind, (spec, shape) in plain.items():
        shape = COARSE.get(kind, shape)
        x = {**input_for(spec, shape), **({"scale": 0.5, "offset": 1.5} if kind in COARSE else {})}
        for dtype in ("float64", "float16", "bfloat16"):
            values = values_for(spec, shape)
            steps: list[Any] = [
                ["construct", {"spec": spec}],
                ["to", {"dtype": dtype}],
                ["mode", {"training": False}],
                *([["set_all", {"values": values}]] if values else []),
                ["call", {"inputs": [x]}],
            ]
            last = len(steps) - 1
            found.append(
                case(
                    f"extras.types.{feature_of(spec)}-{dtype}",
                    "L-13",
                    steps,
                    [[last, "dtypes"], [last, "output.dtype"], [last, "output"]],
                    feature="types",
                    oracle="reference",
                    needs=(f"layers.{feature_of(spec)}.plain.values",)
                    + ((f"extras.types.dense-{dtype}",) if kind != "Dense" else ()),
                )
            )
    return found


def functions() -> list[Case]:
    """Return a case for each row of functions."""
    return [
        case(
            f"layers.ops.{row['slug']}",
            "L-12",
            [["op", {"op": row["op"], "arrays": row["arrays"], "options": row["options"]}]],
            [[0, "output.shape"], [0, "output.dtype"], [0, "output"]],
            feature="ops",
            oracle="reference",
        )
        for row in FUNCTION_CASES
    ]


def published() -> list[Case]:
    """Return cases with numbers that stand in papers, books and standards, or are worked by hand."""
    conv = layer("Conv1d", out_channels=1, kernel_size=2, bias=False)
    ones = layer("Conv1d", out_channels=1, kernel_size=3, stride=2, padding="same", bias=False)
    corner = layer("AvgPool2d", kernel_size=3, stride=1, padding=1)
    lenet = chain(
        layer("Conv2d", out_channels=6, kernel_size=5, padding=2, activation="sigmoid"),
        layer("AvgPool2d", kernel_size=2),
        layer("Conv2d", out_channels=16, kernel_size=5, activation="sigmoid"),
        layer("AvgPool2d", kernel_size=2),
        layer("Flatten"),
        dense(120, activation="sigmoid"),
        dense(84, activation="sigmoid"),
        dense(10),
    )

    def worked(name: str, clause: str, spec: Data, values: Data, x: Any, y: Any, feature: str) -> Case:
        steps: list[Any] = [["construct", {"spec": spec}], ["to", {}], ["mode", {"training": False}]]
        steps += [["set_all", {"values": values}]] if values else []
        steps.append(["call", {"inputs": [x]}])
        last = len(steps) - 1
        expect = {str(last): {"output": [y]}}
        return case(
            f"layers.{name}",
            clause,
            steps,
            [[last, "output"]],
            feature=feature,
            oracle="published",
            expect=expect,
            needs=(f"layers.{feature}.plain.values",),
        )

    return [
        worked(
            "conv1d.not-flipped",
            "L-2",
            conv,
            {"weight": numbers([[[10, 100]]])},
            numbers([[[1, 2, 3]]]),
            [[[210.0, 320.0]]],
            "conv1d",
        ),
        worked(
            "conv1d.same-pads-at-the-end",
            "L-3",
            ones,
            {"weight": numbers([[[1, 1, 1]]])},
            numbers([[[1, 2, 3, 4]]]),
            [[[6.0, 7.0]]],
            "conv1d",
        ),
        worked(
            "maxpool2d.padding-never-wins",
            "L-4",
            layer("MaxPool2d", kernel_size=2, stride=2, padding=1),
            {},
            numbers([[[[-1, -2], [-3, -4]]]]),
            [[[[-1.0, -2.0], [-3.0, -4.0]]]],
            "maxpool2d",
        ),
        worked(
            "avgpool2d.padding-counts",
            "L-5",
            corner,
            {},
            numbers([[[[9, 18, 27], [36, 45, 54], [63, 72, 81]]]]),
            [[[[12.0, 21.0, 16.0], [27.0, 45.0, 33.0], [24.0, 39.0, 28.0]]]],
            "avgpool2d",
        ),
        worked(
            "flatten.channels-first-order",
            "L-9",
            layer("Flatten"),
            {},
            numbers([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]),
            [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]],
            "flatten",
        ),
        worked(
            "leakyrelu.default-slope",
            "L-10",
            layer("LeakyReLU"),
            {},
            numbers([[-128.0, 2.0]]),
            [[_single(-1.28), 2.0]],
            "leakyrelu",
        ),
        case(
            "layers.chain.lenet-shapes",
            "L-14",
            [
                ["construct", {"spec": lenet}],
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
                ["construct", {"spec": lenet}],
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
        *(
            case(
                f"layers.chain.conv-norm-{short}",
                "L-14",
                [
                    [
                        "construct",
                        {
                            "spec": chain(
                                layer("Conv2d", out_channels=5, kernel_size=3, bias=False),
                                layer("BatchNorm"),
                                layer("ReLU"),
                                layer("MaxPool2d", kernel_size=2),
                                layer("GlobalAvgPool2d"),
                                dense(3),
                                layer("Softmax"),
                            )
                        },
                    ],
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
        ),
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
        case(
            "layers.embedding.out-of-range",
            "L-8",
            [
                ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}],
                ["to", {}],
                ["initialize", {"seed": 1}],
                ["call", {"inputs": [numbers([[1, 11]], "int64")]}],
            ],
            [[3, "error"], [3, "error.text"]],
            feature="embedding",
        ),
        case(
            "layers.embedding.negative-index",
            "L-8",
            [
                ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}],
                ["to", {}],
                ["initialize", {"seed": 1}],
                ["call", {"inputs": [numbers([[1, -1]], "int64")]}],
            ],
            [[3, "error"], [3, "error.text"]],
            feature="embedding",
        ),
        *(
            case(
                f"layers.embedding.indices-{dtype}",
                "L-8",
                [
                    ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}],
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["call", {"inputs": [indices(2, 5, below=11, dtype=dtype)]}],
                ],
                [[3, "output"]],
                feature="embedding",
                oracle="reference",
                needs=("layers.embedding.plain.values",),
            )
            for dtype in ("int32", "int64")
        ),
    ]


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


def _single(value: float) -> float:
    import numpy as np

    return float(np.float32(value))


def initial() -> list[Case]:
    """Return each layer's initial values: by its default law, and by laws that count fans."""
    found: list[Case] = []
    plain = {spec["kind"]: (spec, shape) for slug, spec, shape in ROWS if slug == "plain"}
    filters = layer("Conv2d", out_channels=6, kernel_size=[2, 3], groups=3)
    rows: list[tuple[str, str, Data, tuple[int, ...], Data | None]] = [
        ("default", "N-2", *plain[kind], None)
        for kind in ("Conv1d", "Conv2d", "BatchNorm", "LayerNorm", "Embedding")
    ]
    rows += [("default-groups", "N-2", filters, IMAGE, None)]
    for slug, scaled in (
        ("xavier", law("Xavier")),
        ("kaiming", law("Kaiming", distribution="normal")),
        ("kaiming-fan-out", law("Kaiming", mode="fan_out")),
    ):
        rows += [
            (slug, "N-3", *plain["Conv1d"], scaled),
            (f"{slug}-groups", "N-3", filters, IMAGE, scaled),
        ]
    rows += [
        ("law-for-weights", "N-4", *plain[kind], law("Constant", value=3))
        for kind in ("BatchNorm", "LayerNorm")
    ]
    for slug, clause, spec, shape, law_of in rows:
        feature = feature_of(spec)
        for short in _formats(spec, shape):
            ask: Data = {"seed": 3} if law_of is None else {"law": law_of, "seed": 3}
            to: Data = {} if short == "first" else {"data_format": FORMATS[short]}
            x = input_for(spec, in_format(shape, FORMATS[short]))
            steps: list[Any] = [
                ["construct", {"spec": spec}],
                ["to", to],
                ["initialize", ask],
                ["apply_init", {"inputs": [x]}],
            ]
            stem = f"layers.{feature}.initial"
            name = f"{stem}.{slug}" + (".last" if short == "last" else "")
            wider = {f"{stem}.{each}" for each in (slug, slug.removesuffix("-groups"), "default")}
            behind = sorted((wider - {name}) & {each["id"] for each in found})
            found.append(
                case(
                    name,
                    clause,
                    steps,
                    [[3, "values"]],
                    feature=feature,
                    oracle="stream",
                    needs=(*behind, f"layers.{feature}.plain.shapes"),
                )
            )
    return found


def refusals() -> list[Case]:
    """Return inputs that layers must refuse, before and after data, changing nothing."""
    conv, pool = layer("Conv2d", out_channels=6, kernel_size=3), layer("MaxPool2d", kernel_size=3)
    embed = layer("Embedding", num_embeddings=11, embedding_dim=3)
    rows: list[tuple[str, str, Data, Data]] = [
        ("conv2d.groups-do-not-divide", "I-9", {**conv, "groups": 2}, spread(2, 3, 11, 7)),
        (
            "conv1d.groups-do-not-divide",
            "I-9",
            layer("Conv1d", out_channels=6, kernel_size=3, groups=3),
            spread(2, 5, 11),
        ),
        ("conv2d.window-too-large", "I-9", conv, spread(2, 3, 2, 7)),
        ("conv2d.dilated-window-too-large", "I-9", {**conv, "dilation": 4}, spread(2, 3, 11, 7)),
        ("conv1d.window-too-large", "I-9", layer("Conv1d", out_channels=6, kernel_size=3), spread(2, 3, 2)),
        ("maxpool2d.window-too-large", "I-9", pool, spread(2, 3, 11, 2)),
        ("avgpool2d.window-too-large", "I-9", {**pool, "kind": "AvgPool2d"}, spread(2, 3, 11, 2)),
        ("conv2d.known-channels", "E-1", {**conv, "in_channels": 5}, spread(2, 3, 11, 7)),
        ("batchnorm.known-channels", "E-1", layer("BatchNorm", in_features=5), spread(2, 3)),
        ("layernorm.known-features", "E-1", layer("LayerNorm", in_features=5), spread(2, 3)),
        ("conv2d.rank", "E-2", conv, spread(2, 3, 11)),
        ("conv1d.rank", "E-2", layer("Conv1d", out_channels=6, kernel_size=3), spread(2, 3, 11, 7)),
        ("maxpool2d.rank", "E-2", pool, spread(2, 3, 11)),
        ("globalavgpool2d.rank", "E-2", layer("GlobalAvgPool2d"), spread(2, 3, 11)),
        ("batchnorm.rank", "E-2", layer("BatchNorm"), spread(5)),
        ("conv2d.integers", "E-3", conv, indices(2, 3, 11, 7, below=9, dtype="int32")),
        ("relu.integers", "E-3", layer("ReLU"), indices(2, 3, below=9, dtype="int32")),
        ("layernorm.integers", "E-3", layer("LayerNorm"), indices(2, 3, below=9, dtype="int32")),
        ("embedding.floats", "E-3", embed, spread(2, 3)),
        ("conv2d.zero-size", "E-1", conv, numbers([[], []])),
        ("dense.vector-of-nothing", "E-1", dense(3), numbers([])),
        ("layernorm.vector-of-nothing", "E-1", layer("LayerNorm", affine=False), numbers([])),
        ("softmax.axis-outside", "E-2", layer("Softmax", axis=2), spread(2, 3)),
    ]
    found: list[Case] = []
    for name, clause, spec, x in rows:
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            ["to", {}],
            ["initialize", {"seed": 1}],
            ["call", {"inputs": [x]}],
        ]
        for suffix, of, asked in (
            ("", clause, ["error", "shapes", "states"]),
            (".text", "E-5", ["error.text"]),
        ):
            found.append(
                case(
                    f"layers.{name}{suffix}",
                    of,
                    steps,
                    [[3, each] for each in asked],
                    feature=feature_of(spec),
                    needs=(f"layers.{name}", "core.error.size-deep-in-a-tree.text") if suffix else (),
                )
            )
    for kind in ("BatchNorm", "LayerNorm"):
        feature = kind.lower()
        found.append(
            case(
                f"layers.{feature}.values-that-contradict",
                "P-4",
                [
                    ["construct", {"spec": layer(kind)}],
                    ["to", {}],
                    ["set", {"path": "bias", "data": spread(8)}],
                    ["set", {"path": "weight", "data": spread(7)}],
                ],
                [[3, "error"], [3, "shapes"], [3, "states"]],
                feature=feature,
            )
        )
    after = [
        ("conv2d.another-channel-count", conv, spread(2, 3, 11, 7), spread(2, 5, 11, 7)),
        ("batchnorm.another-channel-count", layer("BatchNorm"), spread(5, 3), spread(5, 7)),
        ("layernorm.another-feature-count", layer("LayerNorm"), spread(5, 3), spread(5, 7)),
    ]
    for name, spec, x, other in after:
        feature = feature_of(spec)
        found.append(
            case(
                f"layers.{name}",
                "I-6",
                [
                    ["construct", {"spec": spec}],
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["mode", {"training": False}],
                    ["call", {"inputs": [x]}],
                    ["call", {"inputs": [other], "goes_on": True}],
                    ["call", {"inputs": [x]}],
                ],
                [[5, "error"], [5, "shapes"], [5, "values"], [6, "output"]],
                feature=feature,
                oracle="reference",
                needs=(f"layers.{feature}.plain.values",),
            )
        )
    sizes = [
        ("conv2d.another-image-size", conv, spread(2, 3, 11, 7), spread(5, 3, 8, 13)),
        ("batchnorm.another-image-size", layer("BatchNorm"), spread(2, 3, 5, 7), spread(5, 3, 8, 4)),
    ]
    for name, spec, x, other in sizes:
        feature = feature_of(spec)
        found.append(
            case(
                f"layers.{name}",
                "I-5",
                [
                    ["construct", {"spec": spec}],
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["mode", {"training": False}],
                    ["call", {"inputs": [x]}],
                    ["call", {"inputs": [other]}],
                ],
                [[5, "shapes"], [5, "values"], [5, "output"]],
                feature=feature,
                oracle="reference",
                needs=(f"layers.{feature}.plain.values",),
            )
        )
    return found


def cases() -> list[Case]:
    """Return all of them."""
    return [*named(), *covering(), *initial(), *refusals(), *types(), *functions(), *published()]

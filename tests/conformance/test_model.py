"""The oracle's rules and formulas against published numbers, PyTorch, TensorFlow and SciPy."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
import torch.nn.functional as F  # noqa: N812

from isomorph.conformance import data, layers, model
from isomorph.conformance.layers.activations import ACTIVATIONS
from isomorph.conformance.layers.record import Computed
from isomorph.conformance.model import formulas
from isomorph.conformance.model.rules import Refusal, infer

FORMATS = ("channels_first", "channels_last")
IMAGE = (2, 3, 11, 7)


def spread(*shape: int, **mapping: Any) -> np.ndarray:
    return data.array({"shape": shape, "dtype": "float64", "fill": "spread", **mapping})


def values_for(layer: dict, shape: tuple[int, ...], data_format: str = "channels_first") -> dict:
    found = infer(layer, shape, "float64", data_format=data_format).parameters
    return {
        name: spread(*sizes, salt=i, **({"scale": 0.3, "offset": 1} if "var" in name else {}))
        for i, (name, sizes) in enumerate(found.items())
    }


def to_format(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, 1, -1) if data_format == "channels_last" else x


def from_format(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, -1, 1) if data_format == "channels_last" else x


def computed(layer: dict, x: np.ndarray, data_format: str, training: bool = False) -> tuple[Any, dict]:
    """Return what the oracle computes, channels first, and its values; the rules agree."""
    shown = to_format(x, data_format)
    values = values_for(layer, shown.shape, data_format)
    done = formulas.forward(layer, values, shown, training, data_format)
    inferred = infer(layer, shown.shape, "float64", None, training, data_format)
    assert done.y.shape == inferred.shape
    assert done.y.dtype == np.float64
    y = from_format(done.y, data_format) if done.y.ndim > 2 else done.y
    return Computed(y, done.reduced, done.updates), values


def tensors(values: dict) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in values.items()}


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-11, atol=1e-12)


# What it may import.


ORACLE = sorted(each for folder in (layers, model) for each in Path(folder.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", ORACLE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_oracle_stands_on_numpy_alone(path: Path) -> None:
    # Of Isomorph only itself, and the arrays that cases describe; bfloat16 is ml_dtypes' own.
    own = {f"{layers.__name__}{name}" for name in ("", *(f".{path.stem}" for path in ORACLE))}
    allowed = {*sys.stdlib_module_names, "numpy", "ml_dtypes", data.__name__, *own}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            assert node.level == 0
            assert {node.module or "", (node.module or "").partition(".")[0]} & allowed


# Windows.

KERNELS = [
    {"kernel_size": 3},
    {"kernel_size": [2, 3], "stride": [2, 1], "padding": [0, 1]},
    {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": [2, 1]},
    {"kernel_size": [5, 3], "padding": "same"},
    {"kernel_size": 3, "padding": "same", "dilation": [3, 2]},
    {"kernel_size": [5, 1], "padding": "valid", "stride": 3},
    {"kernel_size": 3, "groups": 3, "out_channels": 6, "padding": 1},
    {"kernel_size": 2, "bias": False},
]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("options", KERNELS, ids=str)
def test_conv2d_is_pytorchs(options: dict, data_format: str) -> None:
    layer = {"kind": "Conv2d", "out_channels": 5, **options}
    x = spread(*IMAGE)
    done, values = computed(layer, x, data_format)
    named = {
        key: value for key, value in options.items() if key not in ("kernel_size", "out_channels", "bias")
    }
    close(done.y, F.conv2d(torch.from_numpy(x), **tensors(values), **named))
    assert done.reduced == values["weight"][0].size


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 2}, {"dilation": 2, "groups": 3, "out_channels": 6}], ids=str
)
def test_conv1d_is_pytorchs(options: dict, data_format: str) -> None:
    layer = {"kind": "Conv1d", "out_channels": 5, "kernel_size": 3, **options}
    x = spread(2, 3, 11)
    done, values = computed(layer, x, data_format)
    named = {key: value for key, value in options.items() if key != "out_channels"}
    close(done.y, F.conv1d(torch.from_numpy(x), **tensors(values), **named))


@pytest.mark.parametrize("kernel", [(3, 3), (4, 2), (1, 5)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(11, 7), (12, 8)])
@pytest.mark.parametrize("kind", ["Conv2d", "MaxPool2d", "AvgPool2d"])
def test_same_padding_is_tensorflows(kind: str, size: tuple, kernel: tuple, stride: int) -> None:
    import tensorflow

    layer = {"kind": kind, "kernel_size": kernel, "stride": stride, "padding": "same"}
    layer |= {"out_channels": 5, "bias": False} if kind == "Conv2d" else {}
    x = spread(2, *size, 3)
    values = values_for(layer, x.shape, "channels_last")
    y = formulas.forward(layer, values, x, False, "channels_last").y
    steps = {"strides": stride, "padding": "SAME"}
    if kind == "Conv2d":
        expected = tensorflow.nn.conv2d(
            tensorflow.constant(x), values["weight"].transpose(2, 3, 1, 0), **steps
        )
    else:
        pool = tensorflow.nn.max_pool2d if kind == "MaxPool2d" else tensorflow.nn.avg_pool2d
        expected = pool(tensorflow.constant(x), kernel, **steps)
    close(y, expected)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": [3, 2], "stride": [2, 3], "padding": [0, 1]},
        {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d"])
def test_pooling_is_pytorchs(kind: str, options: dict, data_format: str) -> None:
    if kind == "MaxPool2d":
        options = {key: value for key, value in options.items() if key != "count_include_pad"}
    x = spread(*IMAGE, offset=-2)
    done, _ = computed({"kind": kind, **options}, x, data_format)
    pool = F.max_pool2d if kind == "MaxPool2d" else F.avg_pool2d
    close(done.y, pool(torch.from_numpy(x), **options))


def one_row(layer: dict, weight: list, x: list) -> list:
    done = formulas.forward(layer, {"weight": np.array([[weight]])}, np.array([[x]]))
    assert done.y is not None
    return done.y.tolist()


def test_numbers_by_hand() -> None:
    conv = {"kind": "Conv1d", "out_channels": 1, "bias": False}
    assert one_row({**conv, "kernel_size": 3, "stride": 2, "padding": "same"}, [1, 1, 1], [1, 2, 3, 4]) == [
        [[6, 7]]
    ]
    assert one_row({**conv, "kernel_size": 2}, [10, 100], [1, 2, 3]) == [[[210, 320]]]
    pool = {"kind": "AvgPool2d", "kernel_size": 3, "stride": 1, "padding": 1}
    assert formulas.forward(pool, {}, np.ones((1, 1, 3, 3))).y[0, 0, 0, 0] == pytest.approx(4 / 9)
    same = {**pool, "padding": "same", "count_include_pad": True}
    assert formulas.forward(same, {}, np.ones((1, 1, 3, 3))).y[0, 0, 0, 0] == 1


# Everything else.


@pytest.mark.parametrize("options", [{}, {"eps": 1e-3, "momentum": 0.3, "affine": False}], ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 7), (2, 3, 5, 7)], ids=str)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_is_pytorchs(options: dict, shape: tuple, data_format: str, training: bool) -> None:
    x = spread(*shape)
    done, values = computed({"kind": "BatchNorm", **options}, x, data_format, training)
    known = tensors(values)
    means = {name: known.pop(name).clone() for name in ("running_mean", "running_var")}
    named = {key: value for key, value in options.items() if key != "affine"}
    expected = F.batch_norm(torch.from_numpy(x), **means, **known, training=training, **named)
    close(done.y, expected)
    assert set(done.updates) == (set(means) if training else set())
    for name, update in done.updates.items():
        close(update, means[name])


@pytest.mark.parametrize("options", [{}, {"bias": False, "eps": 1e-3}, {"affine": False}], ids=str)
def test_layer_norm_is_pytorchs(options: dict) -> None:
    x = spread(2, 3, 7)
    done, values = computed({"kind": "LayerNorm", **options}, x, "channels_first")
    close(done.y, F.layer_norm(torch.from_numpy(x), (7,), **tensors(values), eps=options.get("eps", 1e-5)))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("options", [{"num_groups": 2}, {"num_groups": 3, "eps": 0.1}], ids=str)
def test_group_norm_is_pytorchs(options: dict, data_format: str) -> None:
    x = spread(2, 6, 5, 7)
    done, values = computed({"kind": "GroupNorm", **options}, x, data_format)
    close(done.y, F.group_norm(torch.from_numpy(x), **options, **tensors(values)))


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 7, 11, 3)], ids=str)
def test_dense_is_pytorchs(activation: str | None, shape: tuple) -> None:
    x = spread(*shape)
    done, values = computed({"kind": "Dense", "units": 5, "activation": activation}, x, "channels_first")
    expected = F.linear(torch.from_numpy(x), **tensors(values))
    last = {"dim": -1} if "softmax" in str(activation) else {}
    close(done.y, getattr(F, activation)(expected, **last) if activation else expected)


ACTIVATIONS = {
    "relu": ({"kind": "ReLU"}, F.relu),
    "gelu": ({"kind": "GELU"}, F.gelu),
    "gelu-scipy": ({"kind": "GELU"}, lambda x: x.numpy() * (1 + scipy.special.erf(x.numpy() / 2**0.5)) / 2),
    "silu": ({"kind": "SiLU"}, F.silu),
    "tanh": ({"kind": "Tanh"}, torch.tanh),
    "sigmoid": ({"kind": "Sigmoid"}, torch.sigmoid),
    "leaky-relu": ({"kind": "LeakyReLU"}, F.leaky_relu),
    "leaky-relu-slope": ({"kind": "LeakyReLU", "negative_slope": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    "softmax": ({"kind": "Softmax"}, lambda x: F.softmax(x, -1)),
    "softmax-axis": ({"kind": "Softmax", "axis": 1}, lambda x: F.softmax(x, 1)),
    "dropout": ({"kind": "Dropout", "p": 0.3}, lambda x: x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_pytorchs(name: str) -> None:
    layer, judge = ACTIVATIONS[name]
    x = spread(2, 3, 5, scale=6)
    close(computed(layer, x, "channels_first")[0].y, judge(torch.from_numpy(x)))


def test_chance_has_no_one_output() -> None:
    assert formulas.forward({"kind": "Dropout"}, {}, spread(2, 3), training=True).y is None


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", FORMATS)
def test_global_pooling_is_the_mean_of_each_channel(keepdims: bool, data_format: str) -> None:
    x = spread(*IMAGE)
    done, _ = computed({"kind": "GlobalAvgPool2d", "keepdims": keepdims}, x, data_format)
    close(done.y, torch.from_numpy(x).mean((2, 3), keepdim=keepdims))


def test_flatten_keeps_channels_first_in_both_formats() -> None:
    x = spread(*IMAGE)
    for data_format, start in itertools.product(FORMATS, (0, 1)):
        layer = {"kind": "Flatten", "start_axis": start}
        y = formulas.forward(layer, {}, to_format(x, data_format), data_format=data_format).y
        close(y, torch.from_numpy(x).flatten(start))


def test_embedding_is_pytorchs() -> None:
    layer, x = {"kind": "Embedding", "num_embeddings": 11, "embedding_dim": 3}, np.array([[0, 10, 2]])
    weight = spread(11, 3)
    close(
        formulas.forward(layer, {"weight": weight}, x).y,
        F.embedding(torch.from_numpy(x), torch.from_numpy(weight)),
    )
    for outside in (-1, 11):
        with pytest.raises(Refusal) as caught:
            formulas.forward(layer, {"weight": weight}, np.array([0, outside]))
        assert caught.value.kind == "NativeCallError"

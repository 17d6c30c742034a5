"""The oracle's rules: what layers declare, infer and refuse, against published tables."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from isomorph.conformance.model.rules import Refusal, declared, infer


def conv(filters: int, kernel: int, **options: Any) -> dict:
    return {"kind": "Conv2d", "out_channels": filters, "kernel_size": kernel, **options}


def dense(units: int, **options: Any) -> dict:
    return {"kind": "Dense", "units": units, **options}


def count(layers: list[dict], shape: tuple[int | None, ...], data_format: str = "channels_first") -> int:
    """Return how many numbers a chain of layers learns."""
    total = 0
    for layer in layers:
        found = infer(layer, shape, "float32", data_format=data_format)
        learned = [name for name, each in declared(layer).items() if each.trainable]
        total += sum(math.prod(found.parameters[name]) for name in learned)
        shape = found.shape
    return total


POOL = {"kind": "MaxPool2d", "kernel_size": 2}
VGG_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
VGG16 = [
    *(layer for stage in VGG_STAGES for layer in (*(conv(n, 3, padding=1) for n in stage), POOL)),
    {"kind": "Flatten"},
    *(dense(n) for n in (4096, 4096, 1000)),
]
LENET = [
    conv(6, 5, padding=2),
    POOL,
    conv(16, 5),
    POOL,
    {"kind": "Flatten"},
    *(dense(n) for n in (120, 84, 10)),
]


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize(
    ("layers", "channels", "size", "published"),
    [(VGG16, 3, 224, 138_357_544), (LENET, 1, 28, 61_706)],
    ids=["vgg16", "lenet"],
)
def test_parameter_counts_are_the_published_ones(
    layers: list[dict], channels: int, size: int, published: int, data_format: str
) -> None:
    image = (None, channels, size, size) if data_format == "channels_first" else (None, size, size, channels)
    assert count(layers, image, data_format) == published


@pytest.mark.parametrize(
    ("layer", "channels", "published"),
    [
        (conv(64, 7, stride=2, padding=3, bias=False), 3, 9_408),  # the first of ResNet-50
        (conv(96, 11, stride=4), 3, 34_944),  # the first of AlexNet
        (conv(256, 5, padding=2, groups=2), 96, 307_456),  # its second, in two groups
        (conv(32, 3, groups=32, bias=False), 32, 288),  # depthwise, MobileNet v1
        ({"kind": "BatchNorm"}, 64, 128),
    ],
)
def test_counts_of_known_layers(layer: dict, channels: int, published: int) -> None:
    assert count([layer], (None, channels, 224, 224)) == published


@pytest.mark.parametrize(
    ("layer", "judge"),
    [
        (dense(5, in_features=3), torch.nn.Linear(3, 5)),
        (dense(5, in_features=3, bias=False), torch.nn.Linear(3, 5, bias=False)),
        (conv(6, 3, in_channels=9, groups=3), torch.nn.Conv2d(9, 6, 3, groups=3)),
        ({"kind": "Conv1d", "out_channels": 5, "kernel_size": 2, "in_channels": 3}, torch.nn.Conv1d(3, 5, 2)),
        ({"kind": "BatchNorm", "in_features": 3}, torch.nn.BatchNorm1d(3)),
        ({"kind": "BatchNorm", "in_features": 3, "affine": False}, torch.nn.BatchNorm1d(3, affine=False)),
        ({"kind": "LayerNorm", "in_features": 3}, torch.nn.LayerNorm(3)),
        ({"kind": "LayerNorm", "in_features": 3, "bias": False}, torch.nn.LayerNorm(3, bias=False)),
        ({"kind": "Embedding", "num_embeddings": 11, "embedding_dim": 3}, torch.nn.Embedding(11, 3)),
        ({"kind": "ReLU"}, torch.nn.ReLU()),
    ],
    ids=str,
)
def test_names_order_and_shapes_are_pytorchs(layer: dict, judge: torch.nn.Module) -> None:
    learned = {name for name, _ in judge.named_parameters()}
    expected = {
        name: (tuple(value.shape), name in learned)
        for name, value in judge.state_dict().items()
        if name != "num_batches_tracked"
    }
    found = {name: (each.shape, each.trainable) for name, each in declared(layer).items()}
    assert found == expected
    assert list(found) == list(expected)


def test_roles_and_open_sizes_before_data() -> None:
    norm = declared({"kind": "BatchNorm"})
    assert {name: (each.shape, each.role) for name, each in norm.items()} == {
        "weight": ((None,), "scale"),
        "bias": ((None,), "bias"),
        "running_mean": ((None,), "weight"),
        "running_var": ((None,), "weight"),
    }
    assert declared(conv(6, 3, groups=3))["weight"].shape == (6, None, 3, 3)
    assert declared(conv(6, 3, groups=3))["bias"].shape == (6,)


@pytest.mark.parametrize(
    ("layer", "shape", "output"),
    [
        (dense(5), (None, 7, 3), (None, 7, 5)),
        (dense(5), (None, None), (None, 5)),
        (conv(5, 3, stride=2), (None, 3, None, 7), (None, 5, None, 3)),
        (POOL, (None, 3, 11, None), (None, 3, 5, None)),
        ({"kind": "GlobalAvgPool2d"}, (None, 3, None, None), (None, 3)),
        ({"kind": "Flatten"}, (None, 3, 5), (None, 15)),
        ({"kind": "Flatten"}, (2, 3, None), (2, None)),
        ({"kind": "Flatten", "start_axis": 0}, (None, 3), (None,)),
        ({"kind": "Flatten"}, (3,), (3, 1)),
        ({"kind": "BatchNorm"}, (None, 3), (None, 3)),
        ({"kind": "Softmax"}, (None, 3), (None, 3)),
    ],
    ids=str,
)
def test_open_sizes_stay_open_where_they_matter(layer: dict, shape: tuple, output: tuple) -> None:
    assert infer(layer, shape, "float32").shape == output


def test_types_follow_the_input_but_for_indices() -> None:
    assert infer(dense(5), (2, 3), "float16").dtype == "float16"
    assert infer({"kind": "Flatten"}, (2, 3), "bool").dtype == "bool"
    table = {"kind": "Embedding", "num_embeddings": 11, "embedding_dim": 3}
    found = infer(table, (2, 5), "int32", net_dtype="float64")
    assert (found.shape, found.dtype) == ((2, 5, 3), "float64")


def test_sizes_seen_before_hold() -> None:
    seen = infer(conv(6, 3, groups=3), (2, 9, 5, 7), "float32").parameters
    assert seen["weight"] == (6, 3, 3, 3)
    with pytest.raises(Refusal) as caught:
        infer(conv(6, 3, groups=3), (2, 12, 5, 7), "float32", seen)
    assert (caught.value.expected, caught.value.received) == (9, 12)


SHAPE, DTYPE = "ShapeMismatchError", "DTypeMismatchError"
TABLE = {"kind": "Embedding", "num_embeddings": 11, "embedding_dim": 3}
NORM = {"kind": "BatchNorm"}


@pytest.mark.parametrize(
    ("layer", "shape", "dtype", "kind", "expected", "received"),
    [
        (dense(5, in_features=3), (2, 7), "float32", SHAPE, 3, 7),
        (dense(5), (), "float32", SHAPE, None, None),
        (dense(5), (2, 0), "float32", SHAPE, None, None),
        (dense(5), (0,), "float32", SHAPE, None, None),
        (dense(5), (2, 0, 3), "float32", SHAPE, None, None),
        (dense(5), (2, 3), "int64", DTYPE, None, "int64"),
        (dense(5), (2, 3), "bool", DTYPE, None, "bool"),
        (conv(5, 3), (2, 3, 7), "float32", SHAPE, None, None),
        (conv(5, 3), (3, 7, 5), "float32", SHAPE, None, None),
        (conv(5, 3, in_channels=3), (2, 7, 11, 7), "float32", SHAPE, 3, 7),
        (conv(6, 3, groups=3), (2, 7, 11, 7), "float32", SHAPE, 3, 7),
        (conv(6, 3, groups=3, in_channels=9), (2, 7, 11, 7), "float32", SHAPE, 9, 7),
        (conv(5, 3), (2, 3, 11, 2), "float32", SHAPE, None, None),
        (conv(5, 3, dilation=3, padding=1), (2, 3, 11, 4), "float32", SHAPE, None, None),
        (conv(5, 3, padding=1), (2, 3, 0, 7), "float32", SHAPE, None, None),
        (POOL, (2, 3, 1, 7), "float32", SHAPE, None, None),
        (POOL, (2, 3, 5, 7), "int32", DTYPE, None, "int32"),
        (NORM, (3,), "float32", SHAPE, None, None),
        (NORM, (1, 3), "float32", SHAPE, None, None),
        (NORM, (1, 3, 1, 1), "float32", SHAPE, None, None),
        (NORM, (0, 3), "float32", SHAPE, None, None),
        ({**NORM, "in_features": 3}, (2, 5), "float32", SHAPE, 3, 5),
        ({"kind": "LayerNorm", "in_features": 3}, (2, 5), "float32", SHAPE, 3, 5),
        ({"kind": "Flatten"}, (), "float32", SHAPE, None, None),
        ({"kind": "Softmax", "axis": 2}, (2, 3), "float32", "ForwardError", None, None),
        (TABLE, (2, 3), "float32", DTYPE, None, "float32"),
        (TABLE, (2, 3), "bool", DTYPE, None, "bool"),
        (TABLE, (2, 0), "int64", SHAPE, None, None),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    layer: dict, shape: tuple, dtype: str, kind: str, expected: Any, received: Any
) -> None:
    with pytest.raises(Refusal) as caught:
        infer(layer, shape, dtype)
    assert (caught.value.kind, caught.value.expected, caught.value.received) == (kind, expected, received)


@pytest.mark.parametrize(
    ("layer", "shape", "training"),
    [
        (NORM, (1, 3), False),
        (NORM, (1, 3, 1, 2), True),
        (NORM, (2, 3), True),
        (NORM, (None, 3), True),
        (dense(5), (0, 3), True),
        (conv(5, 3, padding="same"), (2, 3, 1, 1), True),
        ({"kind": "LayerNorm", "affine": False, "in_features": 3}, (2, 5), True),
    ],
    ids=str,
)
def test_what_fits_is_not_refused(layer: dict, shape: tuple, training: bool) -> None:
    infer(layer, shape, "float32", training=training)


def test_a_constructor_that_cannot_fit_is_refused() -> None:
    with pytest.raises(Refusal):
        declared(conv(6, 3, groups=3, in_channels=7))

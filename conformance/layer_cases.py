"""Every layer as data: how it is made, what it is fed, how close backends must be.

A layer that `isomorph.nn` exports and that no case covers fails the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.init.laws import Array


@dataclass(frozen=True)
class Case:
    """One layer on one input.

    Shapes are channels first; images are moved to channels last where a run asks for it.
    Sizes are small distinct primes, so that a swapped axis changes a shape or a number.
    """

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    dtype: str = "float32"
    is_image: bool = False
    """Whether the data format says where its channels are."""
    output: tuple[int, ...] | None = None
    """The shape of the output, where it has not the input's."""
    tolerance: float = 1e-5
    """Greatest difference to the reference, relative to the reference's greatest element."""

    def inputs(self, data_format: str = "channels_first") -> Array:
        """Return the input: asymmetric, without zeros, the same on every run."""
        generator = np.random.default_rng(len(self.shape) * 1000 + sum(self.shape))
        if self.dtype.startswith("int"):
            return generator.integers(0, 11, self.shape).astype(self.dtype)
        values = (generator.standard_normal(self.shape) + 0.25).astype(self.dtype)
        return to_format(values, data_format) if self.is_image else values

    def expected_shape(self, data_format: str = "channels_first") -> tuple[int, ...]:
        """Return the shape of the output."""
        shape = self.output or self.shape
        if self.is_image and data_format == "channels_last" and len(shape) > 2:
            return (shape[0], *shape[2:], shape[1])
        return shape


def to_format(images: Array, data_format: str) -> Array:
    """Return channels-first arrays in the given data format."""
    return np.ascontiguousarray(np.moveaxis(images, 1, -1)) if data_format == "channels_last" else images


def _conv2d(
    name: str, output: tuple[int, ...], shape: tuple[int, ...] = (2, 3, 11, 7), **options: Any
) -> Case:
    options = {"out_channels": 5, "kernel_size": 3, **options}
    return Case(f"Conv2d-{name}", lambda: nn.Conv2d(**options), shape, is_image=True, output=output)


def _conv1d(name: str, output: tuple[int, ...], shape: tuple[int, ...] = (2, 3, 11), **options: Any) -> Case:
    options = {"out_channels": 5, "kernel_size": 3, **options}
    return Case(f"Conv1d-{name}", lambda: nn.Conv1d(**options), shape, is_image=True, output=output)


def _pool(kind: type[nn.Module], name: str, output: tuple[int, ...], **options: Any) -> Case:
    shape = (2, 3, 11, 7)
    return Case(f"{kind.__name__}-{name}", lambda: kind(**options), shape, is_image=True, output=output)


CASES: tuple[Case, ...] = (
    Case("Dense", lambda: nn.Dense(5), (2, 3), output=(2, 5)),
    Case("Dense-rank1", lambda: nn.Dense(5), (3,), output=(5,)),
    Case("Dense-rank4", lambda: nn.Dense(5), (2, 3, 7, 11), output=(2, 3, 7, 5)),
    Case("Dense-no-bias", lambda: nn.Dense(5, bias=False), (2, 3), output=(2, 5)),
    Case("Dense-relu", lambda: nn.Dense(5, activation="relu"), (2, 3), output=(2, 5)),
    Case("Dense-gelu", lambda: nn.Dense(5, activation="gelu"), (2, 3), output=(2, 5)),
    Case("Dense-softmax", lambda: nn.Dense(5, activation="softmax"), (2, 3), output=(2, 5)),
    Case("Dense-known", lambda: nn.Dense(5, in_features=3), (2, 3), output=(2, 5)),
    _conv2d("plain", (2, 5, 9, 5)),
    _conv2d("stride", (2, 5, 6, 4), stride=2, padding=1),
    _conv2d("pairs", (2, 5, 6, 8), kernel_size=(2, 3), stride=(2, 1), padding=(0, 1), shape=(2, 3, 13, 8)),
    _conv2d("same", (2, 5, 11, 7), padding="same"),
    _conv2d("same-stride", (2, 5, 6, 4), padding="same", stride=2),
    _conv2d("same-stride-even", (2, 5, 6, 4), padding="same", stride=2, shape=(2, 3, 12, 8)),
    _conv2d("same-even-kernel", (2, 5, 4, 3), padding="same", stride=3, kernel_size=(4, 2)),
    _conv2d("valid-dilation", (2, 5, 7, 3), padding="valid", dilation=2),
    _conv2d("same-dilation", (2, 5, 11, 7), padding="same", dilation=(3, 2)),
    _conv2d("groups", (2, 6, 9, 5), groups=3, out_channels=6),
    _conv2d("depthwise", (2, 6, 11, 7), groups=3, out_channels=6, padding="same"),
    _conv2d("no-bias", (2, 5, 9, 5), bias=False),
    _conv2d("relu", (2, 5, 9, 5), activation="relu"),
    _conv1d("plain", (2, 5, 9)),
    _conv1d("stride-padding", (2, 5, 7), stride=2, padding=2),
    _conv1d("same-stride", (2, 5, 4), stride=3, padding="same", kernel_size=4),
    _conv1d("dilation-groups", (2, 6, 7), dilation=2, groups=3, out_channels=6),
    _pool(nn.MaxPool2d, "plain", (2, 3, 5, 3), kernel_size=2),
    _pool(nn.MaxPool2d, "padding", (2, 3, 6, 4), kernel_size=3, stride=2, padding=1),
    _pool(nn.MaxPool2d, "same", (2, 3, 6, 4), kernel_size=3, stride=2, padding="same"),
    _pool(nn.MaxPool2d, "pairs", (2, 3, 5, 3), kernel_size=(3, 2), stride=(2, 3), padding=(0, 1)),
    _pool(nn.AvgPool2d, "plain", (2, 3, 5, 3), kernel_size=2),
    _pool(nn.AvgPool2d, "padding", (2, 3, 6, 4), kernel_size=3, stride=2, padding=1),
    _pool(
        nn.AvgPool2d,
        "padding-not-counted",
        (2, 3, 6, 4),
        kernel_size=3,
        stride=2,
        padding=1,
        count_include_pad=False,
    ),
    _pool(nn.AvgPool2d, "same", (2, 3, 6, 4), kernel_size=3, stride=2, padding="same"),
    _pool(nn.GlobalAvgPool2d, "plain", (2, 3)),
    _pool(nn.GlobalAvgPool2d, "keepdims", (2, 3, 1, 1), keepdims=True),
    Case("BatchNorm-matrix", nn.BatchNorm, (5, 3), is_image=True),
    Case("BatchNorm-sequence", nn.BatchNorm, (2, 3, 7), is_image=True),
    Case("BatchNorm-image", nn.BatchNorm, (2, 3, 5, 7), is_image=True),
    Case("BatchNorm-options", lambda: nn.BatchNorm(1e-3, 0.3, affine=False), (2, 3, 5, 7), is_image=True),
    Case("LayerNorm", nn.LayerNorm, (2, 3, 7)),
    Case("LayerNorm-no-bias", lambda: nn.LayerNorm(bias=False, eps=1e-3), (2, 7)),
    Case("LayerNorm-plain", lambda: nn.LayerNorm(affine=False), (2, 7)),
    Case("Embedding", lambda: nn.Embedding(11, 3), (2, 5), "int64", output=(2, 5, 3)),
    Case("Embedding-int32", lambda: nn.Embedding(11, 3), (7,), "int32", output=(7, 3)),
    Case("Dropout", lambda: nn.Dropout(0.3), (2, 3, 5)),
    Case("Flatten", nn.Flatten, (2, 3, 5, 7), is_image=True, output=(2, 105)),
    Case("Flatten-start", lambda: nn.Flatten(2), (2, 3, 5, 7), output=(2, 3, 35)),
    Case("ReLU", nn.ReLU, (2, 3, 5)),
    Case("GELU", nn.GELU, (2, 3, 5)),
    Case("SiLU", nn.SiLU, (2, 3, 5)),
    Case("Tanh", nn.Tanh, (2, 3, 5)),
    Case("Sigmoid", nn.Sigmoid, (2, 3, 5)),
    Case("LeakyReLU", lambda: nn.LeakyReLU(0.2), (2, 3, 5)),
    Case("Softmax", nn.Softmax, (2, 3, 5)),
    Case("Softmax-axis", lambda: nn.Softmax(1), (2, 3, 5)),
    Case("Sequential", lambda: nn.Sequential(nn.Dense(5), nn.ReLU(), nn.Dense(7)), (2, 3), output=(2, 7)),
)

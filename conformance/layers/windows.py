"""The windows that convolutions and pools slide over an image or a sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .record import Array, Layer, Place, Refusal, Sizes

# What a covering table asks beside a layer's options: which of two inputs, in which data format.
INPUTS: dict[str, Any] = {"size": [0, 1], "format": ["first", "last"]}


def per_axis(given: Any, axes: int) -> tuple[int, ...]:
    """Return one number per spatial axis."""
    return tuple(given) if isinstance(given, (list, tuple)) else (given,) * axes


@dataclass(frozen=True)
class Windows:
    """A layer's windows: their sizes, steps and gaps, one per spatial axis.

    Args:
        kernel: The window's sizes.
        stride: The step from one window to the next.
        dilation: The distance between a window's elements.
        added: Padding as the layer is told it: a number, one per axis, ``"same"`` or ``"valid"``.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    added: Any

    @classmethod
    def of(cls, layer: Layer, axes: int, stride: Any = 1) -> Windows:
        """Return a layer's windows, with a step for where it has none."""
        given = layer.get("stride")
        steps = per_axis(stride if given is None else given, axes)
        dilation = per_axis(layer.get("dilation", 1), axes)
        return cls(per_axis(layer["kernel_size"], axes), steps, dilation, layer.get("padding", 0))

    @property
    def reach(self) -> tuple[int, ...]:
        """How many positions a window spans, from its first element to its last."""
        return tuple(step * (size - 1) + 1 for size, step in zip(self.kernel, self.dilation))

    def padding(self, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Return how many positions are added (before, after) each spatial axis of these sizes.

        ``"same"``: as many as make ``ceil(size / stride)`` windows fit, halved, the odd one after.
        """
        if self.added == "valid":
            return ((0, 0),) * len(sizes)
        if self.added != "same":
            return tuple((each, each) for each in per_axis(self.added, len(self.kernel)))
        found = []
        for size, step, span in zip(sizes, self.stride, self.reach):
            windows = -(-size // step)
            total = max((windows - 1) * step + span - size, 0)
            found.append((total // 2, total - total // 2))
        return tuple(found)

    def output(self, shape: Sizes, place: Place) -> Sizes:
        """Return the shape with each spatial size replaced by the number of windows that fit."""
        output = list(shape)
        start = place.first_spatial_axis
        for i, (step, span) in enumerate(zip(self.stride, self.reach)):
            size = shape[start + i]
            if size is None:
                continue
            # Only this axis is looked at, so its size stands for the others too.
            before, after = self.padding((size,) * len(self.kernel))[i]
            room = before + size + after - span
            if room < 0:
                raise Refusal("ShapeMismatchError")
            output[start + i] = room // step + 1
        return tuple(output)

    def padded(self, x: Array, value: float) -> Array:
        """Return a channels-first array with its padding."""
        return np.pad(x, ((0, 0), (0, 0), *self.padding(x.shape[2:])), constant_values=value)

    def counts(self, x: Array) -> tuple[int, ...]:
        """Return how many windows fit along each spatial axis of a channels-first array."""
        axes = zip(self.padded(x, 0.0).shape[2:], self.reach, self.stride)
        return tuple((size - span) // step + 1 for size, span, step in axes)

    def at(self, position: tuple[int, ...]) -> tuple[slice, ...]:
        """Return what the window at a position covers of a padded channels-first array."""
        axes = zip(position, self.stride, self.reach, self.dilation)
        covered = tuple(slice(at * step, at * step + span, gap) for at, step, span, gap in axes)
        return (slice(None), slice(None), *covered)

    @property
    def count(self) -> int:
        """How many elements a window has."""
        return math.prod(self.kernel)

"""What a window slides over: padding, positions, elements; for channels first."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph.adapter import Array, Binding, same_padding

from .framework import NumpyModule, settings_of


class Images(NumpyModule):
    """A layer whose formula is written for channels first, in either data format."""

    def __init__(self, layer: Any, binding: Binding) -> None:
        self.layer, self.channels_last = settings_of(layer), binding.options.channels_last

    def __call__(self, x: Array) -> Array:
        y = self.compute(np.moveaxis(x, -1, 1) if self.channels_last else x)
        return np.moveaxis(y, 1, -1) if self.channels_last else y

    def compute(self, x: Array) -> Any:
        """Return the layer's output for channels-first images."""
        raise NotImplementedError


def padded(x: Array, layer: Any, dilation: tuple[int, ...], value: float) -> Array:
    """Return images with the padding of a layer."""
    axes = enumerate(zip(x.shape[2:], layer.kernel_size, layer.stride, dilation))
    widths = [same_padding(*axis) if layer.padding == "same" else (layer.padding[i],) * 2 for i, axis in axes]
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=value)


def positions(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    """Return how many positions a window has along each axis."""
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation))


def shifted(x: Array, element: Any, sizes: Any, stride: Any, dilation: Any) -> Array:
    """Return what one element of the kernel meets at every position of the window."""
    axes = zip(element, sizes, stride, dilation)
    index: tuple[Any, ...] = tuple(slice(e * d, e * d + s * (n - 1) + 1, s) for e, n, s, d in axes)
    return x[(..., *index)]


def windows(x: Array, layer: Any) -> Array:
    """Return the elements of each window along a new first axis."""
    sizes = positions(x.shape[2:], layer.kernel_size, layer.stride, (1, 1))
    elements = np.ndindex(*layer.kernel_size)
    return np.stack([shifted(x, element, sizes, layer.stride, (1, 1)) for element in elements])

"""What convolutions and poolings have in common."""

from __future__ import annotations

from typing import Any

from isomorph.adapter import Binding

from .deferral import common
from .framework import tf


class Padded:
    """A window layer with symmetric padding, computed channels last.

    On CPU, TensorFlow 2.21 has neither pooling nor gradients of convolutions channels first.
    """

    data_format: str

    def __init__(self, *args: Any, pads: tuple[int, ...], **options: Any) -> None:
        super().__init__(*args, **options)
        self.pads = pads

    def _channels_last(self, x: Any) -> Any:
        rank = len(x.shape)
        return tf.transpose(x, (0, *range(2, rank), 1)) if self.data_format == "channels_first" else x

    def _own_format(self, x: Any) -> Any:
        rank = len(x.shape)
        order = (0, rank - 1, *range(1, rank - 1))
        return tf.transpose(x, order) if self.data_format == "channels_first" else x

    def _widths(self) -> list[list[int]]:
        return [[0, 0], *([pad, pad] for pad in self.pads), [0, 0]]

    def compute_output_shape(self, input_shape: Any) -> Any:
        sizes, start = list(input_shape), 1 if self.data_format == "channels_last" else 2
        for axis, pad in enumerate(self.pads, start):
            sizes[axis] = None if sizes[axis] is None else sizes[axis] + 2 * pad
        return super().compute_output_shape(tuple(sizes))  # type: ignore[misc]


def window_options(layer: Any, binding: Binding) -> dict[str, Any]:
    """Return what convolutions and poolings are given alike."""
    same, data_format = layer.padding == "same", binding.options.data_format
    pads = () if same else layer.padding
    return {
        "padding": "same" if same else "valid",
        "pads": pads,
        "data_format": data_format,
        **common(layer, binding),
    }

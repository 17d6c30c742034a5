"""Flatten."""

from __future__ import annotations

import math
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, Options

from ..adapter import TensorFlowAdapter
from ..deferral import common
from ..framework import keras, tf
from ..ops import flatten_from

SCRIPTS = {nn.Flatten: "lambda x: keras.ops.reshape(x, (*x.shape[:{start_axis}], -1))"}


class Flatten(keras.layers.Flatten):  # type: ignore[misc]
    """A `keras.layers.Flatten` from an axis on, in the order channels, space in both formats."""

    def __init__(self, layer: nn.Flatten, moved: Options, **options: Any) -> None:
        super().__init__(data_format=moved.data_format, **options)
        self.source, self.options = layer, moved

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        if self.source.moves_channels(rank, self.options):
            inputs = tf.transpose(inputs, (0, rank - 1, *range(1, rank - 1)))
        return flatten_from(inputs, self.source.start_axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        kept, rest = input_shape[: self.source.start_axis], input_shape[self.source.start_axis :]
        return (*kept, None if None in rest else math.prod(rest))

    compute_output_spec = keras.Operation.compute_output_spec


@TensorFlowAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Flatten:
    """Lower Flatten."""
    return Flatten(layer, binding.options, **common(layer, binding))

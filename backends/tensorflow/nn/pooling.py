"""Pooling."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import common
from ..framework import keras, tf
from ..windows import Padded, window_options

SCRIPTS = {
    nn.MaxPool2d: "keras.layers.MaxPooling2D({kernel_size}, {stride}, {word!r}, dtype=dtype)",
    nn.AvgPool2d: "keras.layers.AveragePooling2D({kernel_size}, {stride}, {word!r}, dtype=dtype)",
    nn.GlobalAvgPool2d: "keras.layers.GlobalAveragePooling2D(keepdims={keepdims}, dtype=dtype)",
}


class MaxPooling2D(Padded, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """A `keras.layers.MaxPooling2D` with integer padding, of minus infinity."""

    def call(self, inputs: Any) -> Any:
        padding = self._widths() if self.pads else self.padding.upper()
        return self._own_format(
            tf.nn.max_pool2d(self._channels_last(inputs), self.pool_size, self.strides, padding)
        )


class AveragePooling2D(Padded, keras.layers.AveragePooling2D):  # type: ignore[misc]
    """A `keras.layers.AveragePooling2D` with integer padding, counted or not."""

    counts_padding = True

    def call(self, inputs: Any) -> Any:
        x = self._channels_last(inputs)
        if not any(self.pads):
            return self._own_format(tf.nn.avg_pool2d(x, self.pool_size, self.strides, self.padding.upper()))
        y = self._pooled(x)
        return self._own_format(y if self.counts_padding else y / self._pooled(tf.ones_like(x[:1, :, :, :1])))

    def _pooled(self, x: Any) -> Any:
        return tf.nn.avg_pool2d(tf.pad(x, self._widths()), self.pool_size, self.strides, "VALID")


@TensorFlowAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower a pooling."""
    kind = MaxPooling2D if isinstance(layer, nn.MaxPool2d) else AveragePooling2D
    native = kind(layer.kernel_size, layer.stride, **window_options(layer, binding))
    native.counts_padding = getattr(layer, "count_include_pad", True)
    return native


@TensorFlowAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    options = {"data_format": binding.options.data_format, "keepdims": layer.keepdims}
    return keras.layers.GlobalAveragePooling2D(**options, **common(layer, binding))

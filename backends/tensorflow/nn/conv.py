"""Convolution."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import Deferred
from ..framework import keras, tf
from ..ops import sizes_of
from ..windows import Padded, window_options
from .activations import keras_activation

_CONV = (
    "keras.layers.Conv{spatial}D({out_channels}, {kernel_size}, {steps}, {word!r}, dilation_rate={dilation}, "
    "groups={groups}, use_bias={has_bias}, dtype=dtype)"
)
SCRIPTS = {nn.Conv1d: _CONV, nn.Conv2d: _CONV}


class _Convolution(Padded, Deferred):
    """A Keras convolution with integer padding and groups that also trains on CPU."""

    def __init__(self, *args: Any, dilation_rate: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Keras's constructor refuses dilation together with strides.
        self.dilation_rate = dilation_rate

    def call(self: Any, inputs: Any) -> Any:
        x, kernel = self._channels_last(inputs), tf.convert_to_tensor(self.kernel)
        strides, dilation, pads = self.strides, self.dilation_rate, self._widths()
        if self.rank == 1:
            x, kernel = tf.expand_dims(x, 1), tf.expand_dims(kernel, 0)
            strides, dilation, pads = (1, *strides), (1, *dilation), [pads[0], [0, 0], *pads[1:]]
        if self.padding == "same":
            pads = _same_widths(x, kernel, strides, dilation)
        y = _convolve(x, kernel, strides, dilation, pads, self.groups)
        # Keras 3.15 adds a bias along the wrong axis of channels-first images as wide as deep.
        y = y if self.bias is None else tf.nn.bias_add(y, self.bias)
        y = self._own_format(tf.squeeze(y, [1]) if self.rank == 1 else y)
        return y if self.activation is None else self.activation(y)


def _same_widths(x: Any, kernel: Any, strides: Any, dilation: Any) -> list[Any]:
    """Return the padding of ``"same"``, for sizes that a graph may leave open too."""
    widths: list[Any] = [[0, 0]]
    for size, window, stride, step in zip(sizes_of(x)[1:-1], kernel.shape, strides, dilation):
        largest = max if isinstance(size, int) else tf.maximum
        total = largest((-(-size // stride) - 1) * stride + step * (window - 1) + 1 - size, 0)
        widths.append([total // 2, total - total // 2])
    return [*widths, [0, 0]]


def _convolve(x: Any, kernel: Any, strides: Any, dilation: Any, pads: Any, groups: int) -> Any:
    """Convolve images channels last; by CPU kernels that have gradients in TensorFlow 2.21."""
    if groups > 1 and kernel.shape[2] == max(dilation) == 1 and strides[0] == strides[1]:
        # Explicit padding with a bias behind it ends the process in TensorFlow 2.21's compiled graphs.
        filters = tf.reshape(kernel, (*kernel.shape[:2], groups, -1))
        return tf.nn.depthwise_conv2d(tf.pad(x, pads), filters, (1, *strides, 1), "VALID")
    if max(dilation) > 1 or any(isinstance(width, tf.Tensor) for pair in pads for width in pair):
        x, pads = tf.pad(x, pads), [[0, 0]] * 4

    def one_group(part: Any, filters: Any) -> Any:
        if max(dilation) == 1:
            return tf.nn.conv2d(part, filters, strides, pads)
        # Dilation together with strides does not exist.
        y = tf.nn.convolution(part, filters, 1, "VALID", dilations=dilation)
        return y[:, :: strides[0], :: strides[1]]

    if groups == 1:
        return one_group(x, kernel)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
    return tf.concat([one_group(*each) for each in parts], -1)


class Conv1D(_Convolution, keras.layers.Conv1D):  # type: ignore[misc]
    """A `keras.layers.Conv1D` with integer padding."""


class Conv2D(_Convolution, keras.layers.Conv2D):  # type: ignore[misc]
    """A `keras.layers.Conv2D` with integer padding."""


@TensorFlowAdapter.lowers(nn.Conv1d, weight=("kernel", (2, 1, 0)))
@TensorFlowAdapter.lowers(nn.Conv2d, weight=("kernel", (2, 3, 1, 0)))
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution."""
    kind = Conv1D if layer.spatial == 1 else Conv2D
    return kind(
        layer.out_channels,
        layer.kernel_size,
        strides=layer.stride,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        activation=keras_activation(layer.activation, binding),
        use_bias=layer.bias is not None,
        kernel_initializer="zeros",
        **window_options(layer, binding),
    )

"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from .adapter import TensorFlowAdapter
from .framework import keras, tf
from .layers import keras_activation
from .ops import sizes_of
from .variables import Deferred, ParameterLaw, common


class _Padded:
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


def _window(layer: Any, binding: Binding) -> dict[str, Any]:
    """Return what convolutions and poolings are given alike."""
    same, data_format = layer.padding == "same", binding.options.data_format
    pads = () if same else layer.padding
    return {
        "padding": "same" if same else "valid",
        "pads": pads,
        "data_format": data_format,
        **common(layer, binding),
    }


class _Convolution(_Padded, Deferred):
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
    kind, axes = (Conv1D, (2, 1, 0)) if layer.spatial == 1 else (Conv2D, (2, 3, 1, 0))
    return kind(
        layer.out_channels,
        layer.kernel_size,
        strides=layer.stride,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        activation=keras_activation(layer.activation, binding),
        use_bias=layer.bias is not None,
        kernel_initializer=ParameterLaw(binding, layer, "weight", axes),
        bias_initializer=ParameterLaw(binding, layer, "bias"),
        **_window(layer, binding),
    )


class MaxPooling2D(_Padded, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """A `keras.layers.MaxPooling2D` with integer padding, of minus infinity."""

    def call(self, inputs: Any) -> Any:
        padding = self._widths() if self.pads else self.padding.upper()
        return self._own_format(
            tf.nn.max_pool2d(self._channels_last(inputs), self.pool_size, self.strides, padding)
        )


class AveragePooling2D(_Padded, keras.layers.AveragePooling2D):  # type: ignore[misc]
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
    native = kind(layer.kernel_size, layer.stride, **_window(layer, binding))
    native.counts_padding = getattr(layer, "count_include_pad", True)
    return native


@TensorFlowAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    options = {"data_format": binding.options.data_format, "keepdims": layer.keepdims}
    return keras.layers.GlobalAveragePooling2D(**options, **common(layer, binding))

"""Normalizations."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import Deferred, common
from ..framework import keras, tf

_NORM = "{eps}, {has_bias}, {has_weight}, dtype=dtype)"
SCRIPTS = {
    nn.BatchNorm: "keras.layers.BatchNormalization({channel_axis}, {kept}, " + _NORM,
    nn.LayerNorm: "keras.layers.LayerNormalization(-1, " + _NORM,
    nn.GroupNorm: "keras.layers.GroupNormalization({num_groups}, -1, " + _NORM,
}


class BatchNormalization(Deferred, keras.layers.BatchNormalization):  # type: ignore[misc]
    """A `keras.layers.BatchNormalization` of any rank, whose running variance is unbiased."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_spec = keras.InputSpec(min_ndim=2, axes={self.axis: input_shape[self.axis]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        # Half precision overflows in the variance, as in Keras.
        x = tf.cast(inputs, keras.backend.result_type(inputs.dtype.name, "float32"))
        axis = self.axis % len(x.shape)
        others = [i for i in range(len(x.shape)) if i != axis]
        mean, variance = (tf.cast(v, x.dtype) for v in (self.moving_mean, self.moving_variance))
        if training and self.trainable:
            count = tf.cast(tf.size(x) // tf.shape(x)[axis], x.dtype)
            running = mean, variance
            mean, variance = tf.nn.moments(x, others)
            unbiased = variance * (count / tf.maximum(count - 1, 1))
            self._blend(self.moving_mean, running[0], mean)
            self._blend(self.moving_variance, running[1], unbiased)
        shape = [-1 if i == axis else 1 for i in range(len(x.shape))]
        affine = (self.gamma, self.beta)
        scale, offset = (None if v is None else tf.reshape(tf.cast(v, x.dtype), shape) for v in affine)
        mean, variance = tf.reshape(mean, shape), tf.reshape(variance, shape)
        y = tf.nn.batch_normalization(x, mean, variance, offset, scale, self.epsilon)
        return tf.cast(y, self.compute_dtype)

    @property
    def trainable(self) -> bool:
        """Whether it is trained; frozen, it uses the running statistics."""
        return super().trainable  # type: ignore[no-any-return]

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        if (source := self.__dict__.get("_isomorph_source")) is not None:
            source[0].forget_traces()  # it is a constant in compiled calls

    def _blend(self, variable: Any, running: Any, new: Any) -> None:
        variable.assign(running * self.momentum + new * (1.0 - self.momentum))


@TensorFlowAdapter.lowers(
    nn.BatchNorm, weight="gamma", bias="beta", running_mean="moving_mean", running_var="moving_variance"
)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> BatchNormalization:
    """Lower BatchNorm; Keras's momentum is the weight of the old statistics."""
    return BatchNormalization(
        axis=-1 if binding.options.data_format == "channels_last" else 1,
        momentum=1 - layer.momentum,
        epsilon=layer.eps,
        center=layer.affine,
        scale=layer.affine,
        **common(layer, binding),
    )


class LayerNormalization(Deferred, keras.layers.LayerNormalization):  # type: ignore[misc]
    """A `keras.layers.LayerNormalization`."""


@TensorFlowAdapter.lowers(nn.LayerNorm, weight="gamma", bias="beta")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> LayerNormalization:
    """Lower LayerNorm."""
    return LayerNormalization(
        epsilon=layer.eps,
        center=layer.bias is not None,
        scale=layer.weight is not None,
        **common(layer, binding),
    )


class GroupNormalization(Deferred, keras.layers.GroupNormalization):  # type: ignore[misc]
    """A `keras.layers.GroupNormalization` of any rank."""

    groups: int

    def build(self, input_shape: Any) -> None:
        # Channels that do not divide are refused by the layer's rule, which names it.
        groups, self.groups = self.groups, 1
        super().build(input_shape)
        self.groups = groups
        channels = {self.axis: input_shape[self.axis]} if self.scale else None
        self.input_spec = keras.InputSpec(min_ndim=2, axes=channels)


@TensorFlowAdapter.lowers(nn.GroupNorm, weight="gamma", bias="beta")
def group_norm(layer: nn.GroupNorm, binding: Binding) -> GroupNormalization:
    """Lower GroupNorm."""
    return GroupNormalization(
        layer.num_groups,
        axis=-1 if binding.options.channels_last else 1,
        epsilon=layer.eps,
        center=layer.affine,
        scale=layer.affine,
        **common(layer, binding),
    )

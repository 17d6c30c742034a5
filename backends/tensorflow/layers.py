"""The layers: Keras's own, or subclasses where those lack something."""

from __future__ import annotations

import math
from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding
from isomorph.nn.activations import function_name, moves_channels
from isomorph.nn.arguments import activation_function

from .adapter import TensorFlowAdapter
from .composites import Sequential
from .framework import keras, tf
from .ops import flatten_from
from .variables import Deferred, ParameterLaw, common


def keras_activation(value: Any, binding: Binding) -> Any:
    """Return what Keras takes as this activation.

    Keras's leaky_relu has another slope, and its gelu rounds to float32 (3.15 on TensorFlow 2.21).
    """
    other = ("leaky_relu", "gelu") if binding.options.dtype == "float64" else ("leaky_relu",)
    return value if isinstance(value, str) and value not in other else activation_function(value)


class Dense(Deferred, keras.layers.Dense):  # type: ignore[misc]
    """A `keras.layers.Dense` that takes vectors too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.input_spec = keras.InputSpec(min_ndim=1)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_spec = keras.InputSpec(min_ndim=1, axes={-1: input_shape[-1]})


@TensorFlowAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)))
def dense(layer: nn.Dense, binding: Binding) -> Dense:
    """Lower Dense."""
    return Dense(
        layer.units,
        activation=keras_activation(layer.activation, binding),
        use_bias=layer.bias is not None,
        kernel_initializer=ParameterLaw(binding, layer, "weight", (1, 0)),
        bias_initializer=ParameterLaw(binding, layer, "bias"),
        **common(layer, binding),
    )


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
        if self._trains(training) and self.trainable:
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
        gamma_initializer=ParameterLaw(binding, layer, "weight"),
        beta_initializer=ParameterLaw(binding, layer, "bias"),
        moving_mean_initializer=ParameterLaw(binding, layer, "running_mean"),
        moving_variance_initializer=ParameterLaw(binding, layer, "running_var"),
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
        gamma_initializer=ParameterLaw(binding, layer, "weight"),
        beta_initializer=ParameterLaw(binding, layer, "bias"),
        **common(layer, binding),
    )


class Embedding(Deferred, keras.layers.Embedding):  # type: ignore[misc]
    """A `keras.layers.Embedding` that refuses negative indices, which Keras would wrap."""

    def call(self, inputs: Any) -> Any:
        indices = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, tf.int64)
        return tf.gather(tf.convert_to_tensor(self.embeddings), indices)


@TensorFlowAdapter.lowers(nn.Embedding, weight="embeddings")
def embedding(layer: nn.Embedding, binding: Binding) -> Embedding:
    """Lower Embedding."""
    law = ParameterLaw(binding, layer, "weight")
    sizes = (layer.num_embeddings, layer.embedding_dim)
    return Embedding(*sizes, embeddings_initializer=law, **common(layer, binding))


class Dropout(Deferred, keras.layers.Dropout):  # type: ignore[misc]
    """A `keras.layers.Dropout` that follows the description's mode in bound calls."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs, training=bool(self._trains(training)))


@TensorFlowAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Dropout:
    """Lower Dropout."""
    return Dropout(layer.p, **common(layer, binding))


class Flatten(keras.layers.Flatten):  # type: ignore[misc]
    """A `keras.layers.Flatten` from an axis on, in the order channels, space in both formats."""

    def __init__(self, layer: nn.Flatten, **options: Any) -> None:
        super().__init__(**options)
        self.source = layer

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        if moves_channels(self.source, rank, self.data_format):
            inputs = tf.transpose(inputs, (0, rank - 1, *range(1, rank - 1)))
        return flatten_from(inputs, self.source.start_axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        kept, rest = input_shape[: self.source.start_axis], input_shape[self.source.start_axis :]
        return (*kept, None if None in rest else math.prod(rest))

    compute_output_spec = keras.Operation.compute_output_spec


@TensorFlowAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Flatten:
    """Lower Flatten."""
    return Flatten(layer, data_format=binding.options.data_format, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation by Keras's name of it."""
    function = keras_activation(function_name(layer), binding)
    return keras.layers.Activation(function, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return keras.layers.Softmax(layer.axis, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU. TensorFlow's own holds its slope in float32."""
    if binding.options.dtype == "float64":
        slope = layer.negative_slope
        return keras.layers.Activation(lambda x: ops.leaky_relu(x, slope), **common(layer, binding))
    return keras.layers.LeakyReLU(layer.negative_slope, **common(layer, binding))


@TensorFlowAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Sequential:
    """Lower Sequential."""
    return Sequential([binding.native(child) for child in layer], binding, layer)


@TensorFlowAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> list[Any]:
    """Lower a row of modules to a list, as Keras tracks them in attributes."""
    return [binding.native(child) for child in layer]


@TensorFlowAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> dict[str, Any]:
    """Lower modules by name to a dict, as Keras tracks them in attributes."""
    return {name: binding.native(child) for name, child in layer.items()}

"""TensorFlow: Keras 3 models and layers, which build themselves when they meet data.

A layer of one's own is lowered to any `keras.layers.Layer`, a class of one's own or Keras's. It makes
its weights in `build`, as Keras's layers do: a weight that `add_weight` names like a parameter holds
that parameter, deferred until sizes are known, in whatever layout was entered::

    @TensorFlowAdapter.lowers(Scale, weight="scale")
    class NativeScale(keras.layers.Layer):
        def __init__(self, layer, binding):
            super().__init__(dtype=binding.options.dtype)

        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],))

        def call(self, x):
            return x * self.scale

A `training` argument of `call` gets the description's mode. `fitting_input` of the description's layer
says from what shape it can be built before there are data; without it, from the last size of its first
parameter.
"""

from . import nn
from .adapter import TensorFlowAdapter

__all__ = ["TensorFlowAdapter", "nn"]

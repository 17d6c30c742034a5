"""Dense."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import Deferred, common
from ..framework import keras
from .activations import keras_activation

SCRIPTS = {nn.Dense: "keras.layers.Dense({units}, use_bias={has_bias}, dtype=dtype)"}


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
        kernel_initializer="zeros",
        **common(layer, binding),
    )

"""Dropout."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import Deferred, common
from ..framework import keras

SCRIPTS = {nn.Dropout: "keras.layers.Dropout({p}, dtype=dtype)"}


class Dropout(Deferred, keras.layers.Dropout):  # type: ignore[misc]
    """A `keras.layers.Dropout` that follows the description's mode in bound calls."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs, training=bool(self._trains(training)))


@TensorFlowAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Dropout:
    """Lower Dropout."""
    return Dropout(layer.p, **common(layer, binding))

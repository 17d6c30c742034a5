"""Dropout."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import common
from ..framework import keras

SCRIPTS = {nn.Dropout: "keras.layers.Dropout({p}, dtype=dtype)"}


@TensorFlowAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return keras.layers.Dropout(layer.p, **common(layer, binding))

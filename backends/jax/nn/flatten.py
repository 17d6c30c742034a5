"""Flatten."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import Function, leaf

SCRIPTS = {nn.Flatten: "jnp.reshape(x, (*x.shape[:{start_axis}], -1))"}


@JaxAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten; its order is channels, height, width in both formats."""
    moves = layer.moves_channels(3, binding.options)

    def function(x: Any) -> Any:
        x = jnp.moveaxis(x, -1, 1) if moves and x.ndim > 2 else x
        return binding.adapter.ops.flatten(x, layer.start_axis)

    return leaf(Function, layer, binding, {"function": function})

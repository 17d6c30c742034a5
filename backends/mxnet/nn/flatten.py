"""Flatten."""

from __future__ import annotations

from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import function_block, made
from ..framework import NDArray, gluon
from ..ops import table_of

SCRIPTS: dict[type, str] = {nn.Flatten: "x.reshape(*x.shape[:{start_axis}], -1)"}


@MXNetAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten, which goes in the order channels, height, width."""
    if layer.start_axis == 1 and binding.options.data_format == "channels_first":
        return made(gluon.nn.Flatten, layer, binding)

    def flat(x: Any) -> Any:
        # On a matrix, the least that a symbol can be, moving the last axis to 1 changes nothing.
        rank = x.ndim if isinstance(x, NDArray) else 3
        if layer.moves_channels(rank, binding.options):
            x = table_of(x).np.moveaxis(x, -1, 1)
        return ops.flatten(x, layer.start_axis)

    return function_block(layer, binding, flat, "flatten")

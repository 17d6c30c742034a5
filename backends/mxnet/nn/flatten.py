"""Flatten."""

from __future__ import annotations

import functools
from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block, function_block
from ..framework import NDArray, gluon
from ..ops import table_of

SCRIPTS: dict[type, str] = {nn.Flatten: "x.reshape(*x.shape[:{start_axis}], -1)"}


@MXNetAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten, which goes in the order channels, height, width."""
    if layer.start_axis == 1 and not binding.options.channels_last:
        return block(gluon.nn.Flatten, layer, binding)
    moves = layer.moves_channels(3, binding.options)
    function = functools.partial(flat, start_axis=layer.start_axis, moves=moves)
    return function_block(layer, binding, function, "flatten")


def flat(x: Any, start_axis: int, moves: bool) -> Any:
    """Return a tensor with all axes from one on as one, the channels before the others if they move."""
    # On a matrix, the least that a symbol can be, moving the last axis to 1 changes nothing.
    if moves and not (isinstance(x, NDArray) and x.ndim < 3):
        x = table_of(x).np.moveaxis(x, -1, 1)
    return ops.flatten(x, start_axis)

"""Flatten."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..ops import flatten_from

SCRIPTS = {nn.Flatten: "torch.nn.Flatten({start_axis})"}


class Flatten(torch.nn.Flatten):
    """PyTorch's, for vectors too, and in the order channels, height, width in both formats."""

    def __init__(self, layer: nn.Flatten, moves: bool) -> None:
        super().__init__(layer.start_axis)
        self.moves = moves

    def forward(self, x: Any) -> Any:
        """Return the flattened input."""
        return flatten_from(x.movedim(-1, 1) if self.moves and x.dim() > 2 else x, self.start_dim)


@TorchAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten."""
    return Flatten(layer, layer.moves_channels(3, binding.options))

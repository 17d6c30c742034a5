"""Flattening."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..framework import Options
from ..ops.abstract import ABSTRACT
from .arguments import positive
from .module import Layer
from .rules import require_rank


class Flatten(Layer):
    """Make all axes from `start_axis` on one, in the order channels, height, width.

    That order holds in both data formats, so weights behind it mean the same in both.

    >>> nn.Flatten()(numpy.ones((2, 3, 4, 5), "float32")).shape
    (2, 60)
    """

    def __init__(self, start_axis: int = 1) -> None:
        super().__init__()
        self.start_axis = positive(self, "start_axis", start_axis, least=0)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output."""
        require_rank(self, x, at_least=self.start_axis)
        return ABSTRACT.flatten(x, self.start_axis)

    def forward(self, x: Any) -> Any:
        if self.data_format == "channels_last" and self._takes_channels(x.ndim):
            x = ops.permute_dims(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))
        return ops.flatten(x, self.start_axis)

    def moves_channels(self, rank: int, options: Options) -> bool:
        """Return whether the channels, now last, must come before the axes they follow."""
        return options.channels_last and self._takes_channels(rank)

    def _takes_channels(self, rank: int) -> bool:
        return rank > 2 and self.start_axis <= 1

"""Dropout."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block
from ..framework import gluon, is_foreign, is_training

SCRIPTS: dict[type, str] = {nn.Dropout: "mx.gluon.nn.Dropout({p})"}


class Dropout(gluon.nn.Dropout):
    """Gluon's, in the mode of its own module where that differs from the net's."""

    isomorph_training = True

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return super().hybrid_forward(F, x) if is_foreign(x) or is_training(self) else x


@MXNetAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return block(Dropout, layer, binding, layer.p)

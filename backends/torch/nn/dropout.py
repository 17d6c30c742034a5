"""Dropout."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter

SCRIPTS = {nn.Dropout: "torch.nn.Dropout({p})"}


@TorchAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return torch.nn.Dropout(layer.p)

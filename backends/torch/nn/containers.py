"""Containers of modules."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter


@TorchAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Any:
    """Lower Sequential."""
    return torch.nn.Sequential(*(binding.native(child) for child in layer))


@TorchAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower ModuleList."""
    return torch.nn.ModuleList([binding.native(child) for child in layer])


@TorchAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict."""
    return torch.nn.ModuleDict({name: binding.native(child) for name, child in layer.items()})

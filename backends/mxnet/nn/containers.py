"""Modules in a row and by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import prefix_of
from ..framework import gluon


@MXNetAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower a row of modules."""
    native = gluon.nn.HybridSequential(prefix=prefix_of(binding, layer))
    for name, child in layer.children().items():
        native.register_child(binding.native(child), name)
    return native


class BlockDict(gluon.HybridBlock, Mapping[str, Any]):
    """Blocks by name."""

    __eq__, __hash__ = object.__eq__, object.__hash__

    def __getitem__(self, name: str) -> Any:
        return self._children[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __len__(self) -> int:
        return len(self._children)


@MXNetAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower modules by name."""
    native = BlockDict(prefix=prefix_of(binding, layer))
    for name, child in layer.items():
        native.register_child(binding.native(child), name)
    return native

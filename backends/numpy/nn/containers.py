"""Containers of modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, Row

from ..adapter import NumpyAdapter
from ..framework import NumpyModule


class Sequential(NumpyModule):
    """Modules called one after the other; also a row of modules that a net calls itself."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules = list(modules)

    def __call__(self, x: Any) -> Any:
        for module in self.modules:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Any]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: Any) -> Any:
        found = self.modules[index]
        return Row(found) if isinstance(found, list) else found


@NumpyAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> NumpyModule:
    """Lower a row of modules."""
    return Sequential([binding.native(child) for child in layer])


class ModuleDict(dict[str, Any]):
    """Modules by name."""

    training = True


@NumpyAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> ModuleDict:
    """Lower modules by name."""
    return ModuleDict({name: binding.native(child) for name, child in layer.items()})

"""Containers of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.parameter import UninitializedTensorMixin

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import held


@TorchAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Any:
    """Lower Sequential."""
    return torch.nn.Sequential(*(binding.native(child) for child in layer))


@TorchAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower ModuleList."""
    return torch.nn.ModuleList([binding.native(child) for child in layer])


class ModuleDict(torch.nn.ModuleDict):
    """PyTorch's, where a name may be that of one of its methods, such as "type"."""

    def add_module(self, name: str, module: Any) -> None:
        """Add a module under any name."""
        self._modules[name] = module


@TorchAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict."""
    plain = not any(hasattr(torch.nn.ModuleDict, name) for name in layer)
    kind = torch.nn.ModuleDict if plain else ModuleDict
    return kind({name: binding.native(child) for name, child in layer.items()})


class Parameters(torch.nn.Module):
    """Parameters and buffers in a row, or by name."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __getitem__(self, position: int) -> Any:
        return self._value(self.names[position])

    def values(self) -> list[Any]:
        """Return what it holds, in order."""
        return [self._value(name) for name in self.names]

    def _value(self: Any, name: str) -> Any:
        """Return a parameter or buffer; it is never called, so this gives it its first values."""
        if isinstance(held(self, name), UninitializedTensorMixin):  # torch.compile knows no is_lazy (2.13)
            self._infer_parameters(self, ())
        return held(self, name)


class ParameterDict(Parameters):
    """Parameters and buffers by name."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: Any) -> Any:
        return self._value(name)

    def keys(self) -> list[str]:
        """Return the names, in order."""
        return list(self.names)

    def items(self) -> list[tuple[str, Any]]:
        """Return the names and what they stand for, in order."""
        return [(name, self._value(name)) for name in self.names]


@TorchAdapter.lowers(nn.ParameterList)
def parameter_list(layer: nn.ParameterList, binding: Binding) -> Any:
    """Lower ParameterList; PyTorch's own holds no buffers."""
    return Parameters(list(layer.own_parameters()))


@TorchAdapter.lowers(nn.ParameterDict)
def parameter_dict(layer: nn.ParameterDict, binding: Binding) -> Any:
    """Lower ParameterDict."""
    return ParameterDict(list(layer.own_parameters()))

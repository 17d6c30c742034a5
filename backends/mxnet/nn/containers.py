"""Modules in a row and by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, Row

from ..adapter import MXNetAdapter
from ..blocks import Nested, declare, prefix_of
from ..framework import gluon, state
from ..values import Place, read


class Sequential(Nested, gluon.nn.HybridSequential):
    """Gluon's row of blocks, whatever one hands to the next."""

    def isomorph_forward(self, x: Any) -> Any:
        """Call the blocks one after the other; rows inside this one take no stack."""
        rows = [iter(self._children.values())]
        while rows:
            block = next(rows[-1], None)
            if block is None:
                rows.pop()
            elif type(block) is Sequential and not block.isomorph_is_watched():
                rows.append(iter(block._children.values()))
            else:
                x = block(x)
        return x

    def isomorph_is_watched(self) -> bool:
        """Return whether someone counts on the row's own call."""
        return bool(self._forward_hooks or self._forward_pre_hooks or self._active)

    def isomorph_made_of(self) -> Any:
        """Return what makes the row anew without its attributes."""
        return _new, (type(self),)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):  # Gluon 1.9's own makes another Block, which renames what is inside
            return Row(list(self._children.values())[key])
        if state.F is None:
            return super().__getitem__(key)
        return list(self._children.values())[key]


def _new(kind: type) -> Any:
    return kind.__new__(kind)


@MXNetAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower a row of modules."""
    native = Sequential(prefix=prefix_of(binding, layer))
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


class Parameters(gluon.HybridBlock):
    """Parameters in a row or by name: in a forward, their values."""

    isomorph_places: Mapping[str, Place]

    def __getitem__(self, key: Any) -> Any:
        names = list(self._reg_params)
        found = [read(self, name) for name in names] if isinstance(key, slice) else None
        return read(self, key if isinstance(key, str) else names[key]) if found is None else found[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._reg_params) if self.isomorph_kind is nn.ParameterDict else iter(self.values())

    def __contains__(self, name: object) -> bool:
        return name in self._reg_params

    def __len__(self) -> int:
        return len(self._reg_params)

    def keys(self) -> tuple[str, ...]:
        """Return the names, in order."""
        return tuple(self._reg_params)

    def values(self) -> list[Any]:
        """Return the parameters, in order."""
        return [read(self, name) for name in self._reg_params]

    def items(self) -> list[tuple[str, Any]]:
        """Return (name, parameter) pairs, in order."""
        return list(zip(self.keys(), self.values()))


@MXNetAdapter.lowers(nn.ParameterList, nn.ParameterDict)
def parameters(layer: nn.Module, binding: Binding) -> Any:
    """Lower parameters in a row or by name."""
    native = Parameters(prefix=prefix_of(binding, layer))
    declare(native, layer)
    return native


@MXNetAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower modules by name."""
    native = BlockDict(prefix=prefix_of(binding, layer))
    for name, child in layer.items():
        native.register_child(binding.native(child), name)
    return native

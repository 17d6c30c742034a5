"""Containers of modules."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding, Row

from ..adapter import JaxAdapter
from ..leaf import leaf


class Sequential(linen.Sequential):
    """`linen.Sequential` that a `forward` can also index and run through; tuples pass as one value."""

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Call each module on what the one before returned."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self) -> Any:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: Any) -> Any:
        return Row(self.layers[index]) if isinstance(index, slice) else self.layers[index]


@JaxAdapter.lowers(nn.Sequential, nn.ModuleList)
def modules(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower Sequential, and ModuleList to a tuple, as Flax keeps lists."""
    children = tuple(binding.native(child) for child in layer)
    is_called = isinstance(layer, nn.Sequential)
    return leaf(Sequential, layer, binding, {"layers": children}) if is_called else children


@JaxAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict to a dict."""
    return {name: binding.native(child) for name, child in layer.items()}

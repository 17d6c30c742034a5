"""Containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, Row

from ..adapter import TensorFlowAdapter
from ..composite import Net
from ..deferral import common
from ..framework import keras


class Sequential(Net, keras.Sequential):  # type: ignore[misc]
    """A `keras.Sequential` of any input rank, whose layers may repeat; indexed as a list."""

    def __init__(self, layers: list[Any], binding: Binding, module: nn.Module) -> None:
        options = common(module, binding)
        keras.Sequential.__init__(self, name=options["name"])
        self.dtype_policy = options["dtype"]
        self._describe(binding, module)
        self._layers.extend(layers)

    # Keras's own would make a Functional model: a RecursionError from 1000 layers on.

    def _compute(self, x: Any) -> Any:
        for layer in self._layers:
            x = layer(x)
        return x

    compute_output_spec = keras.Operation.compute_output_spec

    def __getitem__(self, index: Any) -> Any:
        return Row(self._layers[index]) if isinstance(index, slice) else self._layers[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


@TensorFlowAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Sequential:
    """Lower Sequential."""
    return Sequential([binding.native(child) for child in layer], binding, layer)


@TensorFlowAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> list[Any]:
    """Lower a row of modules to a list, as Keras tracks them in attributes."""
    return [binding.native(child) for child in layer]


@TensorFlowAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> dict[str, Any]:
    """Lower modules by name to a dict, as Keras tracks them in attributes."""
    return {name: binding.native(child) for name, child in layer.items()}

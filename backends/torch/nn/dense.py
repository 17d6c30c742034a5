"""Dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import Deferred
from .activations import activation_of

SCRIPTS = {nn.Dense: 'torch.nn.Linear(parameters["weight"].shape[1], {units}, {has_bias})'}


class _Activated:
    """An activation behind a linear map, in the same module."""

    activation: Callable[[Any], Any]

    def forward(self: Any, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(F.linear(x, self.weight, self.bias))

    def extra_repr(self: Any) -> str:
        """Name the activation."""
        return f"{super().extra_repr()}, activation={self.activation.__name__}"  # type: ignore[misc]


class Linear(_Activated, torch.nn.Linear):
    """`torch.nn.Linear` with an activation."""


class LazyLinear(Deferred, torch.nn.LazyLinear):
    """`torch.nn.LazyLinear` with Isomorph's initial values."""


# A lazy module's first call runs its lazy class's forward (torch 2.13, Module._call_impl).
class LazyActivatedLinear(Deferred, _Activated, torch.nn.LazyLinear):
    """`LazyLinear` with an activation."""

    cls_to_become = Linear  # type: ignore[assignment]


@TorchAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    kind = LazyLinear if layer.activation is None else LazyActivatedLinear
    native: Any = kind(layer.units, layer.bias is not None)
    if layer.activation is not None:
        native.activation = activation_of(layer.activation, binding)
    return native

"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import activation_of, leaf
from ..values import plain

SCRIPTS = {nn.Dense: "linen.Dense({units}, use_bias={has_bias})"}


class Dense(linen.Dense):
    """`linen.Dense`, perhaps with an activation behind it."""

    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the linear map, or its activation."""
        y = super().__call__(plain(x))
        return y if self.activation is None else self.activation(y)


@JaxAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)))
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    fields = {
        "features": layer.units,
        "use_bias": layer.bias is not None,
        "activation": activation_of(layer.activation, binding),
    }
    return leaf(Dense, layer, binding, fields, kernel_init="weight", bias_init="bias")

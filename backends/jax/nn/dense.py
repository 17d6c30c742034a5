"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import activation_of, laws, leaf

SCRIPTS = {nn.Dense: "linen.Dense({units}, use_bias={has_bias})"}


class Dense(linen.Dense):
    """`linen.Dense` with an activation behind it."""

    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(super().__call__(x))


@JaxAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)))
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    fields = laws(layer, binding, kernel_init="weight", bias_init="bias")
    fields |= {"features": layer.units, "use_bias": layer.bias is not None}
    if layer.activation is None:
        return leaf(linen.Dense, layer, binding, fields)
    return leaf(Dense, layer, binding, fields | {"activation": activation_of(layer.activation, binding)})

"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block
from ..framework import gluon
from .activations import activation_of

SCRIPTS: dict[type, str] = {
    nn.Dense: "mx.gluon.nn.Dense({units}, None, {has_bias}, False, in_units=x.shape[-1])"
}


class Dense(gluon.nn.Dense):
    """Gluon's, but its bias learns while its weight is frozen: MXNet 1.9.1 gives it no gradient then."""

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:  # noqa: N803 - Gluon's name
        if bias is None or self._reg_params["weight"].grad_req != "null":
            return super().hybrid_forward(F, x, weight, bias)
        y = F.npx.fully_connected(x, weight, no_bias=True, num_hidden=self._units, flatten=False) + bias
        return y if self.act is None else self.act(y)


@MXNetAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense. Gluon flattens by default; every other framework keeps leading axes."""
    has_bias = layer.bias is not None
    native = block(Dense, layer, binding, layer.units, use_bias=has_bias, flatten=False)
    native.act = activation_of(layer, binding)
    return native

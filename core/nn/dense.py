"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..framework import Options
from ..tensor import TensorSpec
from . import arguments
from .arguments import Activation, known_size, positive, weight_and_bias
from .module import Layer
from .rules import applied, fit, require_features, require_floating, require_rank


class Dense(Layer):
    """Multiply the last axis by a weight and add a bias: ``y = x @ weight.T + bias``.

    Args:
        units: Size of the output's last axis.
        activation: A name such as ``"relu"``, or a function in `isomorph.ops`.
        bias: Whether to add a bias.
        weight_init: Law of the weight; by default as `torch.nn.Linear`.
        bias_init: Law of the bias.
        in_features: Size of the input's last axis; without it, taken from the first input.

    Shapes: ``(batch, ..., in_features)`` to ``(batch, ..., units)``; weight
    ``(units, in_features)``, bias ``(units,)``.

    >>> layer = nn.Dense(units=4)
    >>> layer.weight.shape
    (4, None)
    >>> layer(numpy.ones((2, 3), "float32")).shape, layer.weight.shape
    ((2, 4), (4, 3))
    """

    def __init__(
        self,
        units: int,
        activation: Activation = None,
        bias: bool = True,
        *,
        weight_init: Any = None,
        bias_init: Any = None,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        self.units = positive(self, "units", units)
        self.activation = arguments.activation(self, activation)
        self.in_features = known_size(self, "in_features", in_features)
        self.weight, self.bias = weight_and_bias(
            (self.units, self.in_features), self.units, bias, weight_init, bias_init
        )

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output; the weight takes its second dimension from the input."""
        require_rank(self, x, at_least=1)
        require_floating(self, x)
        require_features(self, x)
        fit(self, self.weight, 1, x.shape[-1], "input features")
        return applied(self.activation, TensorSpec((*x.shape[:-1], self.units), x.dtype))

    def forward(self, x: Any) -> Any:
        y = ops.matmul(x, ops.permute_dims(self.weight, (1, 0)))
        return applied(self.activation, y if self.bias is None else y + self.bias)

    def fitting_input(self, options: Options) -> tuple[int | None, ...]:
        return (1, self.weight.shape[1])

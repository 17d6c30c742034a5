"""Activations as layers."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..ops.abstract import normal_axis
from .module import Layer
from .rules import require_floating


class Elementwise(Layer):
    """What layers share that keep shape and type."""

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output: the input's."""
        require_floating(self, x)
        return x

    def forward(self, x: Any) -> Any:
        """Return the function's value."""
        return getattr(ops, self.function or "")(x)


class ReLU(Elementwise):
    """``max(x, 0)``.

    >>> nn.ReLU()(numpy.array([-1.0, 2.0], "float32")).tolist()
    [0.0, 2.0]
    """

    function = "relu"


class GELU(Elementwise):
    """``x * Phi(x)`` by the exact error function; see `isomorph.ops.gelu`.

    >>> nn.GELU()(numpy.array([1.0], "float32")).round(4).tolist()
    [0.8413000106811523]
    """

    function = "gelu"


class SiLU(Elementwise):
    """``x * sigmoid(x)``, also called swish.

    >>> nn.SiLU()(numpy.array([0.0], "float32")).tolist()
    [0.0]
    """

    function = "silu"


class Tanh(Elementwise):
    """The hyperbolic tangent.

    >>> nn.Tanh()(numpy.array([0.0], "float32")).tolist()
    [0.0]
    """

    function = "tanh"


class Sigmoid(Elementwise):
    """``1 / (1 + exp(-x))``.

    >>> nn.Sigmoid()(numpy.array([0.0], "float32")).tolist()
    [0.5]
    """

    function = "sigmoid"


class LeakyReLU(Elementwise):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    >>> nn.LeakyReLU(0.5)(numpy.array([-2.0, 2.0], "float32")).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = float(negative_slope)

    def forward(self, x: Any) -> Any:
        return ops.leaky_relu(x, self.negative_slope)


class Softmax(Elementwise):
    """``exp(x)`` divided by its sum over an axis, the last by default.

    >>> nn.Softmax()(numpy.array([[0.0, 0.0]], "float32")).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output: the input's."""
        normal_axis(x, self.axis)
        return super().infer_shapes(x)

    def forward(self, x: Any) -> Any:
        return ops.softmax(x, self.axis)

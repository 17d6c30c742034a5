"""Layers without parameters: activations, dropout, flatten."""

from __future__ import annotations

from typing import Any

from ..ops.abstract import ABSTRACT, normal_axis
from .arguments import fraction, positive
from .module import Layer, Module
from .rules import require_floating, require_rank


class _Elementwise(Layer):
    """What layers share that keep shape and type."""

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output: the input's."""
        require_floating(self, x)
        return x


class ReLU(_Elementwise):
    """``max(x, 0)``.

    >>> nn.ReLU()(numpy.array([-1.0, 2.0], "float32")).tolist()
    [0.0, 2.0]
    """


class GELU(_Elementwise):
    """``x * Phi(x)`` by the exact error function; see `isomorph.ops.gelu`.

    >>> nn.GELU()(numpy.array([1.0], "float32")).round(4).tolist()
    [0.8413000106811523]
    """


class SiLU(_Elementwise):
    """``x * sigmoid(x)``, also called swish.

    >>> nn.SiLU()(numpy.array([0.0], "float32")).tolist()
    [0.0]
    """


class Tanh(_Elementwise):
    """The hyperbolic tangent.

    >>> nn.Tanh()(numpy.array([0.0], "float32")).tolist()
    [0.0]
    """


class Sigmoid(_Elementwise):
    """``1 / (1 + exp(-x))``.

    >>> nn.Sigmoid()(numpy.array([0.0], "float32")).tolist()
    [0.5]
    """


class LeakyReLU(_Elementwise):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    >>> nn.LeakyReLU(0.5)(numpy.array([-2.0, 2.0], "float32")).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = float(negative_slope)


class Softmax(_Elementwise):
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


class Dropout(_Elementwise):
    """Zero each element with probability `p` in training, and scale the rest by ``1/(1-p)``.

    Source: Srivastava et al., JMLR 15, 2014. Each backend draws from its own framework's
    generator, so the elements that drop differ between backends.

    >>> nn.Dropout(0.5).eval()(numpy.ones((1, 3), "float32")).tolist()
    [[1.0, 1.0, 1.0]]
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = fraction(self, "p", p)


class Flatten(Layer):
    """Make all axes from `start_axis` on one, in the order channels, height, width.

    That order holds in both data formats, so weights behind it mean the same in both.

    >>> nn.Flatten()(numpy.ones((2, 3, 4, 5), "float32")).shape
    (2, 60)
    """

    def __init__(self, start_axis: int = 1) -> None:
        super().__init__()
        self.start_axis = positive(self, "start_axis", start_axis, least=0)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output."""
        require_rank(self, x, at_least=self.start_axis)
        return ABSTRACT.flatten(x, self.start_axis)


def function_name(layer: Module) -> str:
    """Return the name in `ops` of a layer without options, a subclass's too."""
    return next(cls.__name__ for cls in type(layer).__mro__ if cls.__module__ == __name__).lower()


def moves_channels(layer: Flatten, rank: int, data_format: str) -> bool:
    """Return whether the channels, now last, must come before the axes they follow."""
    return data_format == "channels_last" and rank > 2 and layer.start_axis <= 1

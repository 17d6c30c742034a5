"""Dropout."""

from __future__ import annotations

from .activations import Elementwise
from .arguments import fraction
from .module import Layer


class Dropout(Elementwise):
    """Zero each element with probability `p` in training, and scale the rest by ``1/(1-p)``.

    Source: Srivastava et al., JMLR 15, 2014. Each backend draws from its own framework's
    generator, so the elements that drop differ between backends.

    >>> nn.Dropout(0.5).eval()(numpy.ones((1, 3), "float32")).tolist()
    [[1.0, 1.0, 1.0]]
    """

    draws = True
    # ``isomorph.ops`` has no random numbers: each backend lowers it.
    forward = Layer.forward

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = fraction(self, "p", p)

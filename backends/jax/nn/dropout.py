"""Dropout."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import leaf
from ..native import trains

SCRIPTS = {nn.Dropout: "linen.Dropout({p}, deterministic={running})"}


class Dropout(linen.Dropout):
    """`linen.Dropout` that drops if the call was given an rng named ``dropout``."""

    def __call__(self, x: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Return the input, in training with elements dropped."""
        if deterministic is None:
            deterministic = not trains(self, rng is not None or self.has_rng(self.rng_collection))
        return super().__call__(x, deterministic=deterministic, rng=rng)


@JaxAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return leaf(Dropout, layer, binding, {"rate": layer.p})

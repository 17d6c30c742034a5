"""Faults that show at the ends of what layers take, at a second call, and without a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import initialize
from isomorph.backends.numpy.nn import norm
from isomorph.backends.numpy.ops import NumpyOps

from .catalog import Patch, mutant


@mutant(kills="layers.batchnorm.second.after-rank-2.training", beside=6)
def batch_norm_knows_its_first_rank_alone(patch: Patch) -> None:
    """BatchNorm takes the other axis for its channels at another rank than its first."""

    def call(original: Any, native: Any, x: Any) -> Any:
        first = native.__dict__.setdefault("first", x.ndim)
        if first == x.ndim or not native.training:
            return original(native, x)
        native.channels_last = not native.channels_last
        try:
            return original(native, x)
        finally:
            native.channels_last = not native.channels_last

    patch.around(norm.BatchNorm, "__call__", call)


@mutant(kills="layers.layernorm.offset.rank-3", beside=3)
def variance_of_great_squares(patch: Patch) -> None:
    """LayerNorm's variance is the mean of squares less the square of the mean."""

    def call(native: Any, x: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        var = np.maximum((x * x).mean(-1, keepdims=True) - mean * mean, 0)
        y = (x - mean) / np.sqrt(var + np.asarray(native.eps, x.dtype))
        y = y if native.weight is None else y * native.weight
        return y if native.bias is None else y + native.bias

    patch(norm.LayerNorm, "__call__", call)


@mutant(kills="layers.dense.unseeded.two-nets", beside=16)
def unseeded_nets_are_alike(patch: Patch) -> None:
    """Where nobody named a seed, it is zero."""

    def seed(original: Any, parameter: Any) -> int:
        requests = [r for r in parameter.requests if r.seed is not None]
        return original(parameter) if requests or parameter.owner is None else 0

    patch.around(initialize, "resolve_seed", seed)


@mutant(kills="layers.sigmoid.extreme.rank-0.values")
def sigmoid_widens_single_numbers(patch: Patch) -> None:
    """Sigmoid gives a number of no axes in double precision."""

    def sigmoid(original: Any, self: Any, x: Any) -> Any:
        y = original(self, x)
        return y if np.ndim(x) else np.float64(y)

    patch.around(NumpyOps, "sigmoid", sigmoid)

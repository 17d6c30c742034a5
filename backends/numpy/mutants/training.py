"""Faults of what training changes: statistics, and dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph.conformance.mutants import Patch, mutant

from ..nn import dropout, norm


@mutant(kills="train.batchnorm.running.one-step")
def running_variance_is_biased(patch: Patch) -> None:
    """The running variance moves towards the batch's biased variance."""

    def blend(original: Any, native: Any, running: Any, new: Any) -> None:
        if running is native.running_var:
            new = new * (native.count - 1) / native.count
        original(native, running, new)

    def call(original: Any, native: Any, x: Any) -> Any:
        native.count = x.size // x.shape[-1 if native.channels_last else 1]
        return original(native, x)

    patch.around(norm.BatchNorm, "_blend", blend)
    patch.around(norm.BatchNorm, "__call__", call)


@mutant(kills="train.batchnorm.running.one-step")
def momentum_weighs_the_old(patch: Patch) -> None:
    """BatchNorm's momentum is the weight of the old statistics."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.momentum = 1 - native.momentum

    patch.around(norm.BatchNorm, "__init__", construct)


@mutant(kills="train.batchnorm.batch-statistics.plain")
def batches_are_normalized_by_unbiased_variance(patch: Patch) -> None:
    """In training, BatchNorm divides by the unbiased standard deviation."""

    def call(original: Any, native: Any, x: Any) -> Any:
        y = original(native, x)
        if not native.training:
            return y
        axis = x.ndim - 1 if native.channels_last else 1
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        count = x.size // x.shape[axis]
        shift = 0 if native.bias is None else native.bias.reshape(shape)
        return (y - shift) * np.asarray(math.sqrt((count - 1) / count), x.dtype) + shift

    patch.around(norm.BatchNorm, "__call__", call)


@mutant(kills="train.batchnorm.eval-changes-nothing", beside=7)
def evaluation_moves_statistics(patch: Patch) -> None:
    """In evaluation, calls move the running statistics."""

    def call(original: Any, native: Any, x: Any) -> Any:
        y = original(native, x)
        if not native.training:
            native._blend(native.running_mean, np.asarray(x.mean(), x.dtype))
        return y

    patch.around(norm.BatchNorm, "__call__", call)


@mutant(kills="layers.batchnorm.eps.values")
def batch_norm_has_its_own_eps(patch: Patch) -> None:
    """BatchNorm takes another eps than it was given."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.eps = 1e-5

    patch.around(norm.BatchNorm, "__init__", construct)


@mutant(kills="train.dropout.evaluation")
def dropout_always_drops(patch: Patch) -> None:
    """Dropout drops in evaluation too."""
    patch(dropout.Dropout, "training", property(lambda native: True, lambda native, value: None))


@mutant(kills="train.dropout.training")
def dropout_does_not_scale(patch: Patch) -> None:
    """Dropout zeroes elements and leaves the rest as they are."""
    patch.around(
        dropout.Dropout, "__call__", lambda call, native, x: np.where(call(native, x) != 0, x, x * 0)
    )


@mutant(kills="train.dropout.draws-anew")
def dropout_repeats_itself(patch: Patch) -> None:
    """Dropout drops the same elements in every call."""

    def call(original: Any, native: Any, x: Any) -> Any:
        native.generator = np.random.default_rng(7)
        return original(native, x)

    patch.around(dropout.Dropout, "__call__", call)

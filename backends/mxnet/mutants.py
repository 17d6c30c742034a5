"""Faults of this backend, for the suite's own tests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from isomorph import nn, ops
from isomorph.conformance.mutants import Patch, mutant

from . import windows
from .adapter import MXNetAdapter
from .blocks import function_block
from .calls import Graph, Run
from .framework import gluon
from .nn import activations, conv, dense, norm, pooling
from .ops import table_of

mutant = functools.partial(mutant, of="mxnet")


@mutant(kills="extras.native.dense.deferred", beside=6)
def allocates_at_construct(patch: Patch) -> None:
    """Dense holds a block with memory before it met data."""
    lower, layouts = MXNetAdapter.table[nn.Dense]

    def changed(layer: Any, binding: Any) -> Any:
        native = lower(layer, binding)
        if "is_probe" not in binding.memory:
            cache = gluon.nn.Embedding(1, 4)
            cache.initialize()
            native.register_child(cache, "cache")
        return native

    patch.item(MXNetAdapter.table, nn.Dense, (changed, layouts))


@mutant(kills="core.infer.dense-rank-3", beside=11)
def dense_flattens(patch: Patch) -> None:
    """Dense merges all axes but the first, as Gluon's does by default."""

    def construct(original: Any, native: Any, *arguments: Any, flatten: bool = True, **options: Any) -> None:
        original(native, *arguments, flatten=True, **options)

    patch.around(gluon.nn.Dense, "__init__", construct)


@mutant(kills="train.batchnorm.running.one-step", beside=6)
def running_variance_is_biased(patch: Patch) -> None:
    """The running variance moves towards the batch's biased variance."""

    def statistics(native: Any, x: Any) -> tuple[Any, Any]:
        table = table_of(x)
        first = native._kwargs["axis"] == 1
        flat = table.npx.reshape(x, (-2, -2, -1) if first else (-1, native.running_mean.shape[0]))
        axes = (0, 2) if first else (0,)
        return table.np.mean(flat, axes), table.np.var(flat, axes)

    patch(norm.BatchNorm, "_statistics", statistics)


@mutant(kills="train.batchnorm.running.one-step", beside=7)
def graphs_drop_statistics(patch: Patch) -> None:
    """A compiled call leaves the running statistics as they were."""

    def construct(original: Any, graph: Any, *rest: Any) -> None:
        original(graph, *rest)
        graph.updated = []

    patch.around(Graph, "__init__", construct)


@mutant(kills="train.batchnorm.running.one-step", beside=6)
def momentum_is_not_turned(patch: Patch) -> None:
    """Gluon is given the weight of the new statistics as that of the old."""

    def construct(original: Any, native: Any, *arguments: Any, momentum: float = 0.9, **options: Any) -> None:
        original(native, *arguments, momentum=1 - momentum, **options)

    patch.around(gluon.nn.BatchNorm, "__init__", construct)


@mutant(kills="train.mode.part-of-a-net")
def modes_are_the_nets(patch: Patch) -> None:
    """Every part trains if one does."""

    def set_mode(original: Any, self: Any, binding: Any) -> None:
        original(self, binding)
        for native in binding.natives.values():
            if hasattr(type(native), "isomorph_training"):
                vars(native)["isomorph_training"] = binding.root.training

    patch.around(MXNetAdapter, "set_mode", set_mode)


@mutant(kills="layers.conv2d.plain.last.shapes")
def channels_stay_first(patch: Patch) -> None:
    """A convolution of channels-last images returns them channels first."""

    def forward(original: Any, native: Any, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803
        y = original(native, F, x, **parameters)
        return F.np.moveaxis(y, -1, 1) if native.isomorph_last and isinstance(native, conv.Conv2D) else y

    patch.around(windows.Windowed, "hybrid_forward", forward)


@mutant(kills="layers.avgpool2d.same.values")
def same_counts_its_padding(patch: Patch) -> None:
    """Average pooling counts the zeros of "same"."""

    patch(pooling.AvgPool2D, "windows", windows.Windowed.windows)


@mutant(kills="layers.gelu.plain.values", beside=7)
def gelu_is_an_approximation(patch: Patch) -> None:
    """GELU is computed by tanh."""

    def gelu(x: Any) -> Any:
        return x * 0.5 * (1 + ops.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)))

    def named(original: Any, layer: Any, binding: Any, name: str) -> Any:
        if name == "gelu":
            return function_block(layer, binding, gelu, name)
        return original(layer, binding, name)

    patch.around(activations, "named", named)


@mutant(kills="layers.layernorm.plain.values")
def norms_have_another_eps(patch: Patch) -> None:
    """LayerNorm's epsilon is a thousandth, as elsewhere."""

    def construct(original: Any, native: Any, *arguments: Any, epsilon: float = 0.0, **options: Any) -> None:
        original(native, *arguments, epsilon=1e-3, **options)

    patch.around(gluon.nn.LayerNorm, "__init__", construct)


@mutant(kills="core.defer.keyword-inputs")
def keyword_inputs_are_dropped(patch: Patch) -> None:
    """Inputs by keyword take no part in Gluon's call."""

    def run(original: Any, self: Any, *inputs: Any, **named: Any) -> Any:
        return original(self, *(inputs if len(inputs) > 1 else (*inputs, *inputs)) if named else inputs)

    patch.around(Run, "__call__", run)


@mutant(kills="train.gradients.frozen-before-sizes", beside=4)
def dense_is_gluons_own(patch: Patch) -> None:
    """Dense computes as Gluon's does: a bias behind a frozen weight gets no gradient."""
    patch(dense.Dense, "hybrid_forward", gluon.nn.Dense.hybrid_forward)

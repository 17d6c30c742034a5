"""Faults of the layers' formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.conformance.mutants import Patch, mutant

from .. import ops, windows
from ..adapter import NumpyAdapter
from ..nn import activations, conv, dense, embedding, norm, pooling
from ..ops import NumpyOps


@mutant(kills="layers.dense.activation-relu.values", beside=8)
def dense_drops_its_activation(patch: Patch) -> None:
    """Dense does not call its activation."""
    patch(dense.Dense, "activation", property(lambda native: None, lambda native, value: None))


@mutant(kills="layers.conv2d.plain.values")
def kernel_is_transposed(patch: Patch) -> None:
    """Square windows of Conv2d are laid over the image with height and width swapped."""

    def compute(original: Any, native: Any, x: Any) -> Any:
        weight = native.weight
        if weight.ndim == 4 and weight.shape[2] == weight.shape[3]:
            native.weight = weight.swapaxes(2, 3)
        try:
            return original(native, x)
        finally:
            native.weight = weight

    patch.around(conv.Conv, "compute", compute)


@mutant(kills="layers.conv1d.plain.values")
def kernel_is_flipped(patch: Patch) -> None:
    """Convolutions flip their window, as in signal processing."""

    def compute(original: Any, native: Any, x: Any) -> Any:
        weight = native.weight
        native.weight = np.flip(weight, tuple(range(2, weight.ndim)))
        try:
            return original(native, x)
        finally:
            native.weight = weight

    patch.around(conv.Conv, "compute", compute)


@mutant(kills="layers.conv2d.same-even-kernel.values", beside=8)
def same_pads_at_the_start(patch: Patch) -> None:
    """The odd extra zero of "same" padding goes to the start."""
    patch.around(windows, "same_padding", lambda same, *sizes: same(*sizes)[::-1])


@mutant(kills="layers.conv2d.same-stride.values", beside=6)
def same_pads_as_without_stride(patch: Patch) -> None:
    """ "same" pads half a window on both sides, whatever the stride."""

    def same(original: Any, size: int, kernel: int, stride: int, dilation: int) -> Any:
        before, after = original(size, kernel, 1, dilation)
        # As many positions as there must be.
        return before, max(
            after, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size - before
        )

    patch.around(windows, "same_padding", same)


@mutant(kills="layers.conv2d.groups.values")
def groups_are_interleaved(patch: Patch) -> None:
    """Grouped convolutions give each group every n-th channel in place of its own block."""

    def compute(original: Any, native: Any, x: Any) -> Any:
        groups = native.layer.groups
        order = np.arange(native.weight.shape[0]).reshape(-1, groups).T.ravel()
        return original(native, x)[:, np.argsort(order)] if groups > 1 else original(native, x)

    patch.around(conv.Conv, "compute", compute)


@mutant(kills="layers.conv2d.stride-pair.values")
def strides_follow_the_first_axis(patch: Patch) -> None:
    """Strides of a pair are taken in reverse where the size of the output allows it."""

    def shifted(original: Any, x: Any, element: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
        steps = [
            min(s, (n - d * e - 1) // max(p - 1, 1))
            for s, n, e, p, d in zip(stride[::-1], x.shape[-len(sizes) :], element, sizes, dilation)
        ]
        return original(x, element, sizes, tuple(max(step, 1) for step in steps), dilation)

    patch.around_all((conv, windows), "shifted", shifted)


@mutant(kills="layers.conv2d.dilation.values")
def dilation_is_a_crop(patch: Patch) -> None:
    """A dilated window keeps its elements together; the output's size is as if it did not."""

    def shifted(original: Any, x: Any, element: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
        return original(x, element, sizes, stride, (1,) * len(dilation))

    patch.around(conv, "shifted", shifted)


@mutant(kills="layers.maxpool2d.padding.values", beside=6)
def max_pooling_pads_with_zeros(patch: Patch) -> None:
    """Max pooling pads with zeros, which win over negative numbers."""
    patch.around(pooling, "padded", lambda padded, x, layer, dilation, value: padded(x, layer, dilation, 0.0))


@mutant(kills="layers.avgpool2d.padding-not-counted.values")
def padding_always_counts(patch: Patch) -> None:
    """Average pooling counts padded zeros whatever count_include_pad says."""

    original = pooling.AvgPool2d.compute

    def counted(native: Any, x: Any) -> Any:
        layer = native.layer
        if layer.padding == "same":
            return original(native, x)
        total = np.sum(windows.windows(windows.padded(x, layer, (1, 1), 0.0), layer), axis=0)
        return total / np.asarray(math.prod(layer.kernel_size), x.dtype)

    patch(pooling.AvgPool2d, "compute", counted)


@mutant(kills="layers.avgpool2d.same.values")
def same_counts_its_padding(patch: Patch) -> None:
    """Average pooling counts the zeros of "same"."""
    original = pooling.AvgPool2d.compute

    def counted(native: Any, x: Any) -> Any:
        layer = native.layer
        if layer.padding != "same":
            return original(native, x)
        total = np.sum(windows.windows(windows.padded(x, layer, (1, 1), 0.0), layer), axis=0)
        return total / np.asarray(math.prod(layer.kernel_size), x.dtype)

    patch(pooling.AvgPool2d, "compute", counted)


@mutant(kills="layers.avgpool2d.plain.values")
def averages_are_double(patch: Patch) -> None:
    """Average pooling returns double precision."""
    patch.around(
        pooling.AvgPool2d, "compute", lambda compute, native, x: compute(native, x).astype("float64")
    )


@mutant(kills="layers.globalavgpool2d.keepdims.shapes")
def keepdims_is_ignored(patch: Patch) -> None:
    """Global average pooling drops height and width whatever keepdims says."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.keepdims = False

    patch.around(pooling.GlobalAvgPool2d, "__init__", construct)


@mutant(kills="layers.layernorm.plain.values")
def layer_norm_variance_is_unbiased(patch: Patch) -> None:
    """LayerNorm divides by the unbiased standard deviation."""
    _layer_norm(patch, lambda x, eps: np.sqrt(x.var(-1, keepdims=True, ddof=1) + eps))


@mutant(kills="layers.layernorm.plain.values")
def eps_outside_the_root(patch: Patch) -> None:
    """LayerNorm adds eps to the standard deviation."""
    _layer_norm(patch, lambda x, eps: np.sqrt(x.var(-1, keepdims=True)) + eps)


def _layer_norm(patch: Patch, deviation: Any) -> None:
    def call(native: Any, x: Any) -> Any:
        y = (x - x.mean(-1, keepdims=True)) / deviation(x, np.asarray(native.eps, x.dtype))
        y = y if native.weight is None else y * native.weight
        return y if native.bias is None else y + native.bias

    patch(norm.LayerNorm, "__call__", call)


@mutant(kills="layers.embedding.out-of-range")
def embedding_clips(patch: Patch) -> None:
    """An index beyond the table gives its last row."""

    def call(original: Any, native: Any, x: Any) -> Any:
        return original(native, np.minimum(x, native.count - 1))

    patch.around(embedding.Embedding, "__call__", call)


@mutant(kills="layers.embedding.negative-index")
def embedding_counts_from_the_end(patch: Patch) -> None:
    """A negative index counts from the end of the table."""

    def call(original: Any, native: Any, x: Any) -> Any:
        return original(native, np.where(x < 0, x + native.count, x))

    patch.around(embedding.Embedding, "__call__", call)


@mutant(kills="layers.flatten.plain.last.values")
def flatten_keeps_channels_last(patch: Patch) -> None:
    """Flatten of channels-last images goes in the order height, width, channels."""
    patch(nn.Flatten, "moves_channels", lambda *_: False)


@mutant(kills="layers.gelu.plain.values", beside=5)
def gelu_is_an_approximation(patch: Patch) -> None:
    """GELU is computed by tanh."""

    def gelu(self: Any, x: Any) -> Any:
        x = ops._float(x)
        return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    patch(NumpyOps, "gelu", gelu)


@mutant(kills="layers.leakyrelu.plain.values")
def leaky_slope_is_another(patch: Patch) -> None:
    """LeakyReLU's slope is 0.3 where none is given."""

    def lower(layer: Any, binding: Any) -> Any:
        slope = 0.3 if layer.negative_slope == 0.01 else layer.negative_slope
        return activations.Activation(binding.adapter.ops.leaky_relu, slope)

    patch.item(NumpyAdapter.table, nn.LeakyReLU, (lower, {}))


@mutant(kills="layers.softmax.axis.values")
def softmax_takes_the_last_axis(patch: Patch) -> None:
    """Softmax works on the last axis whatever its axis."""

    def lower(layer: Any, binding: Any) -> Any:
        return activations.Activation(binding.adapter.ops.softmax)

    patch.item(NumpyAdapter.table, nn.Softmax, (lower, {}))


@mutant(kills="layers.ops.mean-ints")
def integer_means_are_whole(patch: Patch) -> None:
    """The mean of whole numbers is a whole number."""

    def mean(original: Any, self: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        found = original(self, x, axis, keepdims)
        return found if np.asarray(x).dtype.kind == "f" else np.floor(found)

    patch.around(NumpyOps, "mean", mean)

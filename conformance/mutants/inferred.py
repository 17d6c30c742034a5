"""Faults of what inference says of an output: the rules of windows, axes and sizes."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.framework import Ops
from isomorph.nn import conv, pooling
from isomorph.ops.abstract import ABSTRACT
from isomorph.tensor import TensorSpec

from .catalog import Patch, mutant

RULES: type[Ops] = type(ABSTRACT)


def _windows(patch: Patch, change: Any) -> None:
    """Change the rule of windows: `change(rule, layer, size, kernel, stride, dilation, padding)`."""
    patch.around_all((conv, pooling), "window_output", change)


@mutant(kills="layers.conv2d.stride-pair-same.infer", beside=99)
def same_is_rounded_down(patch: Patch) -> None:
    """Padding "same" is said to give floor(size / stride) positions."""

    def positions(rule: Any, layer: Any, size: Any, kernel: int, stride: int, *rest: Any) -> Any:
        found = rule(layer, size, kernel, stride, *rest)
        return size // stride if rest[-1] == "same" else found

    _windows(patch, positions)


@mutant(kills="layers.conv2d.dilation.infer", beside=99)
def dilation_is_not_inferred(patch: Patch) -> None:
    """What inference says of a convolution forgets its dilation."""

    def positions(
        rule: Any, layer: Any, size: Any, kernel: int, stride: int, dilation: int, *rest: Any
    ) -> Any:
        return rule(layer, size, kernel, stride, 1, *rest)

    _windows(patch, positions)


@mutant(kills="layers.conv2d.padding.infer", beside=99)
def padding_is_added_once(patch: Patch) -> None:
    """What inference says of a window's layer adds the padding on one side."""

    def positions(
        rule: Any, layer: Any, size: Any, kernel: int, stride: int, dilation: int, added: Any
    ) -> Any:
        return rule(layer, size if added == "same" else size - added, kernel, stride, dilation, added)

    _windows(patch, positions)


@mutant(kills="layers.conv2d.stride-pair.infer", beside=99)
def strides_are_swapped(patch: Patch) -> None:
    """What inference says of an image takes the strides of height and width the other way round."""

    def inferred(original: Any, layer: Any, x: Any) -> Any:
        before = layer.stride
        object.__setattr__(layer, "stride", before[::-1])
        try:
            return original(layer, x)
        finally:
            object.__setattr__(layer, "stride", before)

    for owner in (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d):
        patch.around(owner, "infer_shapes", inferred)


@mutant(kills="layers.maxpool2d.plain.infer", beside=99)
def pools_are_rounded_up(patch: Patch) -> None:
    """What inference says of a pool counts a last window that does not fit."""

    def positions(rule: Any, layer: Any, size: Any, kernel: int, stride: int, *rest: Any) -> Any:
        found = rule(layer, size, kernel, stride, *rest)
        return found if rest[-1] == "same" else (size + 2 * rest[-1] - kernel + stride - 1) // stride + 1

    patch.around(pooling, "window_output", positions)


@mutant(kills="layers.flatten.start.infer", beside=8)
def start_axis_is_ignored(patch: Patch) -> None:
    """What inference says of flatten starts at the second axis, whatever it is told."""
    patch.around(RULES, "flatten", lambda rule, each, x, start_axis: rule(each, x, min(1, x.ndim)))


@mutant(kills="layers.ops.pad-image.infer", beside=8)
def pad_widths_are_before(patch: Patch) -> None:
    """What inference says of pad counts twice what is added before."""

    def pad(rule: Any, each: Any, x: Any, widths: Any, value: float) -> Any:
        return rule(each, x, tuple((before, before) for before, _ in widths), value)

    patch.around(RULES, "pad", pad)


@mutant(kills="layers.ops.split-three.infer", beside=8)
def split_is_even(patch: Patch) -> None:
    """What inference says of split gives each part the mean size."""

    def split(rule: Any, each: Any, x: Any, sizes: Any, axis: int) -> Any:
        parts = rule(each, x, sizes, axis)
        mean = sum(sizes) // len(sizes)
        return [
            part.with_shape(mean if at == axis % x.ndim else n for at, n in enumerate(part.shape))
            for part in parts
        ]

    patch.around(RULES, "split", split)


@mutant(kills="layers.ops.mean-axes.infer", beside=8)
def mean_keeps_no_axes(patch: Patch) -> None:
    """What inference says of mean drops the axes that it was told to keep."""
    patch.around(RULES, "mean", lambda rule, each, x, axis, keepdims: rule(each, x, axis, False))


@mutant(kills="layers.ops.sum-ints.infer", beside=8)
def sums_of_integers_keep_their_type(patch: Patch) -> None:
    """What inference says of a sum of integers has their own type."""

    def total(rule: Any, each: Any, x: Any, *rest: Any) -> Any:
        return rule(each, x, *rest).astype(x.dtype)

    patch.around(RULES, "sum", total)


@mutant(kills="layers.ops.stack-three.infer", beside=8)
def stacks_are_in_front(patch: Patch) -> None:
    """What inference says of stack puts the new axis first."""
    patch.around(RULES, "stack", lambda rule, each, tensors, axis: rule(each, tensors, 0))


@mutant(kills="layers.ops.concat-three.infer", beside=8)
def concat_counts_two(patch: Patch) -> None:
    """What inference says of concat counts the first two tensors."""
    patch.around(RULES, "concat", lambda rule, each, tensors, axis: rule(each, tensors[:2], axis))


@mutant(kills="layers.ops.permute_dims.infer", beside=8)
def permutations_are_inverse(patch: Patch) -> None:
    """What inference says of permute_dims moves each axis to where it should be taken from."""

    def permute(rule: Any, each: Any, x: Any, axes: Any) -> Any:
        return rule(each, x, tuple(sorted(range(len(axes)), key=axes.__getitem__)))

    patch.around(RULES, "permute_dims", permute)


@mutant(kills="layers.ops.reshape-open.infer", beside=8)
def open_sizes_of_reshape_are_all(patch: Patch) -> None:
    """What inference says of a size -1 in a reshape is the number of elements."""

    def reshape(rule: Any, each: Any, x: Any, shape: Any) -> Any:
        rule(each, x, shape)
        free = [isinstance(size, int) and size == -1 for size in shape]
        total = rule(each, x, (-1,)).shape[0]
        return x.with_shape(total if is_free else size for is_free, size in zip(free, shape))

    patch.around(RULES, "reshape", reshape)


@mutant(kills="layers.ops.index-step.infer", beside=8)
def steps_of_slices_are_one(patch: Patch) -> None:
    """What inference says of a slice forgets its step."""

    def item(original: Any, each: Any, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        return original(each, tuple(slice(k.start, k.stop) if isinstance(k, slice) else k for k in keys))

    patch.around(TensorSpec, "__getitem__", item)


@mutant(kills="layers.embedding.plain.infer", beside=8)
def embeddings_keep_the_type_of_indices(patch: Patch) -> None:
    """What inference says of an embedding has the type of its indices."""
    patch.around(nn.Embedding, "infer_shapes", lambda original, layer, x: original(layer, x).astype(x.dtype))

"""Faults of this backend: its formulas, its layouts, its native objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.conformance.mutants import Patch, mutant

from . import adapter, layers, ops
from .adapter import NumpyAdapter
from .ops import NumpyOps


@mutant(kills="extras.native.dense.deferred")
def allocates_at_construct(patch: Patch) -> None:
    """Dense takes memory for the widest input it may meet."""

    def construct(original: Any, native: Any, layer: Any, binding: Any) -> None:
        original(native, layer, binding)
        if layer.in_features is None:
            native.kernel = np.zeros((layer.units, 4096), "float32")

    patch.around(layers.Dense, "__init__", construct)


@mutant(kills="extras.native.dense.parameters")
def keeps_a_copy_under_another_name(patch: Patch) -> None:
    """A native module lists its weight a second time."""

    def materialize(original: Any, self: Any, binding: Any, modules: Any) -> None:
        original(self, binding, modules)
        for module in modules:
            native = binding.natives[id(module)]
            if isinstance(native, layers.Dense):
                native.kernel = native.weight.T

    patch.around(NumpyAdapter, "materialize", materialize)


@mutant(kills="extras.native.dense.class")
def native_is_a_stand_in(patch: Patch) -> None:
    """Dense is lowered to a class that is not the one of the profile."""

    class StandIn(adapter.NumpyModule):
        weight: Any = None
        bias: Any = None
        __init__ = layers.Dense.__init__
        __call__ = layers.Dense.__call__

    patch.item(NumpyAdapter.table, nn.Dense, (StandIn, NumpyAdapter.table[nn.Dense][1]))


@mutant(kills="extras.native.composite.user-class")
def composites_lose_their_class(patch: Patch) -> None:
    """A user's module is lowered to a plain callable."""

    def compose(original: Any, self: Any, module: Any, attributes: Any, binding: Any) -> Any:
        native = original(self, module, attributes, binding)
        kind = type(module.__class__.__name__, (adapter.NumpyModule,), {})
        names = [name for cls in type(native).__mro__[::-1] for name in vars(cls) if name[:2] != "__"]
        for name in (*names, "__call__"):
            setattr(kind, name, getattr(type(native), name, None))
        plain: Any = kind.__new__(kind)
        vars(plain).update(vars(native))
        return plain

    patch.around(NumpyAdapter, "compose", compose)


@mutant(kills="extras.native.tensors.numpy-in")
def outputs_are_not_native(patch: Patch) -> None:
    """A call returns what can be made an array, but is none."""

    class Result:
        def __init__(self, values: Any) -> None:
            self.values = values

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return self.values

    def runner(original: Any, self: Any, binding: Any, module: Any) -> Any:
        run = original(self, binding, module)
        return lambda *values, **named: Result(run(*values, **named))

    patch.around(NumpyAdapter, "runner", runner)


@mutant(kills="core.infer.another-batch-size")
def first_batch_size_is_kept(patch: Patch) -> None:
    """A call gives as many rows as the first one did."""

    def runner(original: Any, self: Any, binding: Any, module: Any) -> Any:
        run, first = original(self, binding, module), []

        def call(*values: Any, **named: Any) -> Any:
            output = run(*values, **named)
            if isinstance(output, np.ndarray) and output.ndim:
                first.append(len(output))
                output = np.resize(output, (first[0], *output.shape[1:]))
            return output

        return call

    patch.around(NumpyAdapter, "runner", runner)


@mutant(kills="core.state.set-then-call")
def calls_use_old_values(patch: Patch) -> None:
    """Values that are set are read back, but calls use those before."""

    def write(self: Any, slot: Any, array: Any) -> None:
        vars(slot.owner)[f"newest_{slot.native_name}"] = array

    def read(original: Any, self: Any, slot: Any) -> Any:
        return vars(slot.owner).get(f"newest_{slot.native_name}", original(self, slot))

    patch(NumpyAdapter, "write", write)
    patch.around(NumpyAdapter, "read", read)


@mutant(kills="layers.embedding.tied-set")
def tied_parameters_are_stored_apart(patch: Patch) -> None:
    """Each layer that holds a tied parameter stores a copy of its own."""

    def materialize(original: Any, self: Any, binding: Any, modules: Any) -> None:
        original(self, binding, modules)
        for slots in binding.slots.values():
            for slot in slots[1:]:
                value = getattr(slot.owner, slot.native_name)
                setattr(slot.owner, slot.native_name, None if value is None else value.copy())

    patch.around(NumpyAdapter, "materialize", materialize)


@mutant(kills="train.mode.part-of-a-net")
def modes_are_the_nets(patch: Patch) -> None:
    """Every part is in the mode of the whole net."""

    def set_mode(original: Any, self: Any, binding: Any) -> None:
        for native in binding.natives.values():
            native.training = binding.root.training

    patch.around(NumpyAdapter, "set_mode", set_mode)


@mutant(kills="train.mode.before-backend")
def modes_before_lowering_are_lost(patch: Patch) -> None:
    """A mode that was set before the net was lowered is lost."""

    def set_mode(original: Any, self: Any, binding: Any) -> None:
        if binding.root._isomorph.binding is binding and binding.memory.setdefault("is_new", True) is False:
            original(self, binding)
        binding.memory["is_new"] = False

    patch.around(NumpyAdapter, "set_mode", set_mode)


@mutant(kills="layers.dense.activation-relu.values")
def dense_drops_its_activation(patch: Patch) -> None:
    """Dense does not call its activation."""
    patch(layers.Dense, "activation", property(lambda native: None, lambda native, value: None))


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

    patch.around(layers.Conv, "compute", compute)


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

    patch.around(layers.Conv, "compute", compute)


@mutant(kills="layers.conv2d.same-even-kernel.values")
def same_pads_at_the_start(patch: Patch) -> None:
    """The odd extra zero of "same" padding goes to the start."""
    patch.around(layers, "same_padding", lambda same, *sizes: same(*sizes)[::-1])


@mutant(kills="layers.conv2d.same-stride.values")
def same_pads_as_without_stride(patch: Patch) -> None:
    """ "same" pads half a window on both sides, whatever the stride."""

    def same(original: Any, size: int, kernel: int, stride: int, dilation: int) -> Any:
        before, after = original(size, kernel, 1, dilation)
        # As many positions as there must be.
        return before, max(
            after, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size - before
        )

    patch.around(layers, "same_padding", same)


@mutant(kills="layers.conv2d.groups.values")
def groups_are_interleaved(patch: Patch) -> None:
    """Grouped convolutions give each group every n-th channel in place of its own block."""

    def compute(original: Any, native: Any, x: Any) -> Any:
        groups = native.layer.groups
        order = np.arange(native.weight.shape[0]).reshape(-1, groups).T.ravel()
        return original(native, x)[:, np.argsort(order)] if groups > 1 else original(native, x)

    patch.around(layers.Conv, "compute", compute)


@mutant(kills="layers.conv2d.stride-pair.values")
def strides_follow_the_first_axis(patch: Patch) -> None:
    """Strides of a pair are taken in reverse where the size of the output allows it."""

    def shifted(original: Any, x: Any, element: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
        steps = [
            min(s, (n - d * e - 1) // max(p - 1, 1))
            for s, n, e, p, d in zip(stride[::-1], x.shape[-len(sizes) :], element, sizes, dilation)
        ]
        return original(x, element, sizes, tuple(max(step, 1) for step in steps), dilation)

    patch.around(layers, "_shifted", shifted)


@mutant(kills="layers.conv2d.dilation.values")
def dilation_is_a_crop(patch: Patch) -> None:
    """A dilated window keeps its elements together; the output's size is as if it did not."""

    def shifted(original: Any, x: Any, element: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
        return original(x, element, sizes, stride, (1,) * len(dilation))

    patch.around(layers, "_shifted", shifted)


@mutant(kills="layers.maxpool2d.padding.values")
def max_pooling_pads_with_zeros(patch: Patch) -> None:
    """Max pooling pads with zeros, which win over negative numbers."""
    patch.around(layers, "_padded", lambda padded, x, layer, dilation, value: padded(x, layer, dilation, 0.0))


@mutant(kills="layers.avgpool2d.padding-not-counted.values")
def padding_always_counts(patch: Patch) -> None:
    """Average pooling counts padded zeros whatever count_include_pad says."""

    original = layers.AvgPool2d.compute

    def counted(native: Any, x: Any) -> Any:
        layer = native.layer
        if layer.padding == "same":
            return original(native, x)
        total = np.sum(layers._windows(layers._padded(x, layer, (1, 1), 0.0), layer), axis=0)
        return total / np.asarray(math.prod(layer.kernel_size), x.dtype)

    patch(layers.AvgPool2d, "compute", counted)


@mutant(kills="layers.avgpool2d.same.values")
def same_counts_its_padding(patch: Patch) -> None:
    """Average pooling counts the zeros of "same"."""
    original = layers.AvgPool2d.compute

    def counted(native: Any, x: Any) -> Any:
        layer = native.layer
        if layer.padding != "same":
            return original(native, x)
        total = np.sum(layers._windows(layers._padded(x, layer, (1, 1), 0.0), layer), axis=0)
        return total / np.asarray(math.prod(layer.kernel_size), x.dtype)

    patch(layers.AvgPool2d, "compute", counted)


@mutant(kills="layers.avgpool2d.plain.values")
def averages_are_double(patch: Patch) -> None:
    """Average pooling returns double precision."""
    patch.around(layers.AvgPool2d, "compute", lambda compute, native, x: compute(native, x).astype("float64"))


@mutant(kills="layers.globalavgpool2d.keepdims.shapes")
def keepdims_is_ignored(patch: Patch) -> None:
    """Global average pooling drops height and width whatever keepdims says."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.keepdims = False

    patch.around(layers.GlobalAvgPool2d, "__init__", construct)


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

    patch.around(layers.BatchNorm, "_blend", blend)
    patch.around(layers.BatchNorm, "__call__", call)


@mutant(kills="train.batchnorm.running.one-step")
def momentum_weighs_the_old(patch: Patch) -> None:
    """BatchNorm's momentum is the weight of the old statistics."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.momentum = 1 - native.momentum

    patch.around(layers.BatchNorm, "__init__", construct)


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

    patch.around(layers.BatchNorm, "__call__", call)


@mutant(kills="train.batchnorm.eval-changes-nothing")
def evaluation_moves_statistics(patch: Patch) -> None:
    """In evaluation, calls move the running statistics."""

    def call(original: Any, native: Any, x: Any) -> Any:
        y = original(native, x)
        if not native.training:
            native._blend(native.running_mean, np.asarray(x.mean(), x.dtype))
        return y

    patch.around(layers.BatchNorm, "__call__", call)


@mutant(kills="layers.batchnorm.eps.values")
def batch_norm_has_its_own_eps(patch: Patch) -> None:
    """BatchNorm takes another eps than it was given."""

    def construct(original: Any, native: Any, *rest: Any) -> None:
        original(native, *rest)
        native.eps = 1e-5

    patch.around(layers.BatchNorm, "__init__", construct)


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

    patch(layers.LayerNorm, "__call__", call)


@mutant(kills="layers.embedding.out-of-range")
def embedding_clips(patch: Patch) -> None:
    """An index beyond the table gives its last row."""

    def call(original: Any, native: Any, x: Any) -> Any:
        return original(native, np.minimum(x, native.count - 1))

    patch.around(layers.Embedding, "__call__", call)


@mutant(kills="layers.embedding.negative-index")
def embedding_counts_from_the_end(patch: Patch) -> None:
    """A negative index counts from the end of the table."""

    def call(original: Any, native: Any, x: Any) -> Any:
        return original(native, np.where(x < 0, x + native.count, x))

    patch.around(layers.Embedding, "__call__", call)


@mutant(kills="layers.flatten.plain.last.values")
def flatten_keeps_channels_last(patch: Patch) -> None:
    """Flatten of channels-last images goes in the order height, width, channels."""
    patch(layers, "moves_channels", lambda *_: False)


@mutant(kills="layers.gelu.plain.values")
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
        return layers.Activation(binding.adapter.ops.leaky_relu, slope)

    patch.item(NumpyAdapter.table, nn.LeakyReLU, (lower, {}))


@mutant(kills="layers.softmax.axis.values")
def softmax_takes_the_last_axis(patch: Patch) -> None:
    """Softmax works on the last axis whatever its axis."""

    def lower(layer: Any, binding: Any) -> Any:
        return layers.Activation(binding.adapter.ops.softmax)

    patch.item(NumpyAdapter.table, nn.Softmax, (lower, {}))


@mutant(kills="train.dropout.evaluation")
def dropout_always_drops(patch: Patch) -> None:
    """Dropout drops in evaluation too."""
    patch(layers.Dropout, "training", property(lambda native: True, lambda native, value: None))


@mutant(kills="train.dropout.training")
def dropout_does_not_scale(patch: Patch) -> None:
    """Dropout zeroes elements and leaves the rest as they are."""
    patch.around(layers.Dropout, "__call__", lambda call, native, x: np.where(call(native, x) != 0, x, x * 0))


@mutant(kills="train.dropout.draws-anew")
def dropout_repeats_itself(patch: Patch) -> None:
    """Dropout drops the same elements in every call."""

    def call(original: Any, native: Any, x: Any) -> Any:
        native.generator = np.random.default_rng(7)
        return original(native, x)

    patch.around(layers.Dropout, "__call__", call)


@mutant(kills="layers.ops.mean-ints")
def integer_means_are_whole(patch: Patch) -> None:
    """The mean of whole numbers is a whole number."""

    def mean(original: Any, self: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        found = original(self, x, axis, keepdims)
        return found if np.asarray(x).dtype.kind == "f" else np.floor(found)

    patch.around(NumpyOps, "mean", mean)

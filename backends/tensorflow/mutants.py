"""Faults of this backend, for the suite's own tests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.conformance.mutants import Patch, mutant

from . import deferral
from .adapter import TensorFlowAdapter
from .calls import runner as make_runner
from .framework import tf
from .nn import conv, embedding, flatten
from .ops import flatten_from

mutant = functools.partial(mutant, of="tensorflow")


def _after_lowering(patch: Patch, kind: type, change: Any) -> None:
    """Change what a layer is lowered to."""
    lower, layouts = TensorFlowAdapter.table[kind]

    def changed(layer: Any, binding: Any) -> Any:
        native = lower(layer, binding)
        if "probe" not in binding.memory:
            change(native, layer)
        return native

    patch.item(TensorFlowAdapter.table, kind, (changed, layouts))


@mutant(kills="extras.native.dense.deferred", beside=6)
def allocates_at_construct(patch: Patch) -> None:
    """Dense makes a variable before it is built."""

    def change(native: Any, layer: Any) -> None:
        native.add_weight(shape=(4,), initializer="zeros", name="cache", trainable=False)

    _after_lowering(patch, nn.Dense, change)


@mutant(kills="layers.conv2d.plain.values")
def kernel_is_transposed(patch: Patch) -> None:
    """Square windows are laid over the image with height and width swapped."""

    def convolve(original: Any, x: Any, kernel: Any, *rest: Any) -> Any:
        is_square = kernel.shape[0] == kernel.shape[1]
        return original(x, tf.transpose(kernel, (1, 0, 2, 3)) if is_square else kernel, *rest)

    patch.around(conv, "_convolve", convolve)


@mutant(kills="layers.conv2d.groups.values")
def groups_are_reversed(patch: Patch) -> None:
    """Grouped convolutions give the first filters the last channels."""

    def convolve(
        original: Any, x: Any, kernel: Any, strides: Any, dilation: Any, pads: Any, groups: int
    ) -> Any:
        x = tf.concat(tf.split(x, groups, -1)[::-1], -1) if groups > 1 else x
        return original(x, kernel, strides, dilation, pads, groups)

    patch.around(conv, "_convolve", convolve)


@mutant(kills="layers.conv2d.same-even-kernel.values", beside=6)
def same_pads_at_the_start(patch: Patch) -> None:
    """The odd extra zero of a convolution's "same" goes to the start."""
    patch.around(conv, "_same_widths", lambda widths, *rest: [pair[::-1] for pair in widths(*rest)])


@mutant(kills="train.batchnorm.running.one-step")
def momentum_is_not_turned(patch: Patch) -> None:
    """Keras is given the weight of the new statistics as that of the old."""

    def change(native: Any, layer: Any) -> None:
        native.momentum = layer.momentum

    _after_lowering(patch, nn.BatchNorm, change)


@mutant(kills="layers.batchnorm.plain.values")
def norms_keep_keras_eps(patch: Patch) -> None:
    """BatchNorm's eps is Keras's own."""

    def change(native: Any, layer: Any) -> None:
        native.epsilon = 1e-3

    _after_lowering(patch, nn.BatchNorm, change)


@mutant(kills="train.gradients.dense")
def gradients_are_not_transposed(patch: Patch) -> None:
    """Gradients of kernels are handed over as if they lay as the description has them."""

    def gradients(original: Any, self: Any, binding: Any, *rest: Any) -> Any:
        found = original(self, binding, *rest)
        for key, each in found.items():
            axes = binding.slots[key][0].axes
            if axes is not None:
                sizes = [each.shape[axis] for axis in np.argsort(axes)]
                found[key] = np.reshape(each, sizes).transpose(axes)
        return found

    patch.around(TensorFlowAdapter, "gradients", gradients)


@mutant(kills="layers.flatten.plain.last.values")
def flatten_keeps_channels_last(patch: Patch) -> None:
    """Flatten of channels-last images goes in the order height, width, channels."""
    patch(flatten.Flatten, "call", lambda native, x: flatten_from(x, native.source.start_axis))


@mutant(kills="train.dropout.training")
def dropout_asks_keras_for_the_mode(patch: Patch) -> None:
    """Dropout follows Keras's training argument, which a bound call does not give."""

    def change(native: Any, layer: Any) -> None:
        native._call_has_training_arg = False

    _after_lowering(patch, nn.Dropout, change)


@mutant(kills="train.batchnorm.eval-uses-running")
def traces_are_kept_over_modes(patch: Patch) -> None:
    """A compiled call goes on in the mode that it was traced in."""

    def runner(self: Any, binding: Any, module: Any, signature: Any) -> Any:
        kept, key = binding.memory.setdefault("kept", {}), (id(module), signature)
        if key not in kept:
            kept[key] = make_runner(binding, module, signature)
        return kept[key]

    patch(TensorFlowAdapter, "runner", runner)


@mutant(kills="layers.embedding.tied")
def tied_layouts_are_forgotten(patch: Patch) -> None:
    """A tied variable is used as it lies, by a layer that stores it transposed too."""

    class View(deferral.TransposedView):
        def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
            stored = tf.convert_to_tensor(self.variable, dtype)
            return tf.reshape(stored, self.shape)

    patch(deferral, "TransposedView", View)


@mutant(kills="layers.embedding.out-of-range")
def embedding_clips(patch: Patch) -> None:
    """An index outside the table gives its first or last row."""

    def call(original: Any, native: Any, inputs: Any) -> Any:
        return original(native, tf.clip_by_value(inputs, 0, native.input_dim - 1))

    patch.around(embedding.Embedding, "call", call)


@mutant(kills="layers.leakyrelu.plain.values")
def leaky_slope_is_keras(patch: Patch) -> None:
    """LeakyReLU's slope is Keras's own where it is the usual one."""

    def change(native: Any, layer: Any) -> None:
        native.negative_slope = 0.3 if layer.negative_slope == 0.01 else layer.negative_slope

    _after_lowering(patch, nn.LeakyReLU, change)

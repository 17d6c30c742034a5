"""Faults of this backend, for the suite's own tests."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from isomorph import lowering, nn
from isomorph.conformance.mutants import Patch, mutant

from . import deferral, windows
from .adapter import TorchAdapter
from .nn import activations, conv, pooling

mutant = functools.partial(mutant, of="torch")


def _after_lowering(patch: Patch, kind: type, change: Any) -> None:
    """Change what a layer is lowered to."""
    lower, layouts = TorchAdapter.table[kind]

    def changed(layer: Any, binding: Any) -> Any:
        native = lower(layer, binding)
        change(native, layer)
        return native

    patch.item(TorchAdapter.table, kind, (changed, layouts))


@mutant(kills="extras.native.dense.deferred", beside=6)
def allocates_at_construct(patch: Patch) -> None:
    """A lazy Linear holds a buffer before it met data."""
    _after_lowering(
        patch, nn.Dense, lambda native, layer: native.register_buffer("cache", torch.zeros(layer.units))
    )


@mutant(kills="extras.native.dense.class")
def native_is_a_stand_in(patch: Patch) -> None:
    """Dense is lowered to a module that computes alike and is no Linear."""

    class StandIn(torch.nn.Module):
        def __init__(self, layer: Any, binding: Any) -> None:
            super().__init__()
            self.weight = self.bias = None
            self.activation = activations.activation_of(layer.activation, binding)

        def forward(self: Any, x: Any) -> Any:
            y = F.linear(x, self.weight, self.bias)
            return y if self.activation is None else self.activation(y)

    def lower(layer: Any, binding: Any) -> Any:
        return deferral.deferred(StandIn(layer, binding), layer, binding)

    patch.item(TorchAdapter.table, nn.Dense, (lower, {}))


@mutant(kills="extras.types.initial-float64", beside=9)
def type_is_ignored(patch: Patch) -> None:
    """Parameters are made in single precision, whatever the net's type."""

    patch.around(deferral, "tensor", lambda tensor, array: tensor(array).float())


@mutant(kills="core.state.move-and-back", beside=3)
def moves_lose_values(patch: Patch) -> None:
    """On another backend a net starts with zeros."""

    def bind(original: Any, root: Any, adapter: Any, options: Any) -> Any:
        old = root._isomorph.binding
        binding = original(root, adapter, options)
        for each in root.state().values() if old is not None and old.adapter is not adapter else ():
            if each.is_ready:
                each.set(each.numpy() * 0)
        return binding

    patch.around(lowering, "bind", bind)


@mutant(kills="layers.embedding.tied-set")
def tied_parameters_are_copies(patch: Patch) -> None:
    """Each layer that holds a tied parameter has a Parameter of its own."""

    def materialize(original: Any, self: Any, binding: Any, modules: Any) -> None:
        original(self, binding, modules)
        for slots in binding.slots.values():
            for slot in slots[1:]:
                value = getattr(slot.owner, slot.native_name)
                if not torch.nn.parameter.is_lazy(value):
                    setattr(slot.owner, slot.native_name, torch.nn.Parameter(value.detach().clone()))

    patch.around(TorchAdapter, "materialize", materialize)


@mutant(kills="train.mode.part-of-a-net")
def modes_are_the_nets(patch: Patch) -> None:
    """Every part is in the mode of the whole net."""
    patch(
        TorchAdapter,
        "set_mode",
        lambda self, binding: binding.native(binding.root).train(binding.root.training),
    )


@mutant(kills="train.batchnorm.running.one-step", beside=6)
def momentum_weighs_the_old(patch: Patch) -> None:
    """BatchNorm's momentum is the weight of the old statistics, as elsewhere."""

    def turn(native: Any, layer: Any) -> None:
        native.momentum = 1 - layer.momentum

    _after_lowering(patch, nn.BatchNorm, turn)


@mutant(kills="layers.layernorm.plain.values")
def norms_have_another_eps(patch: Patch) -> None:
    """LayerNorm's eps is a thousandth, as elsewhere."""

    def change(native: Any, layer: Any) -> None:
        native.eps = 1e-3

    _after_lowering(patch, nn.LayerNorm, change)


@mutant(kills="layers.gelu.plain.values")
def gelu_is_an_approximation(patch: Patch) -> None:
    """GELU is computed by tanh."""

    def change(native: Any, layer: Any) -> None:
        native.approximate = "tanh"

    _after_lowering(patch, nn.GELU, change)


@mutant(kills="layers.conv2d.same-stride.values", beside=9)
def same_pads_at_the_start(patch: Patch) -> None:
    """With strides, the odd extra zero of "same" goes to the start."""
    patch.around(windows, "same_padding", lambda same, *sizes: same(*sizes)[::-1])


@mutant(kills="layers.avgpool2d.same.values")
def same_counts_its_padding(patch: Patch) -> None:
    """Average pooling counts the zeros of "same"."""

    def same(original: Any, native: Any, x: Any) -> Any:
        if not native.mean:
            return original(native, x)
        return native.pool(F.pad(x, windows.same_pads(x.shape[2:], *native.window, (1, 1))))

    patch.around(pooling.Pool2d, "_same", same)


@mutant(kills="layers.conv2d.plain.last.shapes", beside=3)
def channels_stay_first(patch: Patch) -> None:
    """A convolution of channels-last images returns them channels first."""

    def forward(original: Any, native: Any, x: Any) -> Any:
        y = original(native, x)
        return y.movedim(-1, 1) if native.channels_last else y

    patch.around(conv._ConvExtras, "forward", forward)


@mutant(kills="layers.flatten.plain.last.values")
def flatten_keeps_channels_last(patch: Patch) -> None:
    """Flatten of channels-last images goes in the order height, width, channels."""
    patch(nn.Flatten, "moves_channels", lambda *_: False)


@mutant(kills="layers.embedding.negative-index")
def embedding_counts_from_the_end(patch: Patch) -> None:
    """A negative index counts from the end of the table."""
    patch.around(F, "embedding", lambda rows, x, weight, *rest: rows(x % len(weight), weight, *rest))


@mutant(kills="train.gradients.after-another-loss", beside=3)
def gradients_add_up(patch: Patch) -> None:
    """Gradients are added to those asked for before."""

    def gradients(original: Any, self: Any, binding: Any, *rest: Any) -> Any:
        sums = binding.memory.setdefault("sums", {})
        for key, each in original(self, binding, *rest).items():
            sums[key] = each + sums.get(key, 0)
        return dict(sums)

    patch.around(TorchAdapter, "gradients", gradients)


@mutant(kills="train.gradients.batchnorm-training", beside=3)
def statistics_are_constants(patch: Patch) -> None:
    """In training, no gradient passes through the batch's statistics."""

    def batch_norm(
        original: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: Any, *rest: Any
    ) -> Any:
        if not training:
            return original(x, mean, var, weight, bias, training, *rest)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        y = original(x.detach(), mean, var, None, None, True, *rest)
        deviation = (x.detach().var(axes, unbiased=False, keepdim=True) + rest[-1]).sqrt()
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        y = y + (x - x.detach()) / deviation
        return y if weight is None else y * weight.reshape(shape) + bias.reshape(shape)

    patch.around(F, "batch_norm", batch_norm)


@mutant(kills="extras.compile.follows-values", beside=6)
def compiled_calls_keep_values(patch: Patch) -> None:
    """A compiled call goes on with the values that it was compiled with."""

    def runner(original: Any, self: Any, binding: Any, module: Any, signature: Any) -> Any:
        compiled = binding.options.compile and all(each.is_ready for each in module.state().values())
        return (
            copy.deepcopy(binding.native(module)) if compiled else original(self, binding, module, signature)
        )

    patch.around(TorchAdapter, "runner", runner)


@mutant(kills="extras.native.script.dense", beside=1)
def scripts_forget_the_bias(patch: Patch) -> None:
    """Scripts in PyTorch's own API make layers without their bias."""

    def written(original: Any, *given: Any) -> str:
        return str(original(*given)).replace('parameters["bias"]', '0 * parameters["bias"]')

    patch.around(TorchAdapter, "native_script", written)


@mutant(kills="core.freeze.before-sizes", beside=3)
def freezing_needs_values(patch: Patch) -> None:
    """A lazy parameter can't be frozen."""

    def set_trainable(original: Any, self: Any, slot: Any, trainable: bool) -> None:
        if self.is_ready(slot):
            original(self, slot, trainable)

    patch.around(TorchAdapter, "set_trainable", set_trainable)


@mutant(kills="extras.compile.runs-no-python")
def compile_does_nothing(patch: Patch) -> None:
    """A net that is to be compiled stays as it is."""
    patch(torch, "compile", lambda module, *given, **options: module)

"""Faults of this backend, for the suite's own tests."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen

from isomorph import nn
from isomorph.conformance.mutants import Patch, mutant

from . import ops
from .adapter import JaxAdapter
from .deferral import Law
from .nn import norm
from .state import State

mutant = functools.partial(mutant, of="jax")


@mutant(kills="layers.conv2d.plain.values")
def kernel_is_transposed(patch: Patch) -> None:
    """The layout of a square window has height and width swapped."""
    lower, _ = JaxAdapter.table[nn.Conv2d]
    patch.item(JaxAdapter.table, nn.Conv2d, (lower, {"weight": ("kernel", (3, 2, 1, 0))}))


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

    patch.around(JaxAdapter, "gradients", gradients)


@mutant(kills="train.batchnorm.running.one-step")
def running_variance_is_biased(patch: Patch) -> None:
    """The running variance is Flax's own."""

    def call(original: Any, native: Any, x: Any, *rest: Any, **named: Any) -> Any:
        trains = native.is_mutable_collection("batch_stats") and not native.is_initializing()
        before = native.get_variable("batch_stats", "var") if trains else 0
        y = original(native, x, *rest, **named)
        if trains:
            count, old = x.size // x.shape[native.axis], native.momentum * before
            new = native.get_variable("batch_stats", "var") - old
            native.put_variable("batch_stats", "var", old + new * (count - 1) / count)
        return y

    patch.around(norm.BatchNorm, "__call__", call)


@mutant(kills="train.batchnorm.running.one-step")
def statistics_are_not_kept(patch: Patch) -> None:
    """The running statistics that a call returns are dropped."""
    patch(State, "update", lambda state, module, updates: None)


@mutant(kills="layers.layernorm.plain.values")
def norms_keep_flax_eps(patch: Patch) -> None:
    """LayerNorm's epsilon is Flax's own."""
    patch.around(norm, "_norm", lambda original, layer: {**original(layer), "epsilon": 1e-6})


@mutant(kills="layers.gelu.plain.values")
def gelu_is_flax_own(patch: Patch) -> None:
    """GELU is computed by tanh."""
    patch(ops.JaxOps, "gelu", lambda self, x: linen.gelu(x))


@mutant(kills="core.state.set-then-call")
def compiled_calls_keep_values(patch: Patch) -> None:
    """A call closes over the values that it first ran with."""

    def runner(original: Any, self: Any, binding: Any, module: Any, signature: Any) -> Any:
        run, kept = original(self, binding, module, signature), []

        def call(*inputs: Any, **named: Any) -> Any:
            state = binding.memory["state"]
            now = state.variables["params"]
            kept.append(now)
            state.variables = {**state.variables, "params": kept[0]}
            output = run(*inputs, **named)
            state.variables = {**state.variables, "params": now}
            return output

        return call if module.parameters() else run

    patch.around(JaxAdapter, "runner", runner)


@mutant(kills="train.dropout.draws-anew")
def dropout_repeats_itself(patch: Patch) -> None:
    """Every call drops by the same key."""

    def seeds(original: Any, state: Any) -> Any:
        state.calls = 0
        return original(state)

    patch.around(State, "seeds", seeds)


@mutant(kills="train.mode.part-of-a-net")
def modes_are_the_nets(patch: Patch) -> None:
    """Every part is in the mode of the whole net."""

    def set_mode(original: Any, state: Any) -> None:
        original(state)
        for place in state.places:
            place.frozen = False

    patch.around(State, "set_mode", set_mode)


@mutant(kills="layers.embedding.tied")
def tied_layouts_are_forgotten(patch: Patch) -> None:
    """A layer that holds a tied parameter in another order of axes uses it as it lies."""

    def shared(original: Any, law: Any, scope: Any, shape: Any, dtype: Any = None) -> Any:
        value = original(law, scope, shape, dtype)
        key, slots = id(law.parameter), law.place.binding.slots
        is_moved = law.place.slots[key].axes != slots[key][0].axes
        return value if value is None or not is_moved else jnp.reshape(value.T, shape)

    patch.around(Law, "shared", shared)


@mutant(kills="extras.native.variables-of-another-net")
def given_variables_are_dropped(patch: Patch) -> None:
    """A state tree that is given to the net is not taken."""
    patch(JaxAdapter, "set_variables", lambda self, binding, variables: None)


@mutant(kills="layers.flatten.plain.last.values")
def flatten_keeps_channels_last(patch: Patch) -> None:
    """Flatten of channels-last images goes in the order height, width, channels."""
    patch(nn.Flatten, "moves_channels", lambda *_: False)


@mutant(kills="core.init.two-layers-differ")
def values_are_flax_own(patch: Patch) -> None:
    """Parameters take the values of Flax's default initializer in place of the description's."""

    def materialize(original: Any, self: Any, binding: Any, modules: Any) -> None:
        for module in modules:
            for each in module.own_parameters().values():
                if each._value is not None and each.shape.size > 7 and len(module.root.parameters()) > 2:
                    key = jax.random.key(each.shape.size)
                    each._value = np.asarray(jax.random.uniform(key, each.shape.known()), each.dtype)
        original(self, binding, modules)

    patch.around(JaxAdapter, "materialize", materialize)

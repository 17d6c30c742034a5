"""Faults of native objects: what they hold, list and return, and in which mode they are."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.conformance.mutants import Patch, mutant

from .. import adapter, state
from ..adapter import NumpyAdapter
from ..framework import NumpyModule
from ..nn import dense


@mutant(kills="extras.native.dense.deferred", beside=6)
def allocates_at_construct(patch: Patch) -> None:
    """Dense takes memory for the widest input it may meet."""

    def construct(original: Any, native: Any, layer: Any, binding: Any) -> None:
        original(native, layer, binding)
        if layer.in_features is None:
            native.kernel = np.zeros((layer.units, 4096), "float32")

    patch.around(dense.Dense, "__init__", construct)


@mutant(kills="extras.native.dense.parameters")
def keeps_a_copy_under_another_name(patch: Patch) -> None:
    """A native module lists its weight a second time."""

    def materialize(original: Any, self: Any, binding: Any, modules: Any) -> None:
        original(self, binding, modules)
        for module in modules:
            native = binding.natives[id(module)]
            if isinstance(native, dense.Dense):
                native.kernel = native.weight.T

    patch.around(NumpyAdapter, "materialize", materialize)


@mutant(kills="extras.native.dense.class")
def native_is_a_stand_in(patch: Patch) -> None:
    """Dense is lowered to a class that is not the one of the profile."""

    class StandIn(NumpyModule):
        weight: Any = None
        bias: Any = None
        __init__ = dense.Dense.__init__
        __call__ = dense.Dense.__call__

    patch.item(NumpyAdapter.table, nn.Dense, (StandIn, NumpyAdapter.table[nn.Dense][1]))


@mutant(kills="extras.native.composite.user-class")
def composites_lose_their_class(patch: Patch) -> None:
    """A user's module is lowered to a plain callable."""

    def compose(original: Any, self: Any, module: Any, attributes: Any, binding: Any) -> Any:
        native = original(self, module, attributes, binding)
        kind = type(module.__class__.__name__, (NumpyModule,), {})
        names = [name for cls in type(native).__mro__[::-1] for name in vars(cls) if name[:2] != "__"]
        for name in (*names, "__call__"):
            setattr(kind, name, getattr(type(native), name, None))
        plain: Any = kind.__new__(kind)
        vars(plain).update(vars(native))
        return plain

    patch.around(NumpyAdapter, "compose", compose)


@mutant(kills="extras.native.tensors.numpy-in", beside=5)
def outputs_are_not_native(patch: Patch) -> None:
    """A call returns what can be made an array, but is none."""

    class Result:
        def __init__(self, values: Any) -> None:
            self.values = values

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return self.values

    def runner(original: Any, *arguments: Any) -> Any:
        run = original(*arguments)
        return lambda *values, **named: Result(run(*values, **named))

    patch.around(NumpyAdapter, "runner", runner)


@mutant(kills="core.infer.another-batch-size")
def first_batch_size_is_kept(patch: Patch) -> None:
    """A call gives as many rows as the first one did."""

    def runner(original: Any, self: Any, binding: Any, module: Any, signature: Any) -> Any:
        run = original(self, binding, module, signature)
        first = binding.memory.setdefault("first_sizes", {}).setdefault(id(module), [])

        def call(*values: Any, **named: Any) -> Any:
            output = run(*values, **named)
            if isinstance(output, np.ndarray) and output.ndim:
                first.append(len(output))
                output = np.resize(output, (first[0], *output.shape[1:]))
            return output

        return call

    patch.around(NumpyAdapter, "runner", runner)


@mutant(kills="core.arguments.tuple-out")
def tuples_come_out_as_lists(patch: Patch) -> None:
    """A net whose forward returns a tuple gives a list."""

    def runner(original: Any, *arguments: Any) -> Any:
        run = original(*arguments)

        def call(*values: Any, **named: Any) -> Any:
            output = run(*values, **named)
            return list(output) if type(output) is tuple else output

        return call

    patch.around(NumpyAdapter, "runner", runner)


@mutant(kills="core.forward.attributes-now")
def containers_are_copied(patch: Patch) -> None:
    """A net's native modules hold copies of the lists and dicts that its attributes are."""

    def compose(original: Any, adapter: Any, module: Any, attributes: Any, binding: Any) -> Any:
        held = {
            name: copy.deepcopy(value) if type(value) in (list, dict) else value
            for name, value in attributes.items()
        }
        return original(adapter, module, held, binding)

    patch.around(NumpyAdapter, "compose", compose)


@mutant(kills="core.forward.mode", beside=3)
def users_modules_always_train(patch: Patch) -> None:
    """A user's own forward sees the training mode, whatever the mode is."""

    def set_mode(original: Any, adapter: Any, binding: Any) -> None:
        original(adapter, binding)
        for _, module in binding.root.named_modules():
            if not isinstance(module, nn.Layer) and id(module) in binding.natives:
                vars(binding.natives[id(module)])["training"] = True

    patch.around(NumpyAdapter, "set_mode", set_mode)


@mutant(kills="core.state.set-then-call", beside=8)
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


@mutant(kills="core.forward.update", beside=6)
def updates_are_dropped(patch: Patch) -> None:
    """A buffer's update in a forward changes nothing."""
    patch(state.State, "update", lambda buffer, value: None)


@mutant(kills="core.forward.updates-see-each-other", beside=4)
def updates_wait_for_the_end(patch: Patch) -> None:
    """What a forward reads of a buffer that it updated is as before, until it returns."""
    waiting: list[Any] = []
    update = state.State.update

    def updating(original: Any, call: Any, buffers: Any) -> Any:
        def run(*inputs: Any, **named: Any) -> Any:
            output = call(*inputs, **named)
            while waiting:
                update(*waiting.pop(0))
            return output

        return original(run, buffers)

    patch(state.State, "update", lambda buffer, value: waiting.append((buffer, value)))
    patch.around(adapter, "updating", updating)


@mutant(kills="layers.embedding.failed-call-undoes-updates")
def failed_calls_keep_updates(patch: Patch) -> None:
    """A call that fails leaves the buffers that its forward updated before."""
    patch(adapter, "updating", lambda call, buffers: call)

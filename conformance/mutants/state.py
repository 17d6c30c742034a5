"""Faults of state: reading, writing, copies, moves, sharing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from isomorph import initialize, lowering, mapping, nn, parameter, tree
from isomorph.shape import Shape

from .catalog import Patch, mutant

Parameter = parameter.Parameter


@mutant(kills="core.state.paths", beside=7)
def paths_are_sorted(patch: Patch) -> None:
    """Parameters are listed by the alphabet, not in the order of the tree."""

    def own(original: Any, module: Any) -> Any:
        return dict(sorted(original(module).items()))

    patch.around(tree.Tree, "own_parameters", own)


@mutant(kills="core.state.paths-nested")
def paths_are_shortened(patch: Patch) -> None:
    """The name of a list is left out of the paths of what is in it."""

    def state(original: Any, module: Any) -> Any:
        return mapping.ParameterMapping(
            {path.replace("blocks.", ""): each for path, each in original(module).items()}
        )

    patch.around(tree.Tree, "state", state)


@mutant(kills="core.state.set-then-read", beside=8)
def set_is_dropped_when_ready(patch: Patch) -> None:
    """Values set on a ready parameter are dropped."""
    patch.around(Parameter, "set", lambda assign, each, array: None if each.is_ready else assign(each, array))


@mutant(kills="core.state.edit-one-element")
def edits_change_a_copy(patch: Patch) -> None:
    """An in-place edit changes a copy of the values."""
    patch(Parameter, "__setitem__", lambda each, index, value: each.numpy().__setitem__(index, value))


@mutant(kills="core.state.set-another-shape")
def set_reshapes(patch: Patch) -> None:
    """Values of another shape with as many elements are reshaped to fit."""

    def assign(original: Any, each: Any, array: Any) -> None:
        values = np.asarray(array)
        fits = each.shape.is_known and values.size == each.shape.size
        original(each, values.reshape(each.shape.known()) if fits else values)

    patch.around(Parameter, "set", assign)


@mutant(kills="core.state.set-another-shape-deferred")
def refused_values_leave_their_size(patch: Patch) -> None:
    """Values that are refused leave their sizes where none was known."""

    def assign(original: Any, each: Any, array: Any) -> None:
        if len(each._shape) == np.ndim(array):
            each._shape = Shape(n if old is None else old for old, n in zip(each._shape, np.shape(array)))
        original(each, array)

    patch.around(Parameter, "set", assign)


@mutant(kills="core.share.count")
def shared_elements_count_twice(patch: Patch) -> None:
    """A module that a net holds twice is listed twice among what it learns."""

    def listed(original: Any, module: Any) -> Any:
        found = dict(original(module))
        for name, child in module.children().items():
            for path, each in child.state().items():
                if each.trainable:
                    found[f"{name}.{path}"] = each
        return mapping.ParameterMapping(found)

    patch.around(tree.Tree, "parameters", listed)


@mutant(kills="core.state.learned-and-not")
def buffers_are_learned(patch: Patch) -> None:
    """A buffer says that it is learned."""
    patch(nn.Buffer, "trainable", True)


@mutant(kills="core.state.select-whole-paths")
def selection_ignores_the_start(patch: Patch) -> None:
    """A pattern selects parameters by the end of their path."""

    def select(original: Any, mapping: Any, pattern: str) -> Any:
        return original(mapping, f".*{pattern}")

    patch.around(mapping.ParameterMapping, "select", select)


@mutant(kills="core.state.copy-ready", beside=6)
def copies_share_values(patch: Patch) -> None:
    """A copy of a net holds the same parameters."""
    patch(Parameter, "__deepcopy__", lambda each, memo: each)


@mutant(kills="core.state.copy-ready", beside=6)
def copies_lose_values(patch: Patch) -> None:
    """A copy of a net that has values waits for data."""
    patch.around(Parameter, "__getstate__", lambda state, each: {**state(each), "_value": None})


@mutant(kills="layers.embedding.tied-copy")
def copies_part_what_is_tied(patch: Patch) -> None:
    """In a copy, a parameter that two layers held is two."""

    def deepcopy(each: Any, memo: Any) -> Any:
        twin: Any = Parameter.__new__(type(each))
        vars(twin).update(copy.deepcopy(each.__getstate__(), memo))
        return twin

    def forget(original: Any, module: Any, memo: Any) -> Any:
        for each in module.own_parameters().values():
            memo.pop(id(each), None)
        return original(module, memo)

    patch(Parameter, "__deepcopy__", deepcopy)
    patch.around(nn.Module, "__deepcopy__", forget)


@mutant(kills="core.share.pickle")
def pickles_part_what_is_shared(patch: Patch) -> None:
    """A pickle holds a shared module once for each place."""

    def state(original: Any, module: Any) -> Any:
        found = original(module)
        seen = set()
        for name, child in module.children().items():
            if id(child) in seen:
                found[name] = copy.deepcopy(child)
            seen.add(id(child))
        return found

    patch.around(tree.Tree, "__getstate__", state)


@mutant(kills="core.state.pickle-deferred", beside=5)
def pickles_draw_values(patch: Patch) -> None:
    """Pickling a net gives values to what has a known size."""

    def state(original: Any, each: Any) -> Any:
        found = original(each)
        if found["_value"] is None and each.shape.is_known:
            found["_value"] = np.zeros(each.shape.known(), each.dtype)
        return found

    patch.around(Parameter, "__getstate__", state)


@mutant(kills="extras.types.chosen-before-data")
def type_is_forgotten_before_data(patch: Patch) -> None:
    """A type chosen before data is forgotten when data comes."""

    def to(original: Any, module: Any, backend: Any, device: Any, dtype: Any, *rest: Any) -> None:
        ready = any(each.is_ready for each in module.state().values())
        original(module, backend, device, dtype if ready or dtype != "float64" else None, *rest)

    patch.around(lowering, "to", to)


@mutant(kills="extras.types.chosen-after-data")
def ready_values_keep_their_type(patch: Patch) -> None:
    """Ready values are not cast when the net's type changes."""

    def to(original: Any, module: Any, backend: Any, device: Any, dtype: Any, *rest: Any) -> None:
        ready = any(each.is_ready for each in module.state().values())
        original(module, backend, device, None if ready else dtype, *rest)

    patch.around(lowering, "to", to)


@mutant(kills="core.state.to-returns-the-net")
def lowering_returns_nothing(patch: Patch) -> None:
    """to() lowers the net and returns None."""

    def to(original: Any, net: Any, *arguments: Any, **named: Any) -> None:
        original(net, *arguments, **named)

    patch.around(nn.Module, "to", to)


@mutant(kills="core.share.drawn-once")
def shared_parameters_are_drawn_twice(patch: Patch) -> None:
    """A parameter of a module that two places hold is drawn once for each."""

    def draw_all(original: Any, chosen: Any) -> Any:
        for each in chosen:
            holders = [
                m
                for _, m in each.owner.root.named_modules()
                for c in m.children().values()
                if c is each.owner
            ]
            if len(holders) > 1:
                each.draw()
        return original(chosen)

    patch.around(initialize, "_draw_all", draw_all)


@mutant(kills="core.share.module")
def shared_modules_are_copied(patch: Patch) -> None:
    """Assigning a module that has a place already assigns a copy."""

    def assign(original: Any, module: Any, name: str, value: Any) -> None:
        taken = isinstance(value, nn.Module) and INTERNAL in vars(value) and value.parent is not None
        original(module, name, copy.deepcopy(value) if taken and not module._is_native else value)

    INTERNAL = tree.INTERNAL  # noqa: N806
    patch.around(tree.Tree, "__setattr__", assign)


@mutant(kills="core.share.tied-after-call")
def ties_after_a_call_are_lost(patch: Patch) -> None:
    """Tying parameters of a net that was called changes nothing in the next call."""

    def changed(original: Any, module: Any, name: str, value: Any, structural: bool) -> Any:
        if isinstance(value, Parameter) and module._isomorph.binding is not None:
            return True
        return original(module, name, value, structural)

    patch.around(tree.Tree, "_changed_natively", changed)


@mutant(kills="core.share.parameter-two-layers")
def tied_parameters_are_listed_twice(patch: Patch) -> None:
    """A parameter that two layers hold is listed at both of its paths."""

    def state(original: Any, module: Any) -> Any:
        found = dict(original(module))
        for path, each in module.named_modules():
            for name, own in each.own_parameters().items():
                found.setdefault(f"{path}.{name}" if path else name, own)
        return mapping.ParameterMapping(found)

    patch.around(tree.Tree, "state", state)


@mutant(kills="core.freeze.pickled", beside=3)
def pickles_forget_freezing(patch: Patch) -> None:
    """Whether a parameter is frozen is not in a pickle."""

    def kept(original: Any, each: Any) -> Any:
        return {**original(each), "_trainable": True}

    patch.around(Parameter, "__getstate__", kept)


@mutant(kills="core.freeze.keeps-its-place", beside=1)
def frozen_parameters_are_left_out(patch: Patch) -> None:
    """A frozen parameter is no longer one of the net's parameters."""

    def parameters(original: Any, module: Any) -> Any:
        found = original(module).items()
        return mapping.ParameterMapping({path: each for path, each in found if each.trainable})

    patch.around(tree.Tree, "parameters", parameters)


@mutant(kills="core.freeze.initial-values", beside=1)
def frozen_parameters_start_at_zero(patch: Patch) -> None:
    """A frozen parameter gets zeros instead of its law's values."""

    def draw(original: Any, each: Any) -> Any:
        return original(each) * (each.trainable or each.kind == "buffer")

    patch.around_all((initialize, parameter), "draw_one", draw)

"""The bound call: the native module's `apply`, compiled unless the net says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from isomorph import nn
from isomorph.adapter import Signature, flatten, unflatten

from .framework import concrete, is_concrete
from .native import EVALUATION
from .state import State, Tree, follow
from .values import Running, plain

Function = Callable[..., Any]


def pure(state: State, module: nn.Module, updates: bool) -> Function:
    """Return a pure function (variables, seeds, inputs, named) -> (output, changed collections)."""
    route, trains, draws = state.routes[id(module)], state.trains, state.draws
    mutable = ["batch_stats", "buffers"] if updates else ["batch_stats"]

    def call(variables: Tree, seeds: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def method(top: Any) -> Any:
            return follow(top, route)(*inputs, **named)

        if not trains and not updates:
            return state.top.apply(variables, method=method), {}
        rngs = {} if trains else {EVALUATION: jax.random.key(0)}
        if draws:
            rngs["dropout"] = jax.random.fold_in(jax.random.key(seeds[0]), seeds[1])
        return state.top.apply(variables, method=method, rngs=rngs, mutable=mutable)

    return call


def differentiable(state: State, module: nn.Module, signature: Signature) -> Function:
    """Return the function (variables, seeds, leaves) -> (packed output, changes) for a kind of arguments."""
    try:
        return state.once(_general, module, signature.updates, signature.structure)  # type: ignore[no-any-return]
    except TypeError:  # something static in the arguments can't be hashed
        return _general(state, module, signature.updates, signature.structure)


def _general(state: State, module: nn.Module, updates: bool, structure: Any) -> Function:
    function = pure(state, module, updates)

    def call(variables: Tree, seeds: Any, leaves: list[Any]) -> Any:
        output, changes = function(variables, seeds, *unflatten(structure, leaves))
        return packed(output), changes

    return _compiled(state, module, call)


def runner(state: State, module: nn.Module, signature: Signature) -> Function:
    """Return the call of a module for a kind of arguments: with the variables of now, and keeping changes."""
    kind = signature.updates, signature.structure, len(signature.specs)
    keeps_statistics = state.trains and "batch_stats" in state.variables
    keeps = signature.updates or state.draws or keeps_statistics
    if not keeps:
        kind = *kind, state.in_a_row()[2]
    try:
        call = state.once(_call, module, *kind)
    except TypeError:  # something static in the arguments can't be hashed
        call = _call(state, module, *kind, compiles=False)
    return _keeping(state, module, call) if keeps else _quiet(state, module, call, kind[-1], signature)


def _quiet(state: State, module: nn.Module, call: Function, treedef: Any, signature: Signature) -> Function:
    array = concrete()

    def run(*inputs: Any, **named: Any) -> Any:
        row = state.row
        if row[0] is not state.variables:
            row = state.in_a_row()
        if row[2] is not treedef:  # net.variables was given another collection
            state.binding.forget_runs()
            return runner(state, module, signature)(*inputs, **named)
        output = call(row[1], None, *inputs, **named)
        return output if type(output) is array else _settled(state, module, output)

    return run


def _keeping(state: State, module: nn.Module, call: Function) -> Function:
    array = concrete()

    def run(*inputs: Any, **named: Any) -> Any:
        output, changes = call(state.variables, state.seeds(), *inputs, **named)
        if type(output) is not array:
            output = _settled(state, module, output)
        if changes:
            state.update(module, changes)
        return output

    return run


def _settled(state: State, module: nn.Module, output: Any) -> Any:
    """Return an output as forward returned it; what a user's own jax.jit takes from the net is noted."""
    if not is_concrete():
        state.check_staging(module)
    return unpacked(output)


def _call(
    state: State,
    module: nn.Module,
    updates: bool,
    structure: Any,
    count: int,
    treedef: Any = None,
    compiles: bool = True,
) -> Function:
    """Return the function of (variables, seeds, *inputs, **named) for arguments of a structure.

    It returns the output and what changed. With a `treedef`, variables come in a row, and nothing
    changes.
    """
    function, keeps = pure(state, module, updates), treedef is None
    if not keeps:
        function = _joining(function, treedef)
    if state.binding.options.compile is False or not compiles:
        return _eager(function, keeps)
    skeleton = unflatten(structure, map(_Leaf, range(count)))
    inputs, named = skeleton
    is_native = all(map(_is_native, (*inputs, *named.values())))

    def traced(variables: Tree, seeds: Any, /, *given: Any, **by_name: Any) -> Any:
        leaves = _in_order(skeleton, (given, by_name)) if is_native else given
        output, changed = function(variables, seeds, *unflatten(structure, leaves))
        return (packed(output), changed) if keeps else packed(output)

    compiled = _compiled(state, module, traced)
    return compiled if is_native else _picking(compiled, inputs, named)


def _joining(function: Function, treedef: Any) -> Function:
    def call(leaves: list[Any], *arguments: Any) -> Any:
        return function(jax.tree.unflatten(treedef, leaves), *arguments)

    return call


def _eager(function: Function, keeps: bool) -> Function:
    def call(variables: Tree, seeds: Any, /, *inputs: Any, **named: Any) -> Any:
        output, changed = function(variables, seeds, inputs, named)
        output = _without_buffers(output)
        return (output, changed) if keeps else output

    return call


def _compiled(state: State, module: nn.Module, function: Function) -> Any:
    function.__name__ = function.__qualname__ = type(module).__name__
    return function if state.binding.options.compile is False else jax.jit(function)


# Arguments.


class _Leaf(int):
    """The place of a tensor in arguments."""


def _is_native(part: Any) -> bool:
    """Return whether JAX itself takes apart such an argument, and nothing in it is static but None."""
    if type(part) is dict:
        return {*map(type, part)} <= {str} and all(map(_is_native, part.values()))
    if type(part) in (tuple, list):
        return all(map(_is_native, part))
    return part is None or isinstance(part, (_Leaf, jax.Array))


def _in_order(skeleton: Any, value: Any) -> Iterator[Any]:
    """Yield the tensors in a value; JAX has sorted its dicts by their keys, the skeleton's are as given."""
    if isinstance(skeleton, dict):
        for key, part in skeleton.items():
            yield from _in_order(part, value[key])
    elif isinstance(skeleton, (tuple, list)):
        for part, each in zip(skeleton, value):
            yield from _in_order(part, each)
    elif skeleton is not None:
        yield value


def _picking(compiled: Function, inputs: tuple[Any, ...], named: dict[str, Any]) -> Function:
    """Return a function of the arguments that hands their tensors to a compiled one of these alone."""
    parts = {key: part for key, part in (*enumerate(inputs), *named.items()) if _has_leaf(part)}
    if all(type(part) is _Leaf for part in parts.values()):
        positions, names = [k for k in parts if isinstance(k, int)], [k for k in parts if isinstance(k, str)]

        def call(variables: Tree, seeds: Any, /, *given: Any, **by_name: Any) -> Any:
            leaves = [given[i] for i in positions] + [by_name[name] for name in names]
            return compiled(variables, seeds, *leaves)

    else:

        def call(variables: Tree, seeds: Any, /, *given: Any, **by_name: Any) -> Any:
            return compiled(variables, seeds, *flatten((given, by_name), _is_tensor)[0])

    return call


def _has_leaf(part: Any) -> bool:
    return bool(flatten(part, lambda each: type(each) is _Leaf)[0])


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (jax.Array, np.ndarray, Running))


# Outputs.


@jax.tree_util.register_pytree_node_class
class _Packed:
    """A structured output on its way through JAX, which would sort dicts, and takes no strings."""

    def __init__(self, leaves: list[Any], structure: Any) -> None:
        self.leaves, self.structure = leaves, structure

    def tree_flatten(self) -> tuple[list[Any], Any]:
        return self.leaves, _Rest(self.structure)

    @classmethod
    def tree_unflatten(cls, rest: _Rest, leaves: Any) -> Any:
        return cls(leaves, rest.structure)


class _Rest:
    """A structure that is compared by identity, whatever is in it."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure


def packed(output: Any) -> Any:
    """Return an output as compiled code may return it."""
    if type(output) is Running:
        return plain(output)
    if _is_native(output) and not _has_unsorted(output):
        return output
    leaves, structure = flatten(output, _is_output)
    return _Packed([plain(leaf) for leaf in leaves], structure)


def unpacked(output: Any) -> Any:
    """Return what `packed` was given."""
    return unflatten(output.structure, output.leaves) if type(output) is _Packed else output


def _has_unsorted(part: Any) -> bool:
    """Return whether a value that JAX takes apart has a dict that would come back in another order."""
    if isinstance(part, dict):
        return [*part] != sorted(part) or any(map(_has_unsorted, part.values()))
    return isinstance(part, (tuple, list)) and any(map(_has_unsorted, part))


def _is_output(value: Any) -> bool:
    """Return whether JAX takes a part of an output as it is: a tensor, or a type registered with it."""
    if isinstance(value, (jax.Array, Running)):
        return True
    is_container = isinstance(value, (tuple, list, dict)) or hasattr(type(value), "__dataclass_fields__")
    return not is_container and value is not None and not jax.tree_util.all_leaves([value])


def _without_buffers(output: Any) -> Any:
    if isinstance(output, jax.Array):
        return output
    leaves, structure = flatten(output, lambda each: type(each) is Running)
    return unflatten(structure, map(plain, leaves)) if leaves else output

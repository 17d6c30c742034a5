"""The bound call: the native module's `apply`, compiled unless the net says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from isomorph import nn

from .framework import concrete
from .state import State, Tree, follow


def pure(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return a pure function (variables, seeds, inputs, named) -> (output, updated statistics)."""
    route, trains, drops = state.routes[id(module)], state.trains, state.drops

    def call(variables: Tree, seeds: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def method(top: Any) -> Any:
            return follow(top, route)(*inputs, **named)

        if not trains:
            return state.top.apply(variables, method=method), {}
        rngs = {"dropout": jax.random.fold_in(jax.random.key(seeds[0]), seeds[1])} if drops else {}
        return state.top.apply(variables, method=method, rngs=rngs, mutable=["batch_stats"])

    return call


def general(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return the call for any arguments, as `split` gives them."""
    function = pure(state, module)

    def call(variables: Tree, seeds: Any, arrays: list[Any], rest: Any) -> Any:
        structure, is_array, constants = rest
        dynamic, static = iter(arrays), iter(constants)
        leaves = [next(dynamic if each else static) for each in is_array]
        inputs, named = jax.tree.unflatten(structure, leaves)
        return function(variables, seeds, inputs, named)

    return _compiled(state, module, call, static_argnums=3)


def split(inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[list[Any], Any]:
    """Return the arrays in a call's arguments, and the rest, on which compiled code may depend."""
    leaves, structure = jax.tree.flatten((inputs, named))
    is_array = tuple(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves)
    arrays = [leaf for leaf, dynamic in zip(leaves, is_array) if dynamic]
    constants = tuple(leaf for leaf, dynamic in zip(leaves, is_array) if not dynamic)
    return arrays, (structure, is_array, constants)


def runner(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return the call of a module that does the least for one array, the usual input."""
    function, any_call = pure(state, module), state.once(general, module)
    array = concrete()

    def call(variables: Tree, seeds: Any, x: Any) -> Any:
        return function(variables, seeds, (x,), {})

    one_array = _compiled(state, module, call)

    def run(*inputs: Any, **named: Any) -> Any:
        if len(inputs) == 1 and not named and type(inputs[0]) is array:
            output, updates = one_array(state.variables, state.seeds(), inputs[0])
        else:
            output, updates = any_call(state.variables, state.seeds(), *split(inputs, named))
        if updates:
            state.update(module, updates)
        return output

    return run


def _compiled(state: State, module: nn.Module, function: Callable[..., Any], **options: Any) -> Any:
    function.__name__ = function.__qualname__ = type(module).__name__
    return function if state.binding.options.compile is False else jax.jit(function, **options)

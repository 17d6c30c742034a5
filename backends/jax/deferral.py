"""Initial values in Flax's own `init`, and parameters that several layers share."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Slot, shapes_kept
from isomorph.shape import Shape

from .framework import as_spec
from .state import Place, collection_of, place_of, state_of

_drawing = threading.RLock()


class Law:
    """A Flax initializer that gives a parameter its values in Isomorph; traced, it draws nothing."""

    def __init__(self, place: Place, parameter: nn.Parameter) -> None:
        self.place, self.parameter = place, parameter

    def __call__(self, key: Any, shape: Any, dtype: Any = jnp.float32, *rest: Any) -> Any:
        shapes = state_of(self.place.binding).shapes
        shapes[id(self.parameter)] = self.place.slots[id(self.parameter)].canonical_shape(shape)
        # A law may look at another parameter of its layer, as a bias's at the weight's size.
        own = self.place.module.own_parameters().values()
        sizes = [(each, Shape(shapes.get(id(each), each.shape))) for each in own]
        result = jax.ShapeDtypeStruct(tuple(shape), dtype)
        if isinstance(key, jax.core.Tracer):
            return jax.pure_callback(lambda: self.values(sizes, dtype), result, vmap_method="sequential")
        return jnp.array(self.values(sizes, dtype))

    def values(self, sizes: list[tuple[nn.Parameter, Shape]], dtype: Any) -> Array:
        """Return the values that wait in the parameter, else newly drawn ones; nothing changes."""
        with _drawing, shapes_kept(self.place.module, always=True):
            for each, shape in sizes:
                each._shape = shape
            waiting = self.parameter._value
            canonical = self.parameter.draw() if waiting is None else waiting
        return np.asarray(self.place.slots[id(self.parameter)].to_native(canonical), dtype)

    def shared(self, scope: Any, shape: Any, dtype: Any = None) -> Any:
        """Return the value that another layer holds; None if none does, or outside the whole net."""
        owner, own = self.place.binding.slots[id(self.parameter)][0], self.place.slots[id(self.parameter)]
        paths = state_of(self.place.binding).paths
        here, there = paths[id(own.module)], paths[id(owner.module)]
        depth = len(scope.path) - len(here)
        if owner.module is own.module or depth < 0 or scope.path[depth:] != here:
            return None
        above = scope.root
        for name in (*scope.path[:depth], *there):
            above = above.push(name, reuse=True)
        native = in_layout(owner, own.canonical_shape(shape))
        law = Law(place_of(owner.binding, owner.module), self.parameter)
        value = law.held(above, native, dtype)
        order = in_layout(own, np.argsort(owner.axes or range(value.ndim)).tolist())
        return jnp.transpose(value, order)

    def held(self, scope: Any, shape: Any, dtype: Any) -> Any:
        """Return the value in its own layer's scope, made there if Flax is initializing."""
        slot = self.place.slots[id(self.parameter)]
        collection, name = collection_of(slot), slot.native_name
        if not scope.has_variable(collection, name):
            if not scope.is_mutable_collection(collection):
                raise flax.errors.ScopeParamNotFoundError(name, scope.path_text)
            scope.put_variable(collection, name, self(scope.make_rng("params"), tuple(shape), dtype))
        return scope.get_variable(collection, name)

    def __deepcopy__(self, memo: Any) -> Law:
        return self

    def __repr__(self) -> str:
        return repr(self.parameter.init)


def in_layout(slot: Slot, canonical: Iterable[int]) -> tuple[int, ...]:
    """Return a canonical shape in a slot's layout."""
    sizes = tuple(canonical)
    return sizes if slot.axes is None else tuple(sizes[axis] for axis in slot.axes)


def build(place: Place, inputs: Iterable[Any]) -> None:
    """Let a user's build hook size the parameters that Flax is to initialize; nothing else changes."""
    with _drawing, shapes_kept(place.module, always=True):
        place.module.fill(tuple(as_spec(value) for value in inputs))
        for parameter in place.module.own_parameters().values():
            if parameter.shape.is_known:
                state_of(place.binding).shapes[id(parameter)] = parameter.shape.known()


class Tied:
    """A layer with a parameter that another one holds: a mixin for Flax's own."""

    def param(self: Any, name: str, law: Any, *arguments: Any, **named: Any) -> Any:
        """Return the parameter, from the layer that holds it."""
        value = law.shared(self.scope, *arguments[:2])
        return super().param(name, law, *arguments, **named) if value is None else value  # type: ignore[misc]

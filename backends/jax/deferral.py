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

from .framework import as_spec
from .native import found
from .state import Place, collection_of, place_of, state_of


class Law:
    """A Flax initializer that gives a parameter its values in Isomorph; traced, it draws nothing."""

    def __init__(self, place: Place, parameter: nn.Parameter) -> None:
        self.place, self.parameter = place, parameter

    def __call__(self, key: Any, shape: Any, dtype: Any = jnp.float32, *rest: Any) -> Any:
        shapes = state_of(self.place.binding).shapes
        shapes[id(self.parameter)] = self.place.slots[id(self.parameter)].canonical_shape(shape)
        # A law may look at another parameter of its layer, as a bias's at the weight's size.
        own = self.place.module.own_parameters().values()
        sizes = [(each, shapes.get(id(each), each.shape)) for each in own]
        result = jax.ShapeDtypeStruct(tuple(shape), dtype)
        if isinstance(key, jax.core.Tracer):
            return jax.pure_callback(lambda: self.values(sizes, dtype), result, vmap_method="sequential")
        return jnp.array(self.values(sizes, dtype))

    def values(self, sizes: list[tuple[nn.Parameter, Iterable[int]]], dtype: Any) -> Array:
        """Return the values that wait in the parameter, else newly drawn ones; nothing changes."""
        with _drawing(self.place), shapes_kept(self.place.module, always=True):
            for each, shape in sizes:
                each._shape = type(each._shape)(shape)
            waiting = self.parameter._value
            canonical = self.parameter.draw() if waiting is None else waiting
        return np.asarray(self.place.slots[id(self.parameter)].to_native(canonical), dtype)

    def home(self, scope: Any) -> tuple[Any, Law]:
        """Return the scope and the law of the layer that holds the parameter, from a scope of this layer.

        Outside the whole net that is this layer itself.
        """
        owner, own = self.place.binding.slots[id(self.parameter)][0], self.place.slots[id(self.parameter)]
        paths = state_of(self.place.binding).paths
        here, there = paths[id(own.module)], paths[id(owner.module)]
        depth = len(scope.path) - len(here)
        if owner.module is own.module or depth < 0 or scope.path[depth:] != here:
            return scope, self
        above = scope.root
        for name in (*scope.path[:depth], *there):
            above = above.push(name, reuse=True)
        return above, Law(place_of(owner.binding, owner.module), self.parameter)

    def shared(self, scope: Any, shape: Any, dtype: Any = None) -> Any:
        """Return the value that another layer holds; None if none does, or outside the whole net."""
        above, law = self.home(scope)
        if law is self:
            return None
        own = self.place.slots[id(self.parameter)]
        value = law.canonical(above, own.canonical_shape(shape), dtype)
        return value if own.axes is None else jnp.transpose(value, own.axes)

    def canonical(self, scope: Any, shape: Iterable[int], dtype: Any) -> Any:
        """Return the value in its own layer's scope, in the canonical layout; of a shape if it is made."""
        slot = self.place.slots[id(self.parameter)]
        value = self.held(scope, in_layout(slot, shape), dtype)
        return value if slot.axes is None else jnp.transpose(value, np.argsort(slot.axes).tolist())

    def held(self, scope: Any, shape: Any, dtype: Any) -> Any:
        """Return the value in its own layer's scope, made there if Flax is initializing."""
        slot = self.place.slots[id(self.parameter)]
        collection, name = collection_of(slot), slot.native_name
        if not scope.has_variable(collection, name):
            if not scope.get_flag("initializing", False):
                raise flax.errors.ScopeParamNotFoundError(name, scope.path_text)
            scope.put_variable(collection, name, self(scope.make_rng("params"), tuple(shape), dtype))
        return scope.get_variable(collection, name)

    def __deepcopy__(self, memo: Any) -> Law:
        return self

    def __reduce__(self) -> Any:
        module = self.place.module
        name = next(name for name, each in module.own_parameters().items() if each is self.parameter)
        return _law, (module.root, self.place.binding.adapter.name, module.path, name)

    def __repr__(self) -> str:
        return repr(self.parameter.init)


def _law(root: nn.Module, backend: str, path: str, name: str) -> Law:
    place = found(root, backend, path)._isomorph
    return Law(place, place.module.own_parameters()[name])


def in_layout(slot: Slot, canonical: Iterable[int]) -> tuple[int, ...]:
    """Return a canonical shape in a slot's layout."""
    sizes = tuple(canonical)
    return sizes if slot.axes is None else tuple(sizes[axis] for axis in slot.axes)


def build(place: Place, inputs: Iterable[Any]) -> None:
    """Let a user's build hook size the parameters that Flax is to initialize; nothing else changes."""
    with _drawing(place), shapes_kept(place.module, always=True):
        place.module.fill(tuple(map(as_spec, inputs)))
        for parameter in place.module.own_parameters().values():
            if parameter.shape.is_known:
                state_of(place.binding).shapes[id(parameter)] = parameter.shape.known()


def _drawing(place: Place) -> Any:
    """Return the net's lock: a law is asked for sizes that the description takes for that long."""
    return place.binding.memory.setdefault("drawing", threading.RLock())


class Tied:
    """A layer with a parameter that another one holds: a mixin for Flax's own."""

    def param(self: Any, name: str, law: Any, *arguments: Any, **named: Any) -> Any:
        """Return the parameter, from the layer that holds it."""
        value = law.shared(self.scope, *arguments[:2])
        return super().param(name, law, *arguments, **named) if value is None else value  # type: ignore[misc]

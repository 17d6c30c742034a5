"""Keras's layers as they were before a call that failed: the same objects, unbuilt again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from isomorph.adapter import Binding

from .framework import keras

# Its subclasses track what is added and taken away; what is put back was tracked before.
_CLEAR_AND_FILL: tuple[tuple[type, Callable[..., None], Callable[..., None]], ...] = (
    (list, list.clear, list.extend),
    (dict, dict.clear, dict.update),
    (set, set.clear, set.update),
)


def restorer(binding: Binding) -> Callable[[], None]:
    """Note each layer's attributes and variables; return what puts them back, in place.

    A model compiled before data goes on with its optimizer, and `fit` with the layers that it holds.
    """
    layers = {id(each): each for native in binding.natives.values() for each in _layers(native)}
    restores = [_restorer_of(each) for layer in layers.values() for each in _states(layer)]
    views = [vars(each)["_isomorph_view"] for each in layers.values() if vars(each).get("_isomorph_view")]
    restores += [_restorer_of(vars(view)) for view in views]
    memory = binding.memory
    kept = {name: dict(memory[name]) for name in ("variables", "inputs") if name in memory}

    def restore() -> None:
        for each in restores:
            each()
        for name in ("variables", "inputs", "runners"):
            memory.pop(name, None)
        memory.update(kept)

    return restore


def _layers(native: Any) -> Iterator[Any]:
    """Return the layers in a native object, itself among them."""
    if isinstance(native, keras.layers.Layer):
        yield from native._flatten_layers()


def _states(layer: Any) -> Iterator[Any]:
    """Return the containers that hold a layer's state, the innermost first."""
    tracker = layer._tracker
    yield from tracker.stored_ids.values()
    for _, store in tracker.config.values():
        yield store
    for value in vars(layer).values():
        # TensorFlow puts a proxy around some dicts, and a list around some lists (2.21).
        for inner in (getattr(value, "__wrapped__", None), getattr(value, "_storage", None)):
            if isinstance(inner, (dict, list)):
                yield vars(value)
                yield inner
        yield value
    yield vars(tracker)
    yield vars(layer)


def _restorer_of(container: Any) -> Callable[[], None]:
    """Return what gives a list, dict or set the items that it has now; nothing for anything else."""
    for kind, clear, fill in _CLEAR_AND_FILL:
        if issubclass(type(container), kind):
            items = kind(container)

            def restore(clear: Any = clear, fill: Any = fill, items: Any = items) -> None:
                clear(container)
                fill(container, items)

            return restore
    return lambda: None

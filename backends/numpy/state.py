"""Buffers that a forward updates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from isomorph.adapter import Array

Place = tuple[Any, str]
"""A native module, and a name in it."""


class State(np.ndarray):
    """A buffer with `update`; what is computed from it is a plain array."""

    places: tuple[Place, ...] = ()
    """Where a call's own copy of the buffer stands; none for the buffer itself."""

    def update(self, value: Any) -> None:
        """Replace the values."""
        new = _copy(self, self.places) if self.places else self
        new[...] = value
        _put(self.places, new)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        given = options.get("out", ())
        if given:
            options["out"] = tuple(map(_plain, given))
        found = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return given[0] if len(given) == 1 else found

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        return _plain(super().__array_function__(function, types, args, named))

    def __getitem__(self, index: Any) -> Any:
        return _plain(self)[index]


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, State) else value


def _copy(array: Array, places: tuple[Place, ...]) -> State:
    copy = np.array(array).view(State)
    copy.places = places
    return copy


def _put(places: tuple[Place, ...], array: Array) -> None:
    for native, name in places:
        setattr(native, name, array)


def updatable(array: Array) -> State:
    """Return an array's own memory with `update`."""
    return array if isinstance(array, State) else array.view(State)


def updating(
    call: Callable[..., Any], buffers: list[tuple[Place, ...]], lock: AbstractContextManager[Any]
) -> Callable[..., Any]:
    """Return a call that updates copies of buffers, and the buffers themselves once it has succeeded.

    A copy is replaced by an update: what was read before stays as it was.

    Args:
        call: The native call.
        buffers: For each buffer where it stands, several places where it is tied.
        lock: The net's: of two calls at once, one would meet the other's copies.
    """
    for places in buffers:
        _put(places, updatable(getattr(*places[0])))  # for calls of the native module itself

    def run(*inputs: Any, **named: Any) -> Any:
        with lock:
            before = [getattr(*places[0]) for places in buffers]
            for places, array in zip(buffers, before):
                _put(places, _copy(array, places))
            try:
                output = call(*inputs, **named)
                for places, array in zip(buffers, before):
                    array[...] = getattr(*places[0])
            finally:
                for places, array in zip(buffers, before):
                    _put(places, array)
            return output

    return run

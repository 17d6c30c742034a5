"""Parameters in a forward: their values, under canonical names and in the canonical layout."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from mxnet.base import _LIB, NDArrayHandle, SymbolHandle, check_call, mx_uint

from isomorph.adapter import register
from isomorph.errors import ForwardError

from .framework import NDArray, Symbol, autograd, mx, state
from .ops import ARRAYS, SYMBOLS, table_of


class Place:
    """Where a parameter of a module is: Gluon's own object, and the order of its axes."""

    def __init__(self, parameter: Any, axes: tuple[int, ...] | None, is_buffer: bool) -> None:
        self.parameter, self.is_buffer = parameter, is_buffer
        self.axes = axes

    def native_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return a canonical shape in the order of the native axes."""
        return shape if self.axes is None else tuple(shape[axis] for axis in self.axes)

    def to_native(self, value: Any) -> Any:
        """Return a canonical array or symbol in the native layout."""
        return value if self.axes is None else table_of(value).np.transpose(value, self.axes)

    def to_canonical(self, value: Any) -> Any:
        """Return a native array or symbol in the canonical layout."""
        if self.axes is None:
            return value
        return table_of(value).np.transpose(value, [int(axis) for axis in np.argsort(self.axes)])


class Value:
    """A parameter under its canonical name: in a forward its value, elsewhere Gluon's own object."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, block: Any, owner: type | None = None) -> Any:
        if block is None:
            return self
        if state.F is not None and self.name in block.isomorph_places:
            return read(block, self.name)
        if self.name in vars(block):
            return vars(block)[self.name]
        if self.name not in block.isomorph_places:
            raise AttributeError(f"{type(block).__name__} has no {self.name!r}")
        return block.isomorph_places[self.name].parameter

    def __set__(self, block: Any, value: Any) -> None:
        vars(block)[self.name] = value


def read(block: Any, name: str) -> Any:
    """Return a parameter by its canonical name, in a forward its value."""
    place = block.isomorph_places[name]
    if state.F is None:
        return place.parameter
    value = place.to_canonical(value_of(place.parameter))
    return _buffer(place, value) if place.is_buffer else value


def value_of(parameter: Any, is_symbol: bool | None = None) -> Any:
    """Return what the call under way sees: what it set, else the parameter's own value."""
    if is_symbol if is_symbol is not None else state.F is mx.symbol:
        updates: Any = state.trace.updates if state.trace is not None else None
        own = parameter.var
    else:
        updates = state.updates
        if parameter._data is None:
            _settle(parameter)
        own = parameter.data
    return updates[parameter] if updates and parameter in updates else own()


def _settle(parameter: Any) -> None:
    """Give a parameter that is read before its own layer was called its size and values."""
    block, inputs, named = state.caller
    block.isomorph_infer(inputs, named)
    parameter._finish_deferred_init()


class _Buffered:
    """A buffer's value in a forward."""

    place: Place

    def update(self, value: Any) -> None:
        """Replace the buffer's values when the call is done; reads later in it see them."""
        if not isinstance(value, (NDArray, Symbol)):
            value = table_of(self).tensor(np.asarray(value), self)
        note(self.place, value)


class BufferArray(_Buffered, mx.np.ndarray):
    """A buffer's array."""


class BufferSymbol(_Buffered, Symbol):
    """A buffer's symbol."""


register(BufferArray, ARRAYS)
register(BufferSymbol, SYMBOLS)


def _buffer(place: Place, value: Any) -> Any:
    """Return a value that knows its place; it shares the memory, and is off the record."""
    handle: Any
    if isinstance(value, NDArray):
        handle = NDArrayHandle()
        check_call(_LIB.MXNDArrayDetach(value.handle, ctypes.byref(handle)))
        found = BufferArray(handle)
    else:
        handle = SymbolHandle()
        check_call(_LIB.MXSymbolGetOutput(value.handle, mx_uint(0), ctypes.byref(handle)))
        found = BufferSymbol(handle)
    found.place = place
    return found


def note(place: Place, value: Any) -> None:
    """Remember a parameter's new value, given in the canonical layout."""
    parameter = place.parameter
    if isinstance(value, Symbol):
        if state.trace is None:
            raise ForwardError(
                f"{parameter.name} is updated in a graph that its own net does not trace.\n"
                "  Hybridize net.native itself, or call it on arrays."
            )
        updates = state.trace.updates
    else:
        assert state.updates is not None
        updates = state.updates
    updates[parameter] = _detached(place.to_native(value), parameter)


def _detached(value: Any, parameter: Any) -> Any:
    """Return a value off the record, in the parameter's type."""
    if isinstance(value, Symbol):
        return mx.sym.BlockGrad(value.astype(parameter.dtype).as_nd_ndarray()).as_np_ndarray()
    with autograd.pause():
        return value.astype(parameter.dtype).detach()


class updating:  # noqa: N801 - a context manager
    """Collect what the outermost call on arrays updates; store it when the call is done, if it is."""

    def __enter__(self) -> None:
        self.is_outermost = state.updates is None
        if self.is_outermost:
            state.updates = {}

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if self.is_outermost:
            updates, state.updates = state.updates, None
            if updates and kind is None:
                store_updates(updates)


def store_updates(updates: dict[Any, Any]) -> None:
    """Give parameters new values."""
    if not updates:
        return
    is_recorded = autograd.is_recording()
    with autograd.pause():
        for value in updates.values():
            value.wait_to_read()
        for parameter, value in updates.items():
            if is_recorded:
                # The graph that was recorded goes on with the memory that it saw.
                parameter._data = [value.copyto(context) for context in parameter.list_ctx()]
            else:
                assign(parameter, value)


def assign(parameter: Any, value: Any) -> None:
    """Give a parameter with memory new values, in place."""
    if value.ndim:
        parameter.set_data(value)
    else:  # Gluon writes to a slice, which a scalar has not
        for each in parameter.list_data():
            each[()] = value

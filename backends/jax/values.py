"""What a forward reads of parameters and buffers: canonical names, canonical layout, one meaning."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.errors import ModifyScopeVariableError

from isomorph import nn
from isomorph.errors import DeferredInitializationError, ShapeMismatchError, StructureError

from .deferral import Law
from .state import collection_of, state_of


class Reader:
    """An attribute of a native module's class that a function reads; an instance may have its own."""

    # Flax wraps descriptors so that an AttributeError in them is another error (0.12): not these.
    nowrap = True

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __get__(self, native: Any, owner: type | None = None) -> Any:
        return self if native is None else self.read(native)


def reader(name: str) -> Reader:
    """Return the attribute that reads a parameter of the description by its name."""
    return Reader(lambda native: _value(native, name))


def _value(native: Any, name: str) -> Any:
    parameter = native._isomorph.module.own_parameters()[name]
    if native.scope is None:
        text = f"{parameter.name} has a value inside a call only.\n  Read net.variables, which holds it."
        raise StructureError(text, path=parameter.name)
    cell = _Cell(native, parameter)
    if not isinstance(parameter, nn.Buffer):
        return cell.read()
    value = cell.read()
    return Running(cell) if cell.is_mutable else value


class _Cell:
    """A parameter's place in Flax's variables, as its module sees it in a call."""

    def __init__(self, native: Any, parameter: nn.Parameter) -> None:
        self.parameter, self.initializes = parameter, native.is_initializing()
        place = native._isomorph
        self.shapes = state_of(place.binding).shapes
        self.scope, self.law = Law(place, parameter).home(native.scope)
        self.slot = self.law.place.slots[id(parameter)]
        self.collection = collection_of(self.slot)

    @property
    def is_mutable(self) -> bool:
        return bool(self.scope.is_mutable_collection(self.collection))

    @property
    def shape(self) -> tuple[int, ...]:
        known = self.parameter.shape
        shape = known.known() if known.is_known else self.shapes.get(id(self.parameter))
        if shape is None:
            why = "forward reads it before its layer was called, from whose input its size comes."
            raise DeferredInitializationError.at(self.parameter.name, known, why)
        return tuple(shape)

    def read(self) -> Any:
        is_there = self.scope.has_variable(self.collection, self.slot.native_name)
        shape = (0,) * len(self.parameter.shape) if is_there else self.shape
        value = self.law.canonical(self.scope, shape, jnp.dtype(self.parameter.dtype))
        return jax.lax.stop_gradient(value) if isinstance(self.parameter, nn.Buffer) else value

    def write(self, value: Any) -> None:
        old = self.read()
        if value.shape != old.shape:
            raise ShapeMismatchError.at(self.parameter.name, "an update of shape", old.shape, value.shape)
        native = value.astype(old.dtype).transpose(self.slot.axes or range(value.ndim))
        try:
            self.scope.put_variable(self.collection, self.slot.native_name, native)
        except ModifyScopeVariableError as cause:
            raise StructureError(
                f"{self.parameter.name}: forward updates it, in a call that may not change the collection.\n"
                f'  Pass mutable=["batch_stats", "{self.collection}"], which returns the new values.'
            ) from cause


class Running:
    """A buffer in a forward that may update it: its value now, by any operator or attribute."""

    __array_priority__ = 1000  # NumPy's arrays leave operators to it

    def __init__(self, cell: _Cell) -> None:
        self._cell = cell

    def update(self, new: Any) -> None:
        """Give the buffer a new value, for what follows in this call and for later calls."""
        if not self._cell.initializes:
            self._cell.write(jnp.asarray(plain(new)))

    def __jax_array__(self) -> Any:
        return self._cell.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell.read(), name)

    def __getitem__(self, index: Any) -> Any:
        return self._cell.read()[index]

    def __len__(self) -> int:
        return len(self._cell.read())

    def __iter__(self) -> Any:
        return iter(self._cell.read())

    def __repr__(self) -> str:
        return repr(self._cell.read())


def plain(value: Any) -> Any:
    """Return a buffer's value as an array; other values as they are."""
    return value._cell.read() if type(value) is Running else value


def _operate(function: Callable[..., Any], turned: bool) -> Any:
    def on_values(own: Running, *others: Any) -> Any:
        values = [plain(own), *map(plain, others)]
        return function(*(reversed(values) if turned else values))

    return on_values


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    _function = getattr(operator, f"__{_name}__")
    setattr(Running, f"__{_name}__", _operate(_function, False))
    setattr(Running, f"__r{_name}__", _operate(_function, True))
for _name in ("neg", "pos", "abs", "invert", "eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Running, f"__{_name}__", _operate(getattr(operator, f"__{_name}__"), False))

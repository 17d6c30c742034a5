"""Parameters: declared, shaped, ready."""

from __future__ import annotations

import enum
import weakref
from typing import Any, Protocol

import numpy as np

from .errors import (
    DeferredInitializationError,
    DTypeMismatchError,
    InvalidArgumentError,
    ShapeMismatchError,
    StructureError,
)
from .init.laws import Array
from .init.streams import numpy_dtype
from .initialize import (
    Request,
    check_law,
    draw_one,
    enclosing,
    request,
    resolve_law,
    siblings,
    store,
)
from .shape import Shape, Size, parameter_shape, unknown_to_none
from .tensor import Operators, TensorSpec, as_spec, dtype_name
from .tracing import current, tracing


class Place(Protocol):
    """Where a lowered net keeps a parameter."""

    binding: Any

    @property
    def is_ready(self) -> bool: ...
    @property
    def trainable(self) -> bool | None: ...
    def known_shape(self) -> Shape | None: ...
    def read(self) -> Array: ...
    def write(self, canonical: Array) -> None: ...
    def native(self) -> Any: ...
    def gradient(self) -> Array | None: ...
    def set_trainable(self, trainable: bool) -> None: ...


class State(str, enum.Enum):
    """How far a parameter is."""

    DECLARED = "declared"
    """A dimension is unknown."""
    SHAPED = "shaped"
    """Every dimension is known; there are no values."""
    READY = "ready"
    """There are values."""

    def __str__(self) -> str:
        return self.value


class Parameter(Operators):
    """An array that a net learns, known by shape before it has values.

    Args:
        shape: Its dimensions, None where one is unknown.
        init: Its own initial law; without one, it follows the net's.
        dtype: Its data type; without one, it follows the net's.
        role: ``"weight"``, ``"bias"`` or ``"scale"``. A law given to a net is for weights;
            biases are then zero and scales one.

    >>> gain = nn.Parameter((None, 8), init=init.Ones())
    >>> gain.shape, str(gain.state)
    ((None, 8), 'declared')
    >>> gain.set(numpy.ones((3, 8)))
    >>> gain[0, 0] = 42
    >>> gain.shape, gain.numpy()[0, :2].tolist()
    ((3, 8), [42.0, 1.0])
    """

    kind = "parameter"
    is_learned = True

    def __init__(self, shape: Any, init: Any = None, dtype: str | None = None, role: str = "weight") -> None:
        where = f"nn.{type(self).__name__}"
        if role not in ("weight", "bias", "scale"):
            raise InvalidArgumentError.choice(where, "role", ("weight", "bias", "scale"), role)
        self._shape = parameter_shape(where, shape)
        self._declared = self._shape
        self._dtype = None if dtype is None else dtype_name(dtype, where)
        self._law = check_law(where, init)
        self._default: Any = None
        self._has_size_of_others = False
        self._trainable = True
        self.role = role
        self.requests: list[Request] = []
        self._value: Array | None = None
        self._slot: Place | None = None
        self._owner: weakref.ref[Any] | None = None
        self._name = ""

    # What it is.

    @property
    def owner(self) -> Any:
        """The module that holds it, the first one if it is shared."""
        return self._owner() if self._owner else None

    @property
    def name(self) -> str:
        """The dotted path from the outermost module."""
        owner = self.owner
        path = owner.path if owner is not None else ""
        return f"{path}.{self._name}" if path else self._name or "parameter"

    @property
    def shape(self) -> Shape:
        """The canonical shape, None where a dimension is unknown. Setting it fills those."""
        if None in self._shape and self._slot is not None:
            # The framework may have got values on its own, by loading a file for example.
            self._shape = self._slot.known_shape() or self._shape
        return self._shape

    @shape.setter
    def shape(self, sizes: tuple[Size | None, ...]) -> None:
        new = unknown_to_none(sizes)
        old_shape = self.shape
        fits = len(new) == len(old_shape) and all(
            old is None or size is None or old == size for old, size in zip(old_shape, new)
        )
        if not fits:
            hint = "Known sizes stay; make a new layer for other ones."
            raise ShapeMismatchError.at(self.name, "shape", old_shape, new, hint)
        self._shape = Shape(size if old is None else old for old, size in zip(old_shape, new))

    @property
    def dtype(self) -> str:
        """The data type's name."""
        if self._dtype is not None:
            return self._dtype
        if self._slot is not None:
            return str(self._slot.binding.options.dtype)
        return str(self.owner.root.dtype) if self.owner is not None else "float32"

    @property
    def state(self) -> State:
        """Declared, shaped or ready."""
        if self.is_ready:
            return State.READY
        return State.SHAPED if self.shape.is_known else State.DECLARED

    @property
    def is_ready(self) -> bool:
        """Whether it has values."""
        return self._value is not None or (self._slot is not None and self._slot.is_ready)

    @property
    def is_requested(self) -> bool:
        """Whether `initialize` was called on it, its layer or a net around it."""
        return bool(self.requests) or any(m._isomorph.requests for m in enclosing(self))

    @property
    def trainable(self) -> bool:
        """Whether training changes it. False freezes it, at any time and on every backend.

        A frozen parameter stays in `Module.parameters`, and gets initial values like any other.

        >>> dense = nn.Dense(3)
        >>> dense.bias.trainable = False
        >>> x = numpy.ones((2, 5), "float32")
        >>> dense(x).shape, dense.bias.trainable
        ((2, 3), False)
        """
        if self._slot is not None:
            # Its user may have frozen the framework's own parameter.
            found = self._slot.trainable
            self._trainable = self._trainable if found is None else found
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = bool(trainable)
        if self._slot is not None:
            self._slot.set_trainable(self._trainable)

    @property
    def init(self) -> Any:
        """The initial law that applies: see `initialize` for the order of precedence."""
        return resolve_law(self)

    # Its values.

    def numpy(self) -> Array:
        """Return a copy of the values, in the canonical layout.

        Raises `DeferredInitializationError` while it is not ready.
        """
        if self._value is not None:
            return self._value.copy()
        return np.array(self._ready_slot("value").read())

    def set(self, array: Any) -> None:
        """Set the values; a deferred parameter takes its unknown dimensions from the array.

        Raises `ShapeMismatchError` or `DTypeMismatchError` and changes nothing.
        """
        values = np.asarray(array)
        if values.dtype.kind not in "fiub" and values.dtype.name != "bfloat16":
            raise DTypeMismatchError.at(self.name, "numeric", values.dtype)
        shape, old = parameter_values_shape(values), self._shape
        fits = len(shape) == len(old) and all(s is None or s == n for s, n in zip(old, shape))
        if not fits:
            hint = "Values are given in the canonical layout, that of shape."
            raise ShapeMismatchError.at(self.name, "values of shape", old, Shape(shape), hint)
        for other in siblings(self) if self._has_size_of_others else ():
            if other._shape.is_known and other._shape != shape:
                hint = f"{other.name} beside it has that size already."
                raise ShapeMismatchError.at(self.name, "values of shape", other._shape, Shape(shape), hint)
        values = np.array(values, dtype=numpy_dtype(self.dtype), order="C")
        if self._slot is not None and self._slot.is_ready:
            self._slot.write(values)
        else:
            self._shape, self._value = Shape(shape), values
            store([self])

    def initialize(self, init: Any = None, *, seed: int | None = None, force: bool = False) -> Parameter:
        """Ask for values from a law; see `Module.initialize`."""
        root = self.owner.root if self.owner is not None else None
        inside = {self.name: self}
        request(self.name, init, seed, force, root=root, inside=inside, holders=[self], patterns=False)
        return self

    @property
    def native(self) -> Any:
        """The framework's own parameter.

        Raises `StructureError` before the net was given to a backend.
        """
        if self._slot is None:
            raise StructureError(
                f"{self.name} has no native parameter yet: call to(backend) or the net on data."
            )
        return self._ready_slot("native value").native()

    @property
    def grad(self) -> Array | None:
        """The gradient as an array in the canonical layout; None if there is none yet."""
        return self._ready_slot("gradient").gradient()

    def _ready_slot(self, what: str) -> Place:
        if self._slot is not None and self._slot.is_ready:
            return self._slot
        raise DeferredInitializationError.at(self.name, self._shape, self._why_waiting(), what)

    def _why_waiting(self) -> str:
        unknown = [axis for axis, size in enumerate(self._shape) if size is None]
        if unknown:
            axes = " and ".join(str(axis) for axis in unknown)
            return (
                f"The size of axis {axes} comes from the input. Call the net on data, or "
                "net.apply_init(inputs), before reading values."
            )
        waiting = [p.name for p in siblings(self) if not p._shape.is_known]
        if waiting:
            return (
                f"It waits for {waiting[0]}, with which its layer is initialized. "
                "Call the net on data, or net.apply_init(inputs), before reading values."
            )
        return "Its shape is known: net.initialize() or the first call on data gives it values."

    # In-place edits, on every backend.

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index) if tracing() else self.numpy()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        values = self.numpy()
        values[index] = value
        self.set(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        values = self.numpy()
        return values if dtype is None else values.astype(dtype)

    def spec(self) -> TensorSpec:
        """Return its shape and data type, for use inside a `forward`."""
        if not tracing():
            raise StructureError(
                f"{self.name} takes part in arithmetic outside a forward; use {self.name}.numpy()."
            )
        if self.owner is None:
            raise StructureError(
                f"forward uses a {type(self).__name__} of shape {self._shape} that is not part of the net.\n"
                "  Assign it to an attribute of its module, alone or in a list or dict."
            )
        current().require_inside(self.owner)
        if not self._shape.is_known:
            raise DeferredInitializationError.at(
                self.name,
                self._shape,
                "forward uses it before its size is known. Give its module a "
                "build(self, *input_shapes) that sets its shape.",
                "shape",
            )
        return TensorSpec(self._shape, self.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self._shape}, {self.dtype}, {self.state})"

    def __getstate__(self) -> dict[str, Any]:
        value = self.numpy() if self.is_ready else None
        dtype = self._dtype
        kept = {"_value": value, "_dtype": dtype, "_trainable": self.trainable}
        return {**self.__dict__, **kept, "_slot": None, "_owner": None}

    def draw(self) -> Array:
        """Return new values from its law; nothing is stored."""
        return draw_one(self)

    def detach(self) -> None:
        """Keep the values in the parameter itself instead of in a native module."""
        self._value = self.numpy() if self.is_ready else None
        self._trainable, self._slot = self.trainable, None

    def take(self) -> Array:
        """Return the values to hand to a framework: those waiting here, else newly drawn ones."""
        value, self._value = self._value, None
        return self.draw() if value is None else value


class Buffer(Parameter):
    """An array that belongs to a net's state but is not learned, such as a running mean.

    >>> nn.Buffer((3,), init=init.Zeros()).trainable
    False
    """

    kind = "buffer"
    is_learned = False

    def update(self, value: Any) -> None:
        """Replace the values inside a `forward`, as a layer's running statistics are.

        It holds for reads later in the same call, in every backend, compiled or not, and is undone
        if the call fails. Outside a forward it is `set`.

        Raises `ShapeMismatchError` for a value of another shape.
        """
        trace = current()
        if trace is None:
            self.set(value)
            return
        spec, known = as_spec(value), self.spec()
        if any(isinstance(size, int) and size != old for size, old in zip(spec.shape, known.shape)) or (
            spec.ndim != known.ndim
        ):
            hint = "Declare the buffer with the shape that forward gives it."
            raise ShapeMismatchError.at(self.name, "an update of shape", self._shape, spec, hint)
        trace.updates = True

    @property
    def trainable(self) -> bool:
        """False: setting it to True raises `StructureError`."""
        return False

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if trainable:
            hint = "Declare it as nn.Parameter if it is to be learned."
            raise StructureError(f"{self.name} is a buffer, which is never trained.\n  {hint}")


def parameter_values_shape(values: Array) -> tuple[int, ...]:
    """Return an array's shape as plain integers."""
    return tuple(int(size) for size in values.shape)

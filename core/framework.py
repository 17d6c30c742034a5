"""The half of a backend that knows tensors: options, the table of functions, arrays in and out."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from .errors import NotSupportedError
from .init.laws import Array
from .tensor import TensorSpec

Tensor = Any
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """What `Module.to` was told besides the backend's name.

    Attributes:
        device: The framework's own name of a device; None leaves it to the framework.
        dtype: The type of parameters and floating inputs: float16, bfloat16, float32 or float64.
        data_format: Where images have their channels, ``"channels_first"`` or ``"channels_last"``.
        compile: True or False force the framework's compiler on or off; None is what is usual there.
    """

    device: Any = None
    dtype: str = "float32"
    data_format: str = "channels_first"
    compile: bool | None = None

    def updated(self, **changes: Any) -> Options:
        """Return the options with some of them changed."""
        return replace(self, **changes)

    @property
    def channels_last(self) -> bool:
        """Whether images have their channels last."""
        return self.data_format == "channels_last"

    def channel_axis(self, rank: int) -> int:
        """Return the axis of the channels in a tensor of this rank; 1 in a matrix."""
        return rank - 1 if self.channels_last else min(1, rank - 1)


def required(function: F) -> F:
    """Return a method that says that a table lacks it."""
    name = function.__name__

    @functools.wraps(function)
    def lacking(self: Ops, *args: Any, **options: Any) -> Any:
        table = type(self)
        able, hint = (
            f"its table {table.__name__} has no {name}",
            "Define it there, or write the forward without it.",
        )
        raise NotSupportedError.of(table.__module__, f"ops.{name}", able, hint)

    return lacking  # type: ignore[return-value]


class Ops:
    """One backend's functions; `isomorph.ops` documents what each one means.

    The functions there call these with every argument, by position. Of the tensors at least one is
    the framework's own, tracers and symbols included; in `add` to `where` the other operands may be
    Python numbers. Axes arrive as given, negative or None too, several as a tuple; `shape`, `axes`,
    `sizes` and `widths` as tuples; `dtype` as a name such as ``"float32"`` or ``"bool"``; `tensors`
    as the caller's list or tuple.

    A layer's activation is called by its name with the tensor alone: those that take an option have
    its default here.

    What is `required` here is the framework's to give; where it does not, a call raises
    `NotSupportedError`. The others are written in terms of those, and may be overridden.
    """

    # Elementwise, named as in the Array API standard where it has them.
    @required
    def add(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def subtract(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def multiply(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def divide(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def pow(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def maximum(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def minimum(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def negative(self, x: Tensor) -> Tensor: ...
    @required
    def abs(self, x: Tensor) -> Tensor: ...
    @required
    def exp(self, x: Tensor) -> Tensor: ...
    @required
    def log(self, x: Tensor) -> Tensor: ...
    @required
    def sqrt(self, x: Tensor) -> Tensor: ...
    def square(self, x: Tensor) -> Tensor:
        return self.multiply(x, x)

    @required
    def tanh(self, x: Tensor) -> Tensor: ...
    def sigmoid(self, x: Tensor) -> Tensor:
        return self.multiply(self.add(self.tanh(self.multiply(x, 0.5)), 1.0), 0.5)

    def relu(self, x: Tensor) -> Tensor:
        return self.maximum(x, 0)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return self.add(self.maximum(x, 0.0), self.multiply(self.minimum(x, 0.0), negative_slope))

    @required
    def gelu(self, x: Tensor) -> Tensor: ...
    def silu(self, x: Tensor) -> Tensor:
        return self.multiply(x, self.sigmoid(x))

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        x = x if low is None else self.maximum(x, low)
        return x if high is None else self.minimum(x, high)

    @required
    def astype(self, x: Tensor, dtype: str) -> Tensor: ...
    # Along an axis.
    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        shifted = self.exp(self.subtract(x, self.max(x, axis, True)))
        return self.divide(shifted, self.sum(shifted, axis, True))

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        shifted = self.subtract(x, self.max(x, axis, True))
        return self.subtract(shifted, self.log(self.sum(self.exp(shifted), axis, True)))

    @required
    def sum(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...
    @required
    def mean(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...
    @required
    def max(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor: ...
    def cumsum(self, x: Tensor, axis: int) -> Tensor:
        sizes = self.shape(x)
        at = axis % len(sizes)
        total = self.sum(self.expand_dims(x, 0), 0, False)  # the same numbers, of the type of a sum
        step = 1
        while step < sizes[at]:
            before = self.split(total, (sizes[at] - step, step), at)[0]
            widths = tuple((step if i == at else 0, 0) for i in range(len(sizes)))
            total = self.add(total, self.pad(before, widths, 0))
            step *= 2
        return total

    # Products.
    @required
    def matmul(self, a: Tensor, b: Tensor) -> Tensor: ...
    @required
    def einsum(self, equation: str, *operands: Tensor) -> Tensor: ...
    # Shapes.
    @required
    def shape(self, x: Tensor) -> tuple[Any, ...]: ...
    @required
    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor: ...
    @required
    def flatten(self, x: Tensor, start_axis: int) -> Tensor: ...
    @required
    def expand_dims(self, x: Tensor, axis: int) -> Tensor: ...
    @required
    def squeeze(self, x: Tensor, axis: int) -> Tensor: ...
    @required
    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
    @required
    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor: ...
    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.concat([self.expand_dims(each, axis) for each in tensors], axis)

    @required
    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]: ...
    @required
    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor: ...


FUNCTIONS = frozenset(name for name in vars(Ops) if name[0] != "_")
"""The names of all functions in a table."""

TABLES: dict[type, Ops] = {}
"""The table of functions for tensors of a type, as they are met."""


def register(kind: type, table: Ops) -> None:
    """Let tensors of this exact type use this table."""
    TABLES[kind] = table


class Framework(ABC):
    """What the functions of `isomorph.ops`, and calls, need of a backend."""

    name: ClassVar[str]
    ops: Ops

    def check_options(self, options: Options) -> None:  # noqa: B027 - most frameworks follow all
        """Raise `NotSupportedError` for a data type or a `compile` that the framework can't follow.

        It is asked before a net is lowered; what it lets pass must be done, never silently otherwise.
        """

    # Tensors.

    @abstractmethod
    def owns(self, value: Any) -> bool:
        """Return whether this is one of the framework's tensors (tracers and symbols too).

        Anything may be asked, None too: inputs, and once for each type what meets `isomorph.ops`.
        """

    @abstractmethod
    def from_numpy(self, array: Array, options: Options) -> Any:
        """Return a native tensor with the array's values and type, on the options' device.

        A call's NumPy inputs come here, floating ones cast to ``options.dtype`` already, whole
        numbers and truth values as they are. It may share the array's memory if nothing that your
        backend does writes into it.
        """

    @abstractmethod
    def to_numpy(self, tensor: Any) -> Array:
        """Return a native tensor's values in its type; waits for work still under way.

        A bfloat16 array has the type ``isomorph.init.streams.numpy_dtype("bfloat16")``.
        """

    def spec(self, tensor: Any) -> TensorSpec:
        """Return the shape and type of a native tensor.

        Types have NumPy's names. As written here it reads ``tensor.shape``, and what
        ``str(tensor.dtype)`` has behind its last dot.
        """
        return TensorSpec(tuple(int(n) for n in tensor.shape), str(tensor.dtype).rpartition(".")[2])

    def accept(self, tensor: Any, options: Options) -> Any:
        """Return a native tensor as the bound call takes it: a place for legacy types.

        Each input that `owns` is true of comes here before anything else; mostly it is returned as
        it is. A floating tensor of another type than the net's is refused elsewhere, not converted.
        """
        return tensor

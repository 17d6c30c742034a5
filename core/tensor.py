"""Tensors that have a shape and a data type but no values: what `infer` sends through a net."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .errors import ForwardError, InvalidArgumentError
from .shape import Dim, Size, broadcast, format_shape
from .structure import flatten, is_array, parts_of, unflatten
from .tracing import tracing

FLOATS = ("float16", "bfloat16", "float32", "float64")
DTYPES = (*FLOATS, "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def dtype_name(dtype: object, where: str = "dtype") -> str:
    """Return a data type's canonical name: ``numpy.float32`` and ``"float32"`` give ``"float32"``."""
    if isinstance(dtype, str):
        name = dtype
    else:
        try:
            name = np.dtype(dtype).name  # type: ignore[call-overload]
        except TypeError:
            # Frameworks' own types: some have a name, others end in it.
            name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]
    if name not in DTYPES:
        raise InvalidArgumentError.choice(where, "dtype", DTYPES, name)
    return name


def promote(*dtypes: str | None) -> str | None:
    """Return the type that types promote to in NumPy; None, not known, if one is None."""
    known = [dtype for dtype in dtypes if dtype is not None]
    if len(known) < len(dtypes):
        return None
    if "bfloat16" in known:
        others = {dtype for dtype in known if dtype != "bfloat16"} & set(FLOATS)
        return "float32" if others == {"float16"} else (others.pop() if others else "bfloat16")
    return str(np.result_type(*known))


Operator = Callable[[Any, Any], Any]


def _operator(sign: str, floating: bool = False) -> tuple[Operator, Operator]:
    """Return the methods behind ``a sign b``: where this value stands left, and where it stands right."""

    def left(self: Any, other: Any) -> Any:
        return elementwise(sign, self, other, floating=floating)

    def right(self: Any, other: Any) -> Any:
        return elementwise(sign, other, self, floating=floating)

    return left, right


def _compared(sign: str, a: Any, b: Any) -> TensorSpec:
    return elementwise(sign, a, b).astype("bool")


def _comparison(sign: str) -> Operator:
    return lambda self, other: _compared(sign, self, other)


class Operators:
    """Python's operators, index and comparisons, answered with shapes."""

    # NumPy's operators give way to ours, so that array + TensorSpec is a TensorSpec.
    __array_ufunc__ = None

    def spec(self) -> TensorSpec:
        """Return this value's shape and data type."""
        raise NotImplementedError

    def __getitem__(self, index: Any) -> Any:
        return index_spec(self.spec(), index)

    def __eq__(self, other: object) -> Any:
        return _compared("==", self, other) if tracing() else NotImplemented

    def __ne__(self, other: object) -> Any:
        return _compared("!=", self, other) if tracing() else NotImplemented

    __hash__ = object.__hash__

    def __matmul__(self, other: Any) -> Any:
        return matmul_spec(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul_spec(other, self)

    def __neg__(self) -> Any:
        return self.spec()

    __abs__ = __pos__ = __invert__ = __neg__

    # An error names the operator that was written, so each has a function of its own.
    __add__, __radd__ = _operator("+")
    __sub__, __rsub__ = _operator("-")
    __mul__, __rmul__ = _operator("*")
    __truediv__, __rtruediv__ = _operator("/", floating=True)
    __floordiv__, __rfloordiv__ = _operator("//")
    __mod__, __rmod__ = _operator("%")
    __pow__, __rpow__ = _operator("**")
    __and__, __rand__ = _operator("&")
    __or__, __ror__ = _operator("|")
    __xor__, __rxor__ = _operator("^")
    __lt__, __le__, __gt__, __ge__ = map(_comparison, ("<", "<=", ">", ">="))


class TensorSpec(Operators):
    """A shape and a data type in place of a tensor.

    Args:
        shape: Sizes. In `infer`, None stands for a size that is left open.
        dtype: Its name, or None where any fits.

    >>> net = nn.Dense(4)
    >>> net.infer(TensorSpec((None, 3), "float32"))
    TensorSpec((n, 4), float32)
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Iterable[Size | None], dtype: str | None = None) -> None:
        self.shape: tuple[Any, ...] = tuple(map(_plain, shape))
        self.dtype = None if dtype is None else dtype_name(dtype, "TensorSpec")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def spec(self) -> TensorSpec:
        return self

    def astype(self, dtype: str | None) -> TensorSpec:
        """Return the same shape with another data type."""
        return TensorSpec(self.shape, dtype)

    def with_shape(self, shape: Iterable[Size]) -> TensorSpec:
        """Return the same data type with another shape."""
        spec = TensorSpec.__new__(TensorSpec)
        spec.shape, spec.dtype = tuple(map(_plain, shape)), self.dtype
        return spec

    def __repr__(self) -> str:
        return f"TensorSpec({format_shape(self.shape)}" + (f", {self.dtype})" if self.dtype else ")")

    def __eq__(self, other: object) -> Any:
        if isinstance(other, TensorSpec) and not tracing():
            return self.shape == other.shape and self.dtype == other.dtype
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __len__(self) -> int:
        return self._length("len")

    def _no_values(self, wanted: str) -> ForwardError:
        return ForwardError(
            f"forward asked {self} for {wanted}, but sizes are inferred without values.\n"
            "  Write the choice with isomorph.ops.where, or decide it from shapes."
        )

    def __bool__(self) -> bool:
        raise self._no_values("a truth value")

    def __float__(self) -> float:
        raise self._no_values("a number")

    def __int__(self) -> int:
        raise self._no_values("a number")

    def __iter__(self) -> Any:
        return (self[i] for i in range(self._length("iter")))

    def _length(self, what: str) -> int:
        size = self.shape[0] if self.shape else None
        if size is None or (isinstance(size, Dim) and size.value() is None):
            raise ForwardError(f"the length of {self} is not known; use ops.shape(x)[0].")
        return int(size.ask(what, int)) if isinstance(size, Dim) else int(size)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no_values("an array")

    def __getattr__(self, name: str) -> Any:
        if name[:2] == "__":  # Python's own protocols, such as copying, ask for what is not there
            raise AttributeError(name)
        raise ForwardError(
            f"forward used .{name} of its tensor, which not every framework has "
            f"(sizes are inferred with {self}).\n"
            "  Use the function of that name in isomorph.ops, an operator, .shape or .ndim."
        )


def as_spec(value: Any) -> TensorSpec:
    """Return the spec of anything a `forward` computes with."""
    if isinstance(value, Operators):
        return value.spec()
    if isinstance(value, (bool, int, float)):
        return TensorSpec((), "bool" if isinstance(value, bool) else "int64")
    if isinstance(value, (np.ndarray, np.generic)):
        return TensorSpec(value.shape, value.dtype.name)
    raise ForwardError(
        f"forward combined a tensor with a {type(value).__name__}, which has no known shape.\n"
        "  Use tensors, numbers, NumPy arrays and isomorph.ops."
    )


def elementwise(name: str, *operands: Any, floating: bool = False) -> TensorSpec:
    """Return the spec of an elementwise operation: shapes broadcast, types promote."""
    specs = [as_spec(operand) for operand in operands]
    try:
        shape = broadcast(*(spec.shape for spec in specs))
    except ValueError:
        shapes = " and ".join(format_shape(spec.shape) for spec in specs)
        raise ForwardError(f"the shapes {shapes} do not broadcast in {name}.") from None
    tensors = [s.dtype for s, v in zip(specs, operands) if not isinstance(v, (bool, int, float))]
    dtype = promote(*tensors) if tensors else "float32"
    _require_held(name, dtype, operands)
    is_float = floating or any(isinstance(value, float) for value in operands)
    if dtype == "bool" and any(isinstance(v, int) and not isinstance(v, bool) for v in operands):
        dtype = "int64"
    return TensorSpec(shape, "float32" if is_float and dtype not in (*FLOATS, None) else dtype)


def _require_held(name: str, dtype: str | None, operands: tuple[Any, ...]) -> None:
    """Raise for a whole number that the tensor's type, which it would take, can't hold."""
    if dtype in (None, "bool", *FLOATS) or any(isinstance(value, float) for value in operands):
        return
    held = np.iinfo(str(dtype))
    for value in operands:
        if isinstance(value, int) and not held.min <= value <= held.max:
            raise ForwardError(
                f"{value} beside a tensor of {dtype} in {name}: that type holds {held.min} to {held.max}.\n"
                "  Convert the tensor first, with isomorph.ops.astype."
            )


def matmul_spec(left: Any, right: Any) -> TensorSpec:
    """Return the spec of a matrix product over the last two axes."""
    a, b = as_spec(left), as_spec(right)
    rows = a.shape if a.ndim > 1 else (1, *a.shape)
    columns = b.shape if b.ndim > 1 else (*b.shape, 1)
    fits = (
        a.ndim
        and b.ndim
        and (rows[-1] == columns[-2] or isinstance(rows[-1], Dim) or isinstance(columns[-2], Dim))
    )
    if not fits:
        raise ForwardError(
            f"matmul of {format_shape(a.shape)} and {format_shape(b.shape)}: inner sizes differ."
        )
    batch = broadcast(rows[:-2], columns[:-2])
    shape = (*batch, *(rows[-2:-1] if a.ndim > 1 else ()), *(columns[-1:] if b.ndim > 1 else ()))
    return TensorSpec(shape, promote(a.dtype, b.dtype))


def index_spec(x: TensorSpec, index: Any) -> TensorSpec:
    """Return the spec of ``x[index]`` for integers, slices, None and Ellipsis."""
    keys = list(index) if isinstance(index, tuple) else [index]
    used = sum(key is not None and key is not Ellipsis for key in keys)
    if used > x.ndim:
        raise ForwardError(f"too many indices for the shape {format_shape(x.shape)}: {used}.")
    at = next((i for i, key in enumerate(keys) if key is Ellipsis), len(keys))
    keys[at : at + 1] = [slice(None)] * (x.ndim - used)
    sizes = iter(x.shape)
    shape: list[Size] = []
    for key in keys:
        if key is None:
            shape.append(1)
            continue
        size = next(sizes)
        if isinstance(key, slice):
            shape.append(_sliced(size, key))
        elif isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if isinstance(size, int) and not -size <= key < size:
                raise ForwardError(f"index {key} is out of range for the shape {format_shape(x.shape)}.")
        else:
            raise ForwardError(f"a {type(key).__name__} as index is not supported in forward; use ops.where.")
    return x.with_shape(shape)


def _plain(size: Any) -> Any:
    """Return NumPy's integers as Python's; anything else as it is."""
    return int(size) if isinstance(size, np.integer) else size


def _sliced(size: Size, key: slice) -> Size:
    if key == slice(None):
        return size
    if key.step is None and (isinstance(key.start, Dim) or isinstance(key.stop, Dim)):
        for bound in (key.start, key.stop):
            if isinstance(bound, Dim) and bound.value() is not None:
                bound.ask("size", int)  # a framework that leaves the size open has None there
        stop: Size = size if key.stop is None else key.stop
        return stop if key.start is None else stop - key.start
    if isinstance(size, int):
        return len(range(*key.indices(size)))
    start: int = key.start or 0
    end: int | None = key.stop
    if key.step in (None, 1) and start >= 0 and end is None:
        return size - start
    if key.step in (None, 1) and start >= 0 and end is not None and end < 0:
        return size + end - start
    if key.step in (None, 1) and start < 0 and end is None:
        return -start
    return Dim.symbol(f"len({size}[{start}:{end}])")


def input_specs(inputs: Iterable[Any]) -> list[Any]:
    """Return specs for what a user gave `infer`: shapes, arrays, specs, and containers of them.

    None sizes become symbols: the first axis of every input is the batch ``n``; other open sizes get a
    name of their own.
    """
    count = itertools.count()
    return [_nested_spec(count, given) for given in inputs]


def _nested_spec(count: Iterator[int], given: Any) -> Any:
    parts = None if _is_shape(given) or isinstance(given, TensorSpec) else parts_of(given)
    if parts is None:
        return _input_spec(next(count), given)
    leaves, structure = flatten(given, lambda each: _is_shape(each) or parts_of(each) is None)
    return unflatten(structure, [_input_spec(next(count), leaf) for leaf in leaves])


def _is_shape(given: Any) -> bool:
    """Return whether a value is written as a shape: a tuple or list with nothing nested in it."""
    return type(given) in (tuple, list) and not any(
        parts_of(each) is not None or is_array(each) for each in given
    )


def _input_spec(position: int, given: Any) -> Any:
    if isinstance(given, TensorSpec):
        shape, dtype = given.shape, given.dtype
    elif isinstance(given, (tuple, list)):
        shape, dtype = tuple(given), None
    elif hasattr(given, "shape") and hasattr(given, "dtype"):
        shape, dtype = tuple(int(size) for size in given.shape), dtype_name(given.dtype)
        if isinstance(given, np.ndarray) and dtype in FLOATS:
            dtype = None  # converted to the net's own type when it is called
    elif given is None or isinstance(given, (bool, int, float, str, types.FunctionType)):
        return given
    else:
        raise InvalidArgumentError.of(
            "infer", f"input {position}", "a shape such as (None, 20), an array or a TensorSpec", given
        )
    letters = "nchw" if len(shape) == 4 else "n"
    sizes: list[Size] = []
    for axis, size in enumerate(shape):
        if size is None:
            name = letters[axis] if axis < len(letters) else f"d{axis}"
            sizes.append(Dim.symbol(name if not position or not axis else f"{name}{position}"))
        elif isinstance(size, Dim):
            sizes.append(size)
        elif isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
            raise InvalidArgumentError.of(
                "infer", f"input {position}", "a shape of non-negative integers or None", tuple(shape)
            )
        else:
            sizes.append(int(size))
    return TensorSpec(sizes, dtype)

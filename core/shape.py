"""Shapes with unknown dimensions, and sizes known only as a formula."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from .errors import ForwardError, InvalidArgumentError
from .tracing import current

Monomial = tuple[object, ...]


class Dim:
    """A size known as a formula over named sizes, such as ``n`` or ``(h + 1)//2``.

    Sums and products of symbols are kept in a normal form, so equal polynomials compare
    equal. Floor division stays exact: ``(2*n)//2`` is ``n``.

    >>> h = Dim.symbol("h")
    >>> (h + 2 * 1 - 3) // 1 + 1
    h
    >>> (h + 2 * 1 - 3) // 2 + 1
    (h - 1)//2 + 1
    """

    __slots__ = ("_terms",)

    def __init__(self, terms: dict[Monomial, int]) -> None:
        self._terms = terms

    @classmethod
    def symbol(cls, name: str, value: int | None = None) -> Dim:
        """Return the size that goes by this name; with a value, it can answer questions."""
        return cls({(name if value is None else _Known(name, value),): 1})

    def value(self) -> int | None:
        """Return the number it stands for; None if a size in it was left open."""
        total = 0
        for key, factor in self._terms.items():
            sizes = [getattr(name, "value", None) for name in key]
            if None in sizes:
                return None
            total += factor * math.prod(sizes)  # type: ignore[arg-type]
        return total

    def __add__(self, other: Size) -> Size:
        return _collect([*self._terms.items(), *_terms(other).items()])

    def __neg__(self) -> Size:
        return _collect((key, -factor) for key, factor in self._terms.items())

    def __sub__(self, other: Size) -> Size:
        return self + -other

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        return _collect(
            (tuple(sorted(left + right, key=str)), first * second)
            for left, first in self._terms.items()
            for right, second in _terms(other).items()
        )

    def __floordiv__(self, other: Size) -> Size:
        if not isinstance(other, int):
            return self._divided(other)
        whole = {key: f // other for key, f in self._terms.items() if f % other == 0}
        rest = {key: f for key, f in self._terms.items() if f % other}
        if () in rest:
            whole[()] = whole.get((), 0) + rest[()] // other if len(rest) == 1 else whole.get((), 0)
        if not rest or set(rest) == {()}:
            return _collect(whole.items())
        (first, *others) = rest
        if not others and rest[first] == 1 and isinstance(first[0], _Quotient) and len(first) == 1:
            nested = first[0]
            if isinstance(nested.divisor, int):
                return _collect(whole.items()) + nested.dividend // (nested.divisor * other)
        return _collect([*whole.items(), ((_Quotient(Dim(rest), other),), 1)])

    def _divided(self, other: Dim) -> Size:
        """Divide by a formula: exactly where one product divides every term."""
        if len(other._terms) == 1:
            ((names, divisor),) = other._terms.items()
            reduced = {key: _without(key, names) for key in self._terms}
            if all(key is not None for key in reduced.values()):
                return _collect((reduced[key] or (), f) for key, f in self._terms.items()) // divisor
        return 1 if self == other else _collect([((_Quotient(self, other),), 1)])

    def ask(self, what: str, operation: Callable[..., Any], *others: Any) -> Any:
        """Answer a question that Python asks, and let the pass under way know of it.

        Raises `ForwardError` where the size was left open.
        """
        sizes = [other.value() if isinstance(other, Dim) else other for other in (self, *others)]
        if None in sizes:
            raise ForwardError(
                f"forward asked whether or how large {self} is, but that size was left open.\n"
                "  Give it a number in infer, or write the choice with ops.where."
            )
        trace = current()
        if trace is not None:
            trace.asks.add(what)
        return operation(*sizes)

    def __lt__(self, other: Any) -> Any:
        return self.ask("size", operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self.ask("size", operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self.ask("size", operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self.ask("size", operator.ge, other)

    def __mod__(self, other: Any) -> Any:
        return self.ask("size", operator.mod, other)

    def __pow__(self, other: Any) -> Any:
        return self.ask("size", operator.pow, other)

    def __truediv__(self, other: Any) -> Any:
        return self.ask("size", operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.ask("size", lambda size, number: number / size, other)

    def __index__(self) -> int:
        return self.ask("size", operator.index)  # type: ignore[no-any-return]

    __int__ = __index__

    def __float__(self) -> float:
        return self.ask("size", float)  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        return self.ask("size", bool)  # type: ignore[no-any-return]

    def __rfloordiv__(self, other: int) -> Size:
        return Dim.symbol(f"({other}//({self}))")

    __radd__ = __add__
    __rmul__ = __mul__

    # Our own rules compare formulas; what a user's forward compares is a question about the size.

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Dim) and self._terms == other._terms
        if same or _asked_by_us() or self.value() is None:
            return same
        return bool(self.ask("size", operator.eq, other))

    def __ne__(self, other: object) -> bool:
        same = isinstance(other, Dim) and self._terms == other._terms
        if same or _asked_by_us() or self.value() is None:
            return not same
        return bool(self.ask("size", operator.ne, other))

    def __hash__(self) -> int:
        if _asked_by_us() or self.value() is None:
            return hash(frozenset(self._terms.items()))
        return self.ask("size", hash)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return repr(self) if _asked_by_us() or self.value() is None else self.ask("size", str)

    def __format__(self, form: str) -> str:
        if _asked_by_us() or self.value() is None:
            return format(repr(self), form)
        return self.ask("size", lambda size: format(size, form))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        text = ""
        for key, factor in sorted(self._terms.items(), key=lambda item: (not item[0], str(item[0]))):
            size = abs(factor)
            alone = len(key) == 1 and size == 1 and (factor > 0 or bool(text))
            names = "*".join(f"({k})" if isinstance(k, _Quotient) and not alone else str(k) for k in key)
            part = names if size == 1 and names else f"{size}*{names}" if names else str(size)
            sign = "-" if factor < 0 else "+"
            text += f" {sign} {part}" if text else (f"-{part}" if factor < 0 else part)
        return text


def _asked_by_us() -> bool:
    """Return whether the code that used an operator of `Dim` is Isomorph's own."""
    name = str(sys._getframe(2).f_globals.get("__name__", ""))
    # The suite writes forwards as users do.
    return name.startswith("isomorph.") and not name.startswith("isomorph.conformance.")


class _Known(str):
    """A name of a size whose value is known, though formulas keep it open."""

    value: int

    def __new__(cls, name: str, value: int) -> _Known:
        known = super().__new__(cls, name)
        known.value = value
        return known


class _Quotient:
    """The floor of one size divided by another, kept whole inside a formula."""

    def __init__(self, dividend: Dim, divisor: Size) -> None:
        self.dividend, self.divisor = dividend, divisor

    @property
    def value(self) -> int | None:
        """The number it stands for, None if a size in it was left open."""
        divisor = self.divisor.value() if isinstance(self.divisor, Dim) else self.divisor
        dividend = self.dividend.value()
        return None if dividend is None or divisor is None else dividend // divisor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Quotient) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        text = str(self.dividend)
        return f"({text})//{self.divisor}" if " " in text or "//" in text else f"{text}//{self.divisor}"


def _without(key: Monomial, names: Monomial) -> Monomial | None:
    """Return a product with some of its factors taken out, None if it lacks one."""
    rest = list(key)
    for name in names:
        if name not in rest:
            return None
        rest.remove(name)
    return tuple(rest)


Size = int | Dim


def _terms(size: Size) -> dict[Monomial, int]:
    return size._terms if isinstance(size, Dim) else {(): size}


def _collect(terms: Iterable[tuple[Monomial, int]]) -> Size:
    total: dict[Monomial, int] = {}
    for key, factor in terms:
        total[key] = total.get(key, 0) + factor
    total = {key: factor for key, factor in total.items() if factor}
    if not total:
        return 0
    return total[()] if set(total) == {()} else Dim(total)


class Shape(tuple[int | None, ...]):
    """A parameter's shape; a dimension not known yet is ``None``, printed as ``?``.

    >>> shape = Shape((256, None))
    >>> shape.is_known, str(shape)
    (False, '(256, ?)')
    """

    __slots__ = ()

    @property
    def is_known(self) -> bool:
        """Whether every dimension is known."""
        return None not in self

    @property
    def size(self) -> int:
        """The number of elements; raises `TypeError` while a dimension is unknown."""
        return math.prod(self.known())

    def known(self) -> tuple[int, ...]:
        """Return the shape as plain integers; raises `TypeError` while one is unknown."""
        sizes = tuple(size for size in self if size is not None)
        if len(sizes) != len(self):
            raise TypeError(f"the shape {self} is not fully known")
        return sizes

    def __str__(self) -> str:
        return format_shape(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def format_shape(shape: Iterable[object]) -> str:
    """Return a shape as text, ``?`` for what is unknown: ``(256, ?)``."""
    sizes = ["?" if size is None else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def parameter_shape(where: str, sizes: object) -> Shape:
    """Return a checked `Shape` from what a user wrote: an integer or a tuple of them and None."""
    given = (sizes,) if sizes is None or isinstance(sizes, SupportsIndex) else sizes
    if not isinstance(given, Iterable):
        raise InvalidArgumentError.of(where, "shape", "a tuple of positive integers or None", sizes)
    checked: list[int | None] = []
    for size in given:
        if size is not None and (
            isinstance(size, bool) or not isinstance(size, SupportsIndex) or int(size) < 1
        ):
            raise InvalidArgumentError.of(
                where, "shape", "a tuple of positive integers or None", sizes, "None stands for unknown."
            )
        checked.append(None if size is None else int(size))
    return Shape(checked)


def unknown_to_none(shape: Iterable[Size | None]) -> Shape:
    """Return the shape with every formula replaced by None."""
    return Shape(None if size is None or isinstance(size, Dim) else operator.index(size) for size in shape)


def broadcast(*shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """Return the shape that shapes broadcast to by NumPy's rule; raises `ValueError`."""
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(_broadcast_sizes(sizes) for sizes in zip(*padded))


def _broadcast_sizes(sizes: tuple[Size, ...]) -> Size:
    wide = [size for size in sizes if size != 1]
    known = {size for size in wide if isinstance(size, int)}
    if len(known) > 1:
        raise ValueError(f"sizes {' and '.join(map(str, sizes))} do not broadcast")
    return known.pop() if known else (wide[0] if wide else 1)


def product(sizes: Iterable[Size]) -> Size:
    """Return the product of sizes, a formula where one of them is."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return (before, after) of ``padding="same"``: the TensorFlow rule, extra at the end."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2

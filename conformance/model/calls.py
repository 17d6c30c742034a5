"""Shapes and numbers through a whole net: the layers' rules and formulas, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph.conformance.data import operand
from isomorph.conformance.layers import RECORDS

from . import formulas, functions, rules
from .nested import tensors
from .program import Program, Refused
from .tree import UNKNOWN, Net, Node, Parameter, Spec, Unknown

Input = tuple[tuple[int | None, ...], str | None]
Sizes = dict[Parameter, tuple[int | None, ...]]


def trace(net: Net, node: Node, inputs: list[Any], named: dict[str, Any] | None = None) -> tuple[Any, Sizes]:
    """Return the output's shapes and types, and the sizes that parameters take; nothing changes."""
    given = (*inputs, *(named or {}).values())
    if any(0 in shape[1:] for each in given for shape, _ in tensors(each)):
        raise Refused("ShapeMismatchError", path=net.label(node))
    tracer = _Tracer(net)
    return tracer.output(node, inputs, named), tracer.sizes


def double(values: Any) -> Any:
    """Return floating arrays in double precision."""
    if not isinstance(values, np.ndarray) or values.dtype.kind in "iub":
        return values
    return values.astype("float64")


def is_other_float(values: Any, dtype: str) -> bool:
    """Whether these are floating-point numbers of another type."""
    return isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.dtype.name != dtype


def shape_and_type(values: Any, net: Net) -> tuple[tuple[int, ...], str] | Any:
    """Return an input's shape and type; floating NumPy arrays take the net's type."""
    if not isinstance(values, np.ndarray):
        return values
    if values.dtype.kind not in "fiub" and values.dtype.name != "bfloat16":
        raise Refused("DTypeMismatchError", path=net.label(net.root))
    floating = values.dtype.kind == "f" or values.dtype.name == "bfloat16"
    return values.shape, net.dtype if floating else values.dtype.name


class _Tracer(Program):
    """Shapes and types."""

    def __init__(self, net: Net) -> None:
        super().__init__(net)
        self.sizes: Sizes = {}

    def fill(self, node: Node, inputs: dict[str, Any]) -> None:
        """Fill unknown sizes as the module's build says; it is asked while one is unknown."""
        sizes = node.options.get("build", {})
        if all(None not in self._shape(each) for each in node.parameters.values()):
            return
        for name, wanted in sizes.items():
            parameter = node.parameters[name]
            shape = tuple(_size(each, inputs) for each in wanted)
            known = self._shape(parameter)
            if any(old not in (None, new) for old, new in zip(known, shape)):
                raise Refused("ShapeMismatchError", path=self.net.paths()[id(parameter)])
            self.sizes[parameter] = shape

    def _shape(self, parameter: Parameter) -> tuple[int | None, ...]:
        return self.sizes.get(parameter, parameter.shape)

    def layer(self, node: Node, x: Any) -> Any:
        """Return a layer's shape and type by its rule."""
        shape, dtype = x
        known = {name: self._shape(parameter) for name, parameter in node.parameters.items()}
        spec = {"kind": node.kind, **node.options}
        try:
            seen = rules.infer(spec, shape, dtype, known, node.training, self.net.data_format, self.net.dtype)
        except rules.Refusal as refusal:
            raise Refused(
                refusal.kind,
                path=self.net.label(node),
                expected=refusal.expected,
                received=refusal.received,
            ) from refusal
        for name, parameter in node.parameters.items():
            if seen.parameters[name] != parameter.shape:
                self.sizes[parameter] = seen.parameters[name]
        return seen.shape, seen.dtype

    def parameter(self, parameter: Parameter) -> Any:
        """Return a parameter's shape and type; before its sizes are known it can't be read."""
        shape = self._shape(parameter)
        if None in shape:
            path = self.net.paths()[id(parameter)]
            raise Refused("DeferredInitializationError", path=path, shape=list(shape))
        return shape, self.net.dtype

    def sizes_of(self, value: Any) -> tuple[int, ...]:
        """Return a tensor's sizes."""
        sizes: tuple[int, ...] = value[0]
        return sizes

    def rows(self, value: Any) -> list[Any]:
        """Return the shapes and types of a tensor's rows."""
        (count, *rest), dtype = value
        return [(tuple(rest), dtype)] * count

    def update(self, parameter: Parameter, value: Any) -> None:
        """Refuse values of another shape."""
        if tuple(value[0]) != self._shape(parameter):
            raise Refused("ShapeMismatchError", path=self.net.paths()[id(parameter)])

    def function_of(self, name: str, given: list[Any], options: Spec) -> Any:
        """Return a function's shape and type, by computing it on ones."""
        flat = [one for each in given for one in (each if isinstance(each, list) else [each])]
        dtypes = [each[1] if isinstance(each, tuple) else type(each) for each in flat]
        dtypes = [each for each in dtypes if each is not str]
        is_open = any(isinstance(each, tuple) and None in each[0] for each in flat)
        try:
            # What follows a size that is open is open too.
            output, *other = [
                compute(name, [_ones(each, size) for each in given], options)
                for size in (_OPEN if is_open else _OPEN[:1])
            ]
        except ValueError as error:
            raise Refused("ForwardError", path=self.net.label(self.at)) from error
        # A shape alone says nothing of a type.
        dtype = None if None in dtypes else functions.result_dtype(name, dtypes, options)
        again = other[0] if other else output
        if isinstance(output, list):
            return [(_common(one, two), dtype) for one, two in zip(output, again)]
        return _common(output, again), dtype


# Two sizes that a net's own are not.
_OPEN = (97, 89)


def _common(one: Any, two: Any) -> tuple[int | None, ...]:
    """Return the sizes that two arrays have in common, None where they differ."""
    return tuple(size if size == other else None for size, other in zip(np.shape(one), np.shape(two)))


def _ones(value: Any, size: int) -> Any:
    if isinstance(value, list):
        return [_ones(each, size) for each in value]
    return np.ones([size if n is None else n for n in value[0]]) if isinstance(value, tuple) else value


def _size(size: Any, inputs: dict[str, Any]) -> Any:
    """Return a size, read off an input where it is written as ``"x.-1"``."""
    if not isinstance(size, str):
        return size
    name, _, axis = size.rpartition(".")
    return inputs[name][0][int(axis)]


def compute(name: str, given: list[Any], options: Spec) -> Any:
    """Return what a function of the step language gives for arrays, in double precision."""
    if given and isinstance(given[0], list):
        given = given[0]
    if name == "einsum" and isinstance(given[0], str):
        given, options = given[1:], {"equation": given[0]}
    settings = {key: tuple(each) if isinstance(each, list) else each for key, each in options.items()}
    return functions.FUNCTIONS[name](*given, **settings)


@dataclass
class Gradients:
    """Gradients by parameter, and how many terms the sums behind them have."""

    values: dict[int, Any]
    terms: int


class Forward(Program):
    """Numbers, in double precision."""

    # Of central differences.
    step = 1e-5

    def __init__(self, net: Net, values: dict[Parameter, Any] | None = None) -> None:
        super().__init__(net)
        self.values = values or {}
        self.updates: dict[Parameter, Any] = {}
        self.terms = 1
        self.scale = 0.0

    def parameter(self, parameter: Parameter) -> Any:
        """Return a parameter's values, with what the call has changed so far."""
        found = self.updates.get(parameter, self.values.get(parameter, parameter.value))
        return found if isinstance(found, Unknown) else np.asarray(found, "float64")

    def sizes_of(self, value: Any) -> tuple[int, ...]:
        """Return a tensor's sizes."""
        return np.shape(value)

    def rows(self, value: Any) -> list[Any]:
        """Return a tensor's rows."""
        return list(value)

    def update(self, parameter: Parameter, value: Any) -> None:
        """Replace a buffer's values: later reads see them."""
        self.updates[parameter] = value

    def layer(self, node: Node, x: Any) -> Any:
        """Return a layer's output by its formula."""
        values = {name: self.parameter(parameter) for name, parameter in node.parameters.items()}
        if isinstance(x, Unknown) or any(isinstance(each, Unknown) for each in values.values()):
            if node.training:
                self.updates |= {p: UNKNOWN for p in node.parameters.values() if not p.trainable}
            return UNKNOWN
        spec = {"kind": node.kind, **node.options}
        try:
            done = formulas.forward(spec, values, x, node.training, self.net.data_format)
        except rules.Refusal as refusal:
            # A framework that fails does not say in which layer.
            raise Refused(refusal.kind, path=self.net.label(self.called or node)) from refusal
        for name, value in done.updates.items():
            self.updates[node.parameters[name]] = value
        self.terms = max(self.terms, done.reduced)
        weight = _greatest(values["weight"]) if "weight" in values else 1.0
        # Indices are no magnitudes.
        met = weight * (1.0 if RECORDS[node.kind].takes_indices else _greatest(x))
        self.scale = max(self.scale, met, 0.0 if done.y is None else _greatest(done.y))
        return UNKNOWN if done.y is None else done.y

    def function_of(self, name: str, given: list[Any], options: Spec) -> Any:
        """Return a function's output."""
        flat = [one for each in given for one in (each if isinstance(each, list) else [each])]
        if any(isinstance(each, Unknown) for each in flat):
            return UNKNOWN
        self.terms = max(self.terms, *(np.shape(each)[-1] for each in flat if np.ndim(each)), 1)
        return compute(name, given, options)

    def gradients(self, inputs: list[Any], loss: str) -> Gradients:
        """Return the loss's derivative by each learned element, by central differences."""
        found: dict[int, Any] = {}
        state = self.net.state().values()
        learned = [each for each in state if each.trainable and not each.is_frozen]
        terms = 1
        for parameter in learned:
            if isinstance(parameter.value, Unknown):
                found[id(parameter)] = UNKNOWN
                continue
            values = np.asarray(parameter.value, "float64")
            slope = np.zeros_like(values)
            for index in np.ndindex(*values.shape):
                ends = []
                for step in (self.step, -self.step):
                    moved = values.copy()
                    moved[index] += step
                    forward = type(self)(self.net, {parameter: moved})
                    output = forward.output(self.net.root, inputs)
                    ends.append(_LOSSES[loss](output))
                    terms = max(terms, forward.terms * output.size)
                slope[index] = (ends[0] - ends[1]) / (2 * self.step)
            found[id(parameter)] = slope
        self.scale = max([self.scale, *(_greatest(each) for each in found.values() if each is not UNKNOWN)])
        return Gradients(found, terms)


def _greatest(values: Any) -> float:
    finite = np.abs(np.asarray(values, "float64"))
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size else 0.0


_LOSSES: dict[str, Any] = {
    "sum": lambda y: y.sum(),
    "half-square-sum": lambda y: 0.5 * (y * y).sum(),
    "mean-cube": lambda y: (y**3).mean(),
}


def single_function(name: str, specs: list[Any], options: Spec) -> dict[str, Any]:
    """Return what one function of `isomorph.ops` must give for arrays made from data."""
    arrays = [operand(each) for each in specs]
    dtypes = [each.dtype.name if isinstance(each, np.ndarray) else type(each) for each in arrays]
    given = [each.astype("float64") if _is_floating(each) else each for each in arrays]
    output = compute(name, given, options)
    outputs = output if isinstance(output, list) else [output]
    dtype = functions.result_dtype(name, dtypes, options) or "int64"
    return {
        "owned": True,
        "output": [np.asarray(each) for each in outputs],
        "shapes": [list(np.shape(each)) for each in outputs],
        "dtypes": [dtype] * len(outputs),
    }


def _is_floating(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "f"

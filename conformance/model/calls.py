"""Shapes and numbers through a whole net: the layers' rules and formulas, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph.conformance.data import operand
from isomorph.conformance.layers import RECORDS

from . import formulas, functions, rules
from .nested import is_plain, read, tensors
from .tree import UNKNOWN, Net, Node, Parameter, Spec, Unknown, node_at

Input = tuple[tuple[int | None, ...], str | None]
Sizes = dict[Parameter, tuple[int | None, ...]]


# In which mode a line of a program is followed.
MODES: dict[str | None, bool] = {"training": True, "evaluating": False}
_BY_TYPE = {"NoneType": 0.5, "bool": 2.0, "int": 3.0, "float": 5.0, "str": 7.0}
# What a forward may ask in plain Python; a tensor is its sizes here.
PYTHON: dict[str, Callable[..., Any]] = {
    "size": lambda sizes: sizes[0],
    "len": lambda sizes: sizes[0],
    "equals": lambda size, other: 3.0 if size == other else 0.25,
    "among": lambda size: 1.5 if size in (2, 7) else -0.5,
    "lookup": lambda size: {2: 1.5, 3: -2.5}.get(size, 0.75),
    "kind": lambda value: _BY_TYPE[type(value).__name__],
}


class Refused(Exception):  # noqa: N818 - what the spec asks for, not a fault of this program
    """The spec asks for an error here: its class and the facts it must carry."""

    def __init__(self, kind: str, **facts: Any) -> None:
        super().__init__(kind, facts)
        self.facts = {"type": kind, **{name: value for name, value in facts.items() if value is not None}}


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


class _Program:
    """What shapes and numbers share: containers and programs are followed in the same way."""

    def __init__(self, net: Net) -> None:
        self.net, self.at = net, net.root

    def output(self, node: Node, inputs: list[Any], named: dict[str, Any] | None = None) -> Any:
        """Return a node's output."""
        if node.kind == "Graph":
            return self._graph(node, inputs, named or {})
        if not inputs and "x" not in (named or {}):
            raise Refused("ForwardError", path=self.net.label(node))
        value = inputs[0] if inputs else (named or {})["x"]
        if node.kind == "Sequential":
            for child in node.children.values():
                value = self.output(child, [value])
            return value
        return self.layer(node, value)

    def _graph(self, node: Node, inputs: list[Any], named: dict[str, Any]) -> Any:
        names = node.options.get("inputs", ["x"])
        values = {**dict(zip(names, inputs)), **named}
        self.fill(node, dict(values))
        for result, callee, arguments, *rest in node.options["program"]:
            options, more = [*rest, {}, {}][:2]
            if node.training is MODES.get(more.get("when"), node.training):
                given = [self._argument(node, each, values) for each in arguments]
                by_name = {
                    name: self._argument(node, each, values) for name, each in more.get("named", {}).items()
                }
                self.at = node
                values[result] = self._called(node, callee, given, options, by_name)
        output = node.options["output"]
        output = {"tuple": output} if isinstance(output, list) else output
        return read(output, lambda each: self._argument(node, each, values))

    def _called(self, node: Node, callee: str, given: list[Any], options: Spec, named: dict[str, Any]) -> Any:
        """Return what a line's callee gives."""
        home, _, name = callee.partition(".")
        if home in ("ops", "operator"):
            return self.function_of(callee.removeprefix("ops."), given, options)
        if home == "python":
            return self.rows(given[0]) if name == "rows" else PYTHON[name](*map(self._seen, given))
        if home == "assign":
            raise Refused("StructureError", path=self.net.label(node))
        if home == "hidden":
            raise Refused("StructureError", path=node.options["hidden"]["spec"]["kind"])
        if home == "self":
            path = name.removesuffix(".update").replace(":", "")
            return self.update(self._held(node, path), given[0])
        return self.output(node_at(node, callee), given, named)

    def _argument(self, node: Node, argument: Any, values: dict[str, Any]) -> Any:
        if isinstance(argument, list):
            return [self._argument(node, each, values) for each in argument]
        if not isinstance(argument, str):
            return argument
        if argument.startswith("="):
            return argument[1:]
        name, *path = (each.removeprefix(":") for each in argument.split("."))
        if name == "self":
            return self._own(node, path)
        found: Any = values.get(name)
        for each in path:
            found = found.items[each]
        return found

    def _own(self, node: Node, path: list[str]) -> Any:
        """Return what a forward reads of its module: the mode, an attribute, or a parameter."""
        if path == ["training"]:
            return node.training
        found = node.options.get("attributes", {})
        if path[0] not in found:
            return self.parameter(self._held(node, ".".join(path)))
        for each in path:
            found = found[int(each) if isinstance(found, list) else each]
        return found

    def _held(self, node: Node, path: str) -> Parameter:
        """Return a parameter of a node or of its children."""
        holder, _, name = path.rpartition(".")
        return node_at(node, holder).parameters[name]

    def _seen(self, value: Any) -> Any:
        """Return what Python sees of a value: of a tensor its sizes."""
        return value if is_plain(value) else self.sizes_of(value)

    def sizes_of(self, value: Any) -> tuple[int, ...]:
        """Return a tensor's sizes."""
        raise NotImplementedError

    def rows(self, value: Any) -> list[Any]:
        """Return a tensor's rows."""
        raise NotImplementedError

    def update(self, parameter: Parameter, value: Any) -> None:
        """Replace a buffer's values."""
        raise NotImplementedError

    def fill(self, node: Node, inputs: dict[str, Any]) -> None:
        """Fill unknown sizes of a node's own parameters."""

    def layer(self, node: Node, x: Any) -> Any:
        """Return a layer's output."""
        raise NotImplementedError

    def parameter(self, parameter: Parameter) -> Any:
        """Return a parameter where a program names it."""
        raise NotImplementedError

    def function_of(self, name: str, given: list[Any], options: Spec) -> Any:
        """Return a function's output."""
        raise NotImplementedError


class _Tracer(_Program):
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
        """Return a parameter's shape and type."""
        return self._shape(parameter), self.net.dtype

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

        def ones(each: Any) -> Any:
            if isinstance(each, list):
                return [ones(one) for one in each]
            return np.ones([1 if n is None else n for n in each[0]]) if isinstance(each, tuple) else each

        flat = [one for each in given for one in (each if isinstance(each, list) else [each])]
        dtypes = [each[1] if isinstance(each, tuple) else type(each) for each in flat]
        dtypes = [each for each in dtypes if each is not str]
        try:
            output = compute(name, [ones(each) for each in given], options)
        except ValueError as error:
            raise Refused("ForwardError", path=self.net.label(self.at)) from error
        # A shape alone says nothing of a type.
        dtype = None if None in dtypes else functions.result_dtype(name, dtypes, options)
        if isinstance(output, list):
            return [(np.shape(each), dtype) for each in output]
        return np.shape(output), dtype


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


class Forward(_Program):
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
            raise Refused(refusal.kind, path=self.net.label(node)) from refusal
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

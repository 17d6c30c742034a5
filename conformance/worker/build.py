"""Nets made from data: layers by name, containers, and modules with a forward of their own."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from isomorph import init, nn, ops
from isomorph.conformance.layers import CONTAINERS
from isomorph.conformance.layers.containers import Container
from isomorph.init.laws import Array

Spec = dict[str, Any]
# Options that hold an initial law.
LAW_OPTIONS = ("weight_init", "bias_init")


class Counted(init.Law):
    """A law that notes every parameter it is asked for, in order."""

    def __init__(self, law: Callable[..., Any], calls: list[list[Any]]) -> None:
        self.law, self.calls = law, calls

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        """Note the call, and answer as the law inside does."""
        self.calls.append([name, list(shape)])
        return np.asarray(self.law(name, shape, dtype, generator))

    def __deepcopy__(self, memo: Any) -> Counted:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        _COUNTED[id(self)] = self
        return _counted, (id(self),)


# Laws that were pickled: they come back in this process, and note their calls as before.
_COUNTED: dict[int, Counted] = {}


def _counted(key: int) -> Counted:
    return _COUNTED[key]


class Ramp(init.Law):
    """Distinct values that depend on the shape alone: 1, 2, 3, ... over the number of elements."""

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        """Return the ramp."""
        size = int(np.prod(shape))
        return (np.arange(1, size + 1, dtype="float64") / size).reshape(shape).astype("float32")


class HalfZero(init.Law):
    """Zero with probability one half, else uniform in ±[5, 10]: the books' own law."""

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        """Return the values."""
        values = generator.uniform(-10, 10, shape)
        return np.asarray((values * (np.abs(values) >= 5)).astype("float32"))


class Failing(init.Law):
    """A law that raises for one path, or returns what does not fit."""

    def __init__(self, path: str, returns: str = "") -> None:
        self.path, self.returns = path, returns

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Any:
        """Return ones, but for the one path."""
        if name != self.path:
            return np.ones(shape, "float32")
        if self.returns == "shape":
            return np.ones((*shape, 2), "float32")
        if self.returns == "text":
            return "text"
        raise ZeroDivisionError("in the law")


# The suite's own laws; a case's script shows their source.
OWN_LAWS: dict[str, type[init.Law]] = {"Ramp": Ramp, "HalfZero": HalfZero, "Failing": Failing}


def law(spec: Spec | None, calls: list[list[Any]]) -> Any:
    """Return the law that a dict describes; with ``counted`` it notes its calls."""
    if spec is None:
        return None
    options = dict(spec)
    name = options.pop("law")
    counted = options.pop("counted", False)
    kind: Any = OWN_LAWS.get(name) or getattr(init, name)
    made = kind(**options)
    return Counted(made, calls) if counted else made


class Graph(nn.Module):
    """A user's own module: children, parameters, and a forward that follows a program.

    Each line of the program is (result, callee, arguments, options). The callee is a child's path,
    ``ops.name`` or ``operator.name``; an argument is a result's name, ``self.parameter``, a number, or
    a text behind ``=``.
    """

    def __init__(self, spec: Spec, calls: list[list[Any]]) -> None:
        super().__init__()
        self.graph_inputs = ("x", "y")
        self.graph_program = tuple(tuple(line) for line in spec["program"])
        self.graph_output = spec["output"]
        self.graph_build = dict(spec.get("build", {}))
        for name, each in spec.get("parameters", {}).items():
            kind = nn.Buffer if each.get("buffer") else nn.Parameter
            made = kind(each["shape"], law(each.get("init"), calls), role=each.get("role", "weight"))
            setattr(self, name, made)
        for name, child in spec.get("children", {}).items():
            setattr(self, name, module(child, calls, self))
        for there, here in spec.get("ties", []):
            tie(self, there, here)

    def build(self, *shapes: Any) -> None:
        """Fill the unknown sizes from the inputs' shapes."""
        for name, sizes in self.graph_build.items():
            getattr(self, name).shape = tuple(self._size(size, shapes) for size in sizes)

    def _size(self, size: Any, shapes: Any) -> Any:
        if not isinstance(size, str):
            return size
        name, _, axis = size.partition(".")
        return shapes[self.graph_inputs.index(name)][int(axis)]

    def forward(self, x: Any) -> Any:
        """Follow the program."""
        return self.follow({"x": x})

    def follow(self, values: dict[str, Any]) -> Any:
        """Return the output that the program gives for its inputs."""
        for result, callee, arguments, *rest in self.graph_program:
            given = [self._argument(argument, values) for argument in arguments]
            values[result] = self._callee(callee)(*given, **(rest[0] if rest else {}))
        output = self.graph_output
        return values[output] if isinstance(output, str) else tuple(values[name] for name in output)

    def _argument(self, argument: Any, values: dict[str, Any]) -> Any:
        if isinstance(argument, list):
            return [self._argument(each, values) for each in argument]
        if not isinstance(argument, str):
            return argument
        if argument.startswith("="):
            return argument[1:]
        if argument.startswith("self."):
            return getattr(self, argument[5:])
        return values.get(argument)

    def _callee(self, name: str) -> Any:
        home, _, function = name.partition(".")
        if home == "ops":
            return getattr(ops, function)
        if home == "operator":
            return getattr(operator, function)
        return follow(self, name)


@contextmanager
def runs_of_forward() -> Iterator[list[str]]:
    """Note each time that Python runs a graph's program: compilers run a copy, or nothing of it."""
    runs: list[str] = []
    code = Graph.follow.__code__

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is code:
            runs.append(event)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield runs
    finally:
        sys.setprofile(before)


class GraphOfTwo(Graph):
    """A graph with two inputs."""

    def forward(self, x: Any, y: Any = None) -> Any:
        """Follow the program."""
        return self.follow({"x": x, "y": y})


def follow(start: Any, path: str) -> Any:
    """Return what a dotted path leads to, through attributes, rows and dicts."""
    found = start
    for part in path.split(".") if path else []:
        found = found[int(part)] if part.isdigit() else _member(found, part)
    return found


def _member(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        return holder[name]


def tie(root: Any, there: str, here: str) -> None:
    """Make the place `there` hold the very object at `here`."""
    path, _, name = there.rpartition(".")
    setattr(follow(root, path), name, follow(root, here))


def module(spec: Spec, calls: list[list[Any]], scope: Any = None) -> Any:
    """Return a new module made from data; `scope` is where shared paths start."""
    options = dict(spec)
    kind = options.pop("kind")
    if kind == "share":
        return follow(scope, options["path"])
    if kind == "Graph":
        return (GraphOfTwo if len(options.get("inputs", ["x"])) == 2 else Graph)(options, calls)
    if kind in CONTAINERS:
        return _container(CONTAINERS[kind], options, calls, scope)
    for name in LAW_OPTIONS:
        if name in options:
            options[name] = law(options[name], calls)
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return getattr(nn, kind)(**options)


def _container(kind: Container, options: Spec, calls: list[list[Any]], scope: Any) -> Any:
    made: dict[str, Any] = {}
    row: list[Any] = []
    for name, child in kind.children(options):
        made[name] = module(child, calls, row if scope is None else scope)
        row.append(made[name])
    if kind.is_keyed:
        return getattr(nn, kind.name)(made)
    return getattr(nn, kind.name)(row) if kind.is_listed else getattr(nn, kind.name)(*row)

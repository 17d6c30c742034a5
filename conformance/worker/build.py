"""Nets made from data: layers by name, containers, and modules with a forward of their own."""

from __future__ import annotations

import copy
import operator
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from isomorph import init, nn, ops
from isomorph.conformance.data import index as decoded
from isomorph.conformance.layers import CONTAINERS
from isomorph.conformance.layers.containers import Container
from isomorph.init.laws import Array

from .nested import made

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


# What a forward may ask in plain Python; a case's script shows the expressions.
PYTHON: dict[str, Callable[..., Any]] = {
    "size": lambda x: x.shape[0],
    "len": len,
    "rows": list,
    "equals": lambda size, other: 3.0 if size == other else 0.25,
    "among": lambda size: 1.5 if size in (2, 7) else -0.5,
    "lookup": lambda size: {2: 1.5, 3: -2.5}.get(size, 0.75),
    "kind": lambda value: {type(None): 0.5, bool: 2.0, int: 3.0, float: 5.0, str: 7.0}[type(value)],
}
# Places that hold no modules, and how a forward reaches one there.
HIDDEN: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "set": (lambda inner: {inner}, lambda outside: next(iter(outside))),
    "deque": (lambda inner: deque([inner]), lambda outside: outside[0]),
    "object": (lambda inner: SimpleNamespace(inner=inner), lambda outside: outside.inner),
    "closure": (lambda inner: lambda x: inner(x), lambda outside: outside),
}


class Graph(nn.Module):
    """A user's own module: children, parameters, and a forward that follows a program.

    Each line of the program is (result, callee, arguments, options, more). The callee is a child's
    path, ``ops.name``, ``operator.name``, ``python.name`` of `PYTHON`, ``self.buffer.update``,
    ``assign.name``, which assigns an attribute, or ``hidden``, a module that no attribute holds. An
    argument is a result's name, with the way into its containers behind dots; ``self.path`` of a
    parameter, of an attribute or ``self.training``; a number; or a text behind ``=``. More may have
    arguments that are ``named``, and ``when`` the line is followed: ``training`` or ``evaluating``.
    """

    def __init__(self, spec: Spec, calls: list[list[Any]]) -> None:
        super().__init__()
        self.graph_inputs = ("x", "y")
        self.graph_program = tuple(tuple(line) for line in spec["program"])
        self.graph_output = spec["output"]
        self.graph_build = dict(spec.get("build", {}))
        for name, value in spec.get("attributes", {}).items():
            setattr(self, name, copy.deepcopy(value))
        if "hidden" in spec:
            hide, self.graph_reach = HIDDEN[spec["hidden"]["where"]]
            self.outside = hide(module(spec["hidden"]["spec"], calls))
        for name, each in spec.get("parameters", {}).items():
            setattr(self, name, made(each, lambda one: _parameter(one, calls)))
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
            options, more = [*rest, {}, {}][:2]
            if more.get("when", "") == ("evaluating" if self.training else "training"):
                continue
            given = [self._argument(argument, values) for argument in arguments]
            by_name = {name: self._argument(each, values) for name, each in more.get("named", {}).items()}
            values[result] = self._callee(callee)(*given, **options, **by_name)
        output = self.graph_output
        output = {"tuple": output} if isinstance(output, list) else output
        return made(output, lambda each: self._argument(each, values))

    def _argument(self, argument: Any, values: dict[str, Any]) -> Any:
        if isinstance(argument, list):
            return [self._argument(each, values) for each in argument]
        if not isinstance(argument, str):
            return argument
        if argument.startswith("="):
            return argument[1:]
        name, _, path = argument.partition(".")
        return follow(self if name == "self" else values.get(name), path)

    def _callee(self, name: str) -> Any:
        home, _, function = name.partition(".")
        if home == "ops":
            return getattr(ops, function)
        if name == "operator.getitem":
            return lambda value, index: value[decoded(index)]
        if home == "operator":
            return getattr(operator, function)
        if home == "python":
            return PYTHON[function]
        if home == "assign":
            return lambda value: setattr(self, function, value)
        if home == "hidden":
            return self.graph_reach(self.outside)
        return follow(self, function if home == "self" else name)


def _parameter(spec: Spec, calls: list[list[Any]]) -> nn.Parameter:
    kind = nn.Buffer if spec.get("buffer") else nn.Parameter
    return kind(spec["shape"], law(spec.get("init"), calls), role=spec.get("role", "weight"))


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
    """Return what a dotted path leads to, through attributes, rows, and dicts by ``:key``."""
    found = start
    for part in path.split(".") if path else []:
        if part.startswith(":"):
            found = found[part[1:]]
        else:
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


def _of_a_user(*classes: type) -> None:
    """Let classes and their forwards come from a module of a user's, which the library tells from its own."""
    home = ModuleType("conformance_user")
    sys.modules[home.__name__] = home
    for each in classes:
        setattr(home, each.__name__, each)
        each.__module__ = vars(each)["forward"].__module__ = home.__name__


_of_a_user(Graph, GraphOfTwo)

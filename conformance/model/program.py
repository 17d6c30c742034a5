"""Containers and users' own forwards, followed line by line: what shapes and numbers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .nested import Nest, is_plain, read
from .tree import Net, Node, Parameter, Spec, node_at

# In which mode a line of a program is followed.
MODES: dict[str | None, bool] = {"training": True, "evaluating": False}
# Functions that return several tensors.
_LISTS = ("ops.split",)
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


class Program:
    """What shapes and numbers share: containers and programs are followed in the same way."""

    def __init__(self, net: Net) -> None:
        self.net, self.at = net, net.root
        self.called: Node | None = None
        """The net or part that a user called."""

    def output(self, node: Node, inputs: list[Any], named: dict[str, Any] | None = None) -> Any:
        """Return a node's output."""
        self.called = self.called or node
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
            given = [_listed(each) for each in given]
            found = self.function_of(callee.removeprefix("ops."), given, options)
            return Nest("list", {str(i): each for i, each in enumerate(found)}) if callee in _LISTS else found
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


def _listed(value: Any) -> Any:
    """Return what a function is given: several tensors are a list to it."""
    return list(value.items.values()) if isinstance(value, Nest) and value.kind == "list" else value

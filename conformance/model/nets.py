"""The nets of one case and the steps that need no arithmetic: making, changing and looking at them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import laws
from .program import Refused
from .tree import Net, Node, Parameter, Spec, cast, construct, node_at, tie


@dataclass
class Expected:
    """What the spec says of one step: the counterpart of what a worker sees."""

    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    law_calls: list[list[Any]] = field(default_factory=list)
    warnings: int = 0
    state: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    terms: int = 1
    """The most terms that an element of the output is a sum of: numerical comparisons need it."""
    scale: float = 0.0
    """The greatest number met on the way to the output: roundings are relative to it."""


class Nets:
    """The nets of one case, as the spec has them."""

    def __init__(self) -> None:
        self.nets: dict[str, Net] = {}
        self.now = Expected()

    def _state(self, net: Net) -> list[dict[str, Any]]:
        return [
            {
                "path": path,
                "name": path,
                "kind": "parameter" if parameter.trainable else "buffer",
                "state": parameter.state,
                "shape": list(parameter.shape),
                "dtype": net.dtype,
                "trainable": parameter.trainable and not parameter.is_frozen,
                "requested": bool(laws.requests(net, parameter)),
                "value": parameter.value,
                "is_exact": parameter.is_exact,
            }
            for path, parameter in net.state().items()
        ]

    def part(self, net: str, path: str) -> Node:
        """Return a part of a net."""
        return node_at(self.nets[net].root, path)

    def parameter(self, net: str, path: str) -> Parameter:
        """Return a parameter by any of its paths."""
        holder, _, name = path.rpartition(".")
        return self.part(net, holder).parameters[name]

    # Making nets.

    def do_construct(self, spec: Spec, net: str = "net") -> None:
        """Make a net from data."""
        self.nets[net] = Net(construct(spec))

    def do_to(
        self,
        backend: str = "self",
        net: str = "net",
        dtype: str | None = None,
        data_format: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Lower a net; ready values are carried along and cast."""
        subject = self.nets[net]
        subject.backend = backend
        subject.data_format = data_format or subject.data_format
        if dtype is not None:
            subject.dtype = dtype
            for parameter in subject.state().values():
                parameter.value = cast(parameter.value, dtype)
        return {"same_object": True, "backend": subject.backend}

    def do_copy(self, to: str, net: str = "net", path: str = "") -> None:
        """Copy a net, or a part of it."""
        self.nets[to] = self.nets[net].copied(self.part(net, path))

    def do_pickle(self, to: str, net: str = "net") -> None:
        """Send a net through pickle: it comes back without a backend."""
        self.nets[to] = self.nets[net].copied()
        self.nets[to].backend = None

    def do_assign(self, path: str, spec: Spec, net: str = "net") -> None:
        """Put a new module in a place of the tree."""
        holder, _, name = path.rpartition(".")
        self.part(net, holder).children[name] = construct(spec, self.nets[net].root)

    def do_append(self, spec: Spec, net: str = "net", path: str = "") -> None:
        """Append a module to a row of modules."""
        children = self.part(net, path).children
        children[str(len(children))] = construct(spec, self.nets[net].root)

    def do_remove(self, path: str, net: str = "net") -> None:
        """Take a module out of a row; those behind it move up."""
        holder, _, name = path.rpartition(".")
        children = self.part(net, holder).children
        del children[name]
        rest = list(children.values())
        children.clear()
        children.update((str(position), child) for position, child in enumerate(rest))

    def do_tie(self, there: str, here: str, net: str = "net") -> None:
        """Make two places hold one object."""
        tie(self.nets[net].root, there, here)

    def do_change(self, path: str, value: Any, net: str = "net") -> None:
        """Change an item of a list or dict that an attribute holds."""
        holder: Any = self.nets[net].root.options["attributes"]
        *way, name = [int(each) if each.isdigit() else each.removeprefix(":") for each in path.split(".")]
        for each in way:
            holder = holder[each]
        holder[name] = value

    def do_freeze(self, path: str, trainable: bool = False, net: str = "net") -> None:
        """Freeze a parameter, or let it be trained again; a buffer never is."""
        parameter = self.parameter(net, path)
        if trainable and not parameter.trainable:
            raise Refused("StructureError")
        parameter.is_frozen = not trainable

    def do_mode(self, training: bool, path: str = "", net: str = "net") -> None:
        """Change between training and evaluation."""
        for _, node, _ in self.nets[net].nodes(self.part(net, path)):
            node.training = training

    # Looking.

    def do_text(self, what: str, net: str = "net") -> None:
        """Texts are compared between backends only."""

    def do_native(self, net: str = "net", path: str = "") -> dict[str, Any]:
        """What a native module is, its backend says; whether it holds memory, the spec."""
        return {"is_ready": all(p.state == "ready" for p in self.nets[net].state().values())}

    def do_variables(self, net: str = "net", source: str | None = None) -> dict[str, Any]:
        """Read the framework's state tree and give it back, or that of a like net: values are as in it."""
        given = self.nets[source or net].state()
        for path, parameter in self.nets[net].state().items():
            parameter.value, parameter.is_exact = given[path].value, given[path].is_exact
        return {"tree": True}

    def do_count(self, net: str = "net") -> dict[str, Any]:
        """Count a net's learned elements, a shared parameter once."""
        learned = [p for p in self.nets[net].state().values() if p.trainable]
        return {"count": int(sum(np.prod([size or 0 for size in p.shape]) for p in learned))}

    def do_select(self, pattern: str, net: str = "net") -> dict[str, Any]:
        """Select parameters by a pattern."""
        state = self.nets[net].state()
        return {"paths": [path for path, p in state.items() if p.trainable and re.fullmatch(pattern, path)]}

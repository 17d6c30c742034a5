"""The spec as a machine: from steps to what every backend must show after each of them.

It holds its own nets, draws its own values and computes with its own formulas; it knows nothing
of the code under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isomorph.conformance.data import array
from isomorph.conformance.layers import RECORDS

from . import laws
from .calls import Forward, Sizes, double, is_other_float, shape_and_type, single_function, trace
from .nested import mapped, parts, read, structure, tensors
from .nets import Expected, Nets
from .program import Refused
from .tree import UNKNOWN, Asked, Net, Node, Parameter, Spec, cast


class Machine(Nets):
    """Every step of the language."""

    forward: type[Forward] = Forward

    def expected(self, steps: list[Any]) -> list[Expected]:
        """Return what each step must show; it ends at the first error, as a worker does."""
        found = []
        for verb, arguments in steps:
            arguments = dict(arguments)
            goes_on = arguments.pop("goes_on", False)
            self.now = Expected()
            try:
                self.now.result = getattr(self, f"do_{verb}")(**arguments) or {}
            except Refused as refusal:
                self.now.error = refusal.facts
            self.now.state = {name: self._state(net) for name, net in self.nets.items()}
            self.now.aliases = {name: net.aliases() for name, net in self.nets.items()}
            found.append(self.now)
            if self.now.error and not goes_on:
                break
        return found

    # Sizes and values.

    def do_initialize(
        self,
        law: Spec | None = None,
        patterns: dict[str, Spec] | None = None,
        seed: int | None = None,
        force: bool = False,
        path: str = "",
        net: str = "net",
    ) -> None:
        """Ask for initial values: recorded, and carried out where sizes are known."""
        subject = self.nets[net]
        asked = Asked(self._place(net, path), law, patterns or {}, seed)
        inside = self._chosen(subject, asked)
        learned = [each for each in inside if each.trainable]
        ready = [each for each in learned if each.state == "ready"]
        if ready and not force:
            self.now.warnings += 1
            if len(ready) == len(learned):
                return
        before = subject.log
        subject.log = [*(self._forgotten(subject, asked) if force and law else before), asked]
        try:
            self._draw(subject, inside, force)
        except Refused:
            subject.log = before
            raise

    def _place(self, net: str, path: str) -> Node | Parameter:
        """Return the module or parameter at a path."""
        holder, _, name = path.rpartition(".")
        if path and name in self.part(net, holder).parameters:
            return self.parameter(net, path)
        return self.part(net, path)

    def _chosen(self, net: Net, asked: Asked) -> list[Parameter]:
        """Return the parameters that a request is for; each of its patterns must match one."""
        if isinstance(asked.place, Parameter):
            return [asked.place]
        state = net.state(asked.place)
        matching = {name: [p for p in state if re.fullmatch(name, p)] for name in asked.patterns}
        if not all(matching.values()):
            raise Refused("InvalidArgumentError", argument="each pattern")
        wanted = {path for paths in matching.values() for path in paths}
        return [each for path, each in state.items() if path in wanted or not asked.patterns]

    def _forgotten(self, net: Net, asked: Asked) -> list[Asked]:
        """Return the log without the laws that were asked for a place and inside it; seeds stay."""
        inside: list[Any] = [asked.place]
        if isinstance(asked.place, Node):
            inside = [node for _, node, _ in net.nodes(asked.place)]
            inside += net.state(asked.place).values()
        found = []
        for old in net.log:
            if not any(old.place is each for each in inside):
                found.append(old)
            elif old.seed is not None:
                found.append(Asked(old.place, None, {}, old.seed))
        return found

    def _draw(self, net: Net, wanted: list[Parameter], force: bool = False) -> None:
        """Draw for all whose layer's sizes are known: all or nothing."""
        chosen = [
            each
            for each in wanted
            if all(other.is_known for other in net.owner(each).parameters.values())
            and (force or each.state != "ready")
        ]
        paths, values = net.paths(), []
        for each in chosen:
            if laws.law_of(net, each).get("counted"):
                self.now.law_calls.append([paths[id(each)], list(each.shape)])
            try:
                values.append(laws.draw(net, each))
            except laws.LawFailed as failed:
                raise Refused("InitializerError", path=str(failed)) from failed
        for each, value in zip(chosen, values):
            each.value, each.is_exact = value, True

    def do_infer(self, shapes: list[Any], net: str = "net") -> dict[str, Any]:
        """Infer sizes from shapes alone, or from shapes with their types."""
        subject = self.nets[net]
        inputs = [read(each, _spec) for each in shapes]
        output, sizes = trace(subject, subject.root, inputs)
        self._take(sizes)
        specs = [[list(shape), dtype] for shape, dtype in tensors(output)]
        return {"spec": specs[0][0], "specs": specs}

    def _take(self, sizes: Sizes) -> None:
        for parameter, shape in sizes.items():
            parameter.shape = shape

    def do_apply_init(
        self, inputs: list[Any], law: Spec | None = None, seed: int | None = None, net: str = "net"
    ) -> None:
        """Infer sizes from data, then initialize."""
        subject = self.nets[net]
        given = [_shapes(read(each, _input), subject) for each in inputs]
        _, sizes = trace(subject, subject.root, given)
        subject.backend = subject.backend or "numpy"
        waiting = [each for each in subject.state().values() if each.state != "ready"]
        force = law is not None or (seed is not None and not waiting)
        with self._sized(subject, sizes, waiting):
            self.do_initialize(law, None, seed, force, "", net)

    def do_set(self, path: str, data: Spec, net: str = "net") -> None:
        """Set a parameter's values; unknown sizes are taken from them."""
        parameter, values = self.parameter(net, path), array(data)
        name = self.nets[net].paths()[id(parameter)]
        owner = self.nets[net].owner(parameter)
        one_size = owner.kind in RECORDS and RECORDS[owner.kind].one_size
        beside = owner.parameters.values() if one_size else ()
        for each in (parameter, *beside):
            wanted, received = list(each.shape), list(values.shape)
            if len(wanted) != len(received) or any(n not in (None, m) for n, m in zip(wanted, received)):
                raise Refused("ShapeMismatchError", path=name, expected=wanted, received=received)
        parameter.shape, parameter.is_exact = tuple(values.shape), True
        parameter.value = cast(values, self.nets[net].dtype)

    def do_set_all(self, values: dict[str, Any], net: str = "net") -> None:
        """Set several parameters' values."""
        for path, data in values.items():
            self.do_set(path, data, net)

    def do_edit(
        self, path: str, value: Any, index: list[int] | None = None, add: bool = False, net: str = "net"
    ) -> None:
        """Edit a parameter's values in place."""
        parameter = self._readable(net, path)
        values = parameter.value.copy()
        key: Any = slice(None) if index is None else tuple(index)
        values[key] = values[key] + value if add else value
        parameter.value = values

    def _readable(self, net: str, path: str) -> Parameter:
        parameter = self.parameter(net, path)
        if parameter.state != "ready":
            name = self.nets[net].paths()[id(parameter)]
            raise Refused("DeferredInitializationError", path=name, shape=list(parameter.shape))
        return parameter

    def do_read(self, path: str, what: str = "value", net: str = "net") -> dict[str, Any]:
        """Read something of a parameter."""
        parameter = self._readable(net, path)
        if what == "grad":
            if parameter.gradient is None:
                return {"gradients": {}}
            value, self.now.terms, self.now.scale = parameter.gradient
            return {"gradients": {path: value}}
        return {"native": True} if what == "native" else {"value": parameter.value}

    # Calls.

    def do_call(
        self,
        inputs: list[Any],
        named: dict[str, Any] | None = None,
        as_native: bool = False,
        watched: bool = False,
        as_numpy: bool = False,
        path: str = "",
        net: str = "net",
    ) -> dict[str, Any]:
        """Call a net on data: sizes and values for what waits, then the formulas."""
        subject, node = self.nets[net], self.part(net, path)
        subject.backend = subject.backend or "numpy"
        given = [read(each, _input) for each in inputs]
        keywords = {name: read(each, _input) for name, each in (named or {}).items()}
        for each in (part for value in (*given, *keywords.values()) for part in parts(value)):
            if as_native and is_other_float(each, subject.dtype):
                raise Refused("DTypeMismatchError", path=subject.label(node))
        seen = self._make_ready(subject, node, given, keywords)
        forward = self.forward(subject)
        doubles = [mapped(each, double) for each in given]
        output = forward.output(node, doubles, {k: mapped(v, double) for k, v in keywords.items()})
        self._update(subject, forward)
        self.now.terms, self.now.scale = forward.terms, forward.scale
        return {
            "owned": True,
            "output": tensors(output),
            "structure": structure(output),
            "shapes": [list(shape) for shape, _ in tensors(seen)],
            "dtypes": [dtype for _, dtype in tensors(seen)],
        }

    def _update(self, net: Net, forward: Forward) -> None:
        for parameter, value in forward.updates.items():
            parameter.value, parameter.is_exact = cast(value, net.dtype), False

    def _make_ready(self, net: Net, node: Node, given: list[Any], named: dict[str, Any]) -> Any:
        specs = [_shapes(each, net) for each in given]
        keywords = {name: _shapes(each, net) for name, each in named.items()}
        output, sizes = trace(net, node, specs, keywords)
        # A layer's parameters become ready together, also where another layer shares one.
        owners = [net.owner(each) for each in net.state(node).values()]
        inside = {id(p): p for owner in owners for p in owner.parameters.values()}
        waiting = [p for p in net.state().values() if id(p) in inside and p.state != "ready"]
        with self._sized(net, sizes, waiting):
            self._draw(net, waiting)
        return output

    @contextmanager
    def _sized(self, net: Net, sizes: Sizes, waiting: list[Parameter]) -> Iterator[None]:
        """Give parameters their sizes; take them back where one still waits, or what follows fails."""
        before = {parameter: parameter.shape for parameter in net.state().values()}
        self._take(sizes)
        try:
            for each in waiting:
                if not each.is_known:
                    raise Refused("StructureError", path=net.paths()[id(each)])
            yield
        except Refused:
            self._take(before)
            raise

    def do_call_in_threads(self, inputs: list[Any], count: int, net: str = "net") -> dict[str, Any]:
        """Call a net from several threads: each sees the one net."""
        once = self.do_call(inputs, net=net)
        many = {name: once[name] * count for name in ("output", "shapes", "dtypes")}
        return {"owned": True, **many}

    def do_gradients(self, inputs: list[Any], loss: str, net: str = "net") -> dict[str, Any]:
        """Return gradients of a loss, by central differences in double precision."""
        subject = self.nets[net]
        subject.backend = subject.backend or "numpy"
        given = [read(each, _input) for each in inputs]
        self._make_ready(subject, subject.root, given, {})
        forward, doubles = self.forward(subject), [mapped(each, double) for each in given]
        forward.output(subject.root, doubles)
        found = forward.gradients(doubles, loss)
        self._update(subject, forward)
        self.now.terms, self.now.scale = found.terms, forward.scale
        paths = subject.paths()
        for parameter in subject.state().values():
            value = found.values.get(id(parameter))
            parameter.gradient = None if value is None else (value, found.terms, forward.scale)
        return {"gradients": {paths[key]: value for key, value in found.values.items()}}

    def do_op(self, op: str, arrays: list[Any], options: dict[str, Any]) -> dict[str, Any]:
        """Compute one function."""
        return single_function(op, arrays, options)

    def do_native_script(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """A script in the framework's own API gives what the net gives."""
        found: dict[str, Any] = {"output": [], "shapes": [], "dtypes": []}
        terms, scale = 1, 0.0
        for net, data in inputs.items():
            called = self.do_call([data], net=net)
            terms, scale = max(terms, self.now.terms), max(scale, self.now.scale)
            for name, values in found.items():
                values += called[name]
        self.now.terms, self.now.scale = terms, scale
        return found


def _input(data: Any) -> Any:
    """Return an input that is no container: an array, or what is no tensor."""
    return array(data) if isinstance(data, dict) else data


def _spec(data: Any) -> Any:
    """Return a shape and its type, None where only the shape is known."""
    return (tuple(data["shape"]), data["dtype"]) if isinstance(data, dict) else (tuple(data), None)


def _shapes(value: Any, net: Net) -> Any:
    """Return an input's shapes and types."""
    return mapped(value, lambda each: shape_and_type(each, net))


__all__ = ["UNKNOWN", "Expected", "Machine"]

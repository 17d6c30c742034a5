"""Trials drawn at random: steps that a net is put through, with what the model says of each."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from isomorph.conformance.cases.write import kinds
from isomorph.conformance.layers import RECORDS
from isomorph.conformance.model.machine import UNKNOWN, Expected
from isomorph.conformance.model.tree import Net, Node

from .layers import FAN_LAWS, LAWS, Data, Draws, Here, layer
from .layers import law as any_law
from .nets import Drawn, net, values
from .oracle import Oracle

# Gradients come from central differences, element by element.
LEARNED = 60
VERBS = (
    *("call", "initialize", "infer", "set", "mode", "copy", "to", "edit", "read", "apply_init", "structure"),
    "freeze",
    *(
        "pickle",
        "part",
        "select",
        "count",
        "gradients",
        "call_in_threads",
        "tie",
        "variables",
        "native",
        "text",
    ),
)
# Steps that change what a net is.
EDITS = {"append", "assign", "remove", "tie"}
INPUTS = ("plain", "batch", "salt", "batch", "size", "rank", "type", "zero")
BEFORE = ("initialize", "set", "mode", "infer", "copy", "pickle", "select", "freeze")
OFTEN = ("call", "initialize", "set", "mode", "gradients", "structure", "tie")


class ModelFaultError(Exception):
    """The model itself failed on a trial: a fault of the suite."""


@dataclass
class Trial:
    """Steps, and what the model says of each."""

    steps: list[Any] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    fault: str = ""


@st.composite
def trials(draw: st.DrawFn, able: frozenset[str]) -> Trial:
    """Draw a trial that needs no other capabilities than these."""
    return _Writer(Draws(draw), able).trial()


class _Writer:
    """Writes a trial step by step; the model goes along, so that each step fits what is there."""

    def __init__(self, draws: Draws, able: frozenset[str]) -> None:
        self.draws, self.able = draws, able
        self.oracle = Oracle()
        self.written = Trial()
        self.drawn: Drawn = net(draws)
        self.sizes: dict[str, tuple[int | None, ...]] = {}

    def trial(self) -> Trial:
        """Return a whole trial."""
        try:
            self._write()
        except ModelFaultError as fault:
            self.written.fault = str(fault)
        return self.written

    def _write(self) -> None:
        draws = self.draws
        self._step("construct", spec=self.drawn.spec)
        self._learn_sizes()
        draws.some(2, 2, lambda _: self._any(draws.one(BEFORE)))
        self._step("to", **self._options())
        if not draws.rarely(4):
            self._step("initialize", seed=draws.one((11, 0, 2**31)))
        draws.some(10, 40, lambda _: self._any(draws.one(VERBS + OFTEN)))
        self._call(plain=True)
        if draws.rarely(3):
            self._step("mode", training=False)
            self._call(plain=True)

    def _options(self) -> Data:
        last = self.drawn.inputs[0].data_format == "channels_last"
        options: Data = {"data_format": "channels_last"} if last else {}
        if "compile" in self.able:
            options["compile"] = self.draws.rarely(10)
        if "dtype.float64" in self.able and self.draws.rarely(12):
            options["dtype"] = "float64"
        return options

    def _learn_sizes(self) -> None:
        """Find out which sizes the parameters will have, where the net fits its inputs."""
        ahead = copy.deepcopy(self.oracle)
        ahead.nets["net"].data_format = self.drawn.inputs[0].data_format
        call = ["call", {"inputs": [values(each) for each in self.drawn.inputs]}]
        expected = self._answer(ahead, call)
        self.sizes = {each["path"]: tuple(each["shape"]) for each in expected.state["net"]}

    def _step(self, verb: str, **arguments: Any) -> Expected:
        """Write a step; one that the model has no answer for is a fault of the model."""
        step = [verb, arguments]
        expected = self._answer(self.oracle, step)
        if expected.error is not None:
            step = [verb, {**arguments, "goes_on": True}]
        self.written.steps.append(step)
        self.written.expected.append(expected)
        return expected

    def _answer(self, oracle: Oracle, step: list[Any]) -> Expected:
        try:
            return oracle.take(step)
        except Exception as error:
            self.written.steps.append(step)
            raise ModelFaultError(f"{type(error).__name__}: {error}") from error

    def _try(self, verb: str, **arguments: Any) -> None:
        """Write a step if the spec has an answer for it: odd inputs to a user's own forward have none."""
        try:
            copy.deepcopy(self.oracle).take([verb, arguments])
        except Exception:
            return
        self._step(verb, **arguments)

    def _any(self, verb: str) -> None:
        getattr(self, f"_{verb}")()

    # What the steps act on.

    @property
    def _net(self) -> Data:
        """The net a step acts on, as its argument."""
        names = list(self.oracle.nets)
        name = self.draws.one(names) if len(names) > 1 else "net"
        return {} if name == "net" else {"net": name}

    def _subject(self, where: Data) -> Net:
        return self.oracle.nets[where.get("net", "net")]

    def _state(self, where: Data) -> list[dict[str, Any]]:
        found = self.written.expected[-1].state
        return found.get(where.get("net", "net"), [])

    def _path_of_module(self, where: Data) -> str:
        paths = [path for path, _, _ in self._subject(where).nodes()]
        return str(self.draws.one(paths)) if self.draws.rarely(2) else ""

    def _inputs(self, plain: bool) -> list[Any]:
        return [self._input(each, position, plain) for position, each in enumerate(self.drawn.inputs)]

    def _input(self, here: Here, salt: int, plain: bool) -> Data:
        kind = "plain" if plain else self.draws.one(INPUTS)
        if kind == "type" and "Graph" in kinds(self.drawn.spec):
            # What a framework's operators make of whole numbers is its own.
            kind = "plain"
        shape = list(here.shape)
        if kind == "batch" and len(shape) > 1:
            shape[0] = self.draws.one((1, 3, 4))
        elif kind == "size":
            shape[self.draws.number(0, len(shape) - 1)] += 1
        elif kind == "rank":
            shape = shape[1:] if self.draws.rarely(2) else [2, *shape]
        elif kind == "zero":
            shape[self.draws.number(0, len(shape) - 1)] = 0
        dtype = here.dtype
        if kind == "type":
            dtype = "int32" if here.is_floating else "float32"
        salt = salt + (3 if kind == "salt" else 0)
        return values(Here(tuple(shape), dtype, here.data_format), salt)

    # Steps.

    def _call(self, plain: bool = False) -> None:
        where = {} if plain else self._net
        arguments: Data = {"inputs": self._inputs(plain), **where}
        # The reference's native tensors are NumPy's, which are cast where others must fit.
        subject = self._subject(where)
        fits = subject.dtype == "float32" and subject.backend in ("self", None)
        if not plain and fits and self.draws.rarely(6):
            arguments["as_native"] = True
        if len(arguments["inputs"]) == 2 and self.draws.rarely(3):
            arguments["named"] = {"y": arguments["inputs"].pop()}
        # A net that was edited may have been given what it can't take.
        write = self._step if plain and not EDITS & {step[0] for step in self.written.steps} else self._try
        write("call", **arguments)

    def _part(self) -> None:
        """Call a module of a chain alone: the first one, or the last on what the net gives."""
        where = self._net
        root = self._subject(where).root
        if root.kind != "Sequential" or not root.children:
            return
        at_end = self.draws.rarely(2)
        here = self.drawn.output if at_end else self.drawn.inputs[0]
        path = str(len(root.children) - 1 if at_end else 0)
        self._try("call", inputs=[self._input(here, 0, True)], path=path, **where)

    def _call_in_threads(self) -> None:
        where = self._net
        nodes = [node for _, node, _ in self._subject(where).nodes()]
        changes = any(_has_statistics(node) and node.training for node in nodes)
        compiled = any(step[1].get("compile") for step in self.written.steps)
        if self.drawn.outputs == 1 and not changes and not compiled:
            self._try("call_in_threads", inputs=self._inputs(True), count=3, **where)

    def _initialize(self) -> None:
        where = self._net
        state = self._state(where)
        arguments: Data = {}
        if self.draws.rarely(3) and state:
            patterns = [".*", ".*weight", ".*bias", r"0\..*", "nothing"]
            patterns += [re.escape(each["path"]) for each in state]
            arguments["patterns"] = {self.draws.one(patterns): any_law(self.draws, LAWS)}
        else:
            arguments["path"] = self._path_of_module(where)
            learned = [each["path"] for each in state if each["trainable"]]
            if learned and self.draws.rarely(3):
                arguments["path"] = self.draws.one(learned)
            if not self.draws.rarely(3):
                arguments["law"] = self._law(where, arguments["path"], state)
            if not arguments["path"]:
                del arguments["path"]
        if self.draws.rarely(2):
            arguments["seed"] = self.draws.one((11, 3))
        if self.draws.rarely(3):
            arguments["force"] = True
        self._step("initialize", **arguments, **where)

    def _law(self, where: Data, path: str, state: list[dict[str, Any]]) -> Data:
        inside = [each for each in state if f"{each['path']}.".startswith(f"{path}." if path else "")]
        parameters = self._subject(where).state()
        weights = [
            each for each in inside if each["path"] == path or parameters[each["path"]].role == "weight"
        ]
        if inside and self.draws.rarely(12):
            return {"law": "Failing", "path": self.draws.one(each["path"] for each in inside)}
        with_fans = all(len(each["shape"]) > 1 for each in weights)
        return any_law(self.draws, LAWS + FAN_LAWS if with_fans else LAWS)

    def _infer(self) -> None:
        if self.drawn.outputs > 1:
            return
        shapes = [each["shape"] for each in self._inputs(self.draws.rarely(2))]
        self._try("infer", shapes=shapes, **self._net)

    def _apply_init(self) -> None:
        arguments: Data = {"seed": 5} if self.draws.rarely(2) else {}
        where = self._net
        if self.draws.rarely(2):
            arguments["law"] = self._law(where, "", self._state(where))
        self._try("apply_init", inputs=self._inputs(self.draws.rarely(2)), **arguments, **where)

    def _set(self) -> None:
        where = self._net
        state = self._state(where)
        if not state:
            return
        each = self.draws.one(state)
        known = self.sizes.get(each["path"], ())
        guess = [*known, *[3] * (len(each["shape"]) - len(known))]
        shape = [size or (guess[axis] or 3) for axis, size in enumerate(each["shape"])]
        if self.draws.rarely(6) and shape:
            shape[self.draws.number(0, len(shape) - 1)] += 1
        data: Data = {"shape": shape, "dtype": "float32", "fill": "spread", "salt": self.draws.number(0, 3)}
        if each["path"].endswith("running_var"):
            data |= {"scale": 0.5, "offset": 2.0}
        self._step("set", path=each["path"], data=data, **where)

    def _edit(self) -> None:
        where = self._net
        state = [each for each in self._state(where) if each["value"] is not UNKNOWN]
        if not state:
            return
        each = self.draws.one(state)
        arguments: Data = {"path": each["path"], "value": self.draws.one((1.5, -0.25, 2))}
        if each["value"] is not None and self.draws.rarely(2):
            arguments["index"] = [size - 1 for size in each["shape"]]
        if self.draws.rarely(2):
            arguments["add"] = True
        self._step("edit", **arguments, **where)

    def _read(self) -> None:
        where = self._net
        state = self._state(where)
        if state:
            gradient = {"what": "grad"} if "gradients" in self.able and self.draws.rarely(4) else {}
            self._step("read", path=self.draws.one(state)["path"], **gradient, **where)

    def _freeze(self) -> None:
        where = self._net
        state = self._state(where)
        if state:
            path = self.draws.one(each["path"] for each in state)
            self._step("freeze", path=path, trainable=self.draws.rarely(3), **where)

    def _mode(self) -> None:
        where = self._net
        path = self._path_of_module(where)
        arguments = {"path": path} if path else {}
        self._step("mode", training=self.draws.rarely(3), **arguments, **where)

    def _copy(self) -> None:
        if "twin" not in self.oracle.nets:
            self._step("copy", to="twin")

    def _pickle(self) -> None:
        if "twin" not in self.oracle.nets:
            self._step("pickle", to="twin")
            if not self.draws.rarely(4):
                self._step("to", net="twin")

    def _to(self) -> None:
        where = self._net
        kind = self.draws.one(("away", "back", "compile", "dtype"))
        if kind == "away":
            # The reference has no compiler: a net that forces one can't go there.
            self._step("to", backend="numpy", compile=False, **where)
            if not self.draws.rarely(3):
                self._call()
        if kind in ("away", "back"):
            self._step("to", **where)
        elif kind == "dtype" and "dtype.float64" in self.able:
            # What was computed in one type is off by its roundings in a wider one.
            if all(each["is_exact"] for each in self._state(where)):
                self._step("to", dtype=self.draws.one(("float64", "float32")), **where)
        elif kind == "compile" and "compile" in self.able and self.draws.rarely(4):
            self._step("to", compile=self.draws.rarely(2), **where)

    def _structure(self) -> None:
        """Append to, replace in, or remove from a chain."""
        where = self._net
        root = self._subject(where).root
        if root.kind != "Sequential":
            return
        made = layer(self.draws, self.drawn.output)
        move = self.draws.one(("append", "assign", "remove"))
        if move == "append" and made is not None:
            self._step("append", spec=made[0], **where)
        elif root.children:
            position = self.draws.number(0, len(root.children) - 1)
            if move == "assign" and made is not None:
                self._step("assign", path=str(position), spec=made[0], **where)
            elif move == "remove" and len(root.children) > 1:
                self._step("remove", path=str(position), **where)

    def _tie(self) -> None:
        """Let two parameters of one shape be one."""
        where = self._net
        state = [each for each in self._state(where) if each["trainable"] and each["path"].endswith("weight")]
        pairs = [
            (a["path"], b["path"]) for a in state for b in state if a is not b and a["shape"] == b["shape"]
        ]
        if pairs:
            there, here = self.draws.one(pairs)
            self._step("tie", there=there, here=here, **where)

    def _select(self) -> None:
        self._step("select", pattern=self.draws.one((".*bias", ".*", r"0\..*", ".*weight")), **self._net)

    def _count(self) -> None:
        where = self._net
        if all(None not in each["shape"] for each in self._state(where)):
            self._step("count", **where)

    def _gradients(self) -> None:
        where = self._net
        subject = self._subject(where)
        chance = any(_is_random(node) and node.training for _, node, _ in subject.nodes())
        learned = sum(
            _size(self.sizes.get(each["path"], ())) for each in self._state(where) if each["trainable"]
        )
        plain = self.drawn.output.is_floating and self.drawn.outputs == 1
        if "gradients" not in self.able or chance or not plain or not 0 < learned <= LEARNED:
            return
        if subject.dtype == "float32" and subject.backend == "self":
            loss = self.draws.one(("half-square-sum", "mean-cube", "sum"))
            self._try("gradients", inputs=self._inputs(True), loss=loss, **where)

    def _variables(self) -> None:
        where = self._net
        if "variables" in self.able and self._subject(where).backend == "self":
            self._step("variables", **where)

    def _native(self) -> None:
        where = self._net
        if "native.parameters" in self.able and self._subject(where).backend == "self":
            self._step("native", **where)

    def _text(self) -> None:
        self._step("text", what=self.draws.one(("repr", "parameters", "summary")), **self._net)


def _has_statistics(node: Node) -> bool:
    return node.kind in RECORDS and not all(each.trainable for each in node.parameters.values())


def _is_random(node: Node) -> bool:
    return node.kind in RECORDS and RECORDS[node.kind].chance


def _size(shape: tuple[int | None, ...]) -> int:
    size = 1
    for each in shape:
        size *= each or 1000
    return size

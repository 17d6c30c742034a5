"""Nets drawn at random: chains, users' own modules, sharing; and inputs for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .layers import LAWS, LAYERS, TOKENS, Data, Draws, Here, law, layer, output_of, takes

# Shapes of inputs, channels first; sizes are distinct so that a swapped axis shows.
SHAPES = ((2, 5), (5,), (2, 3, 7), (2, 3, 5, 4), (3, 4, 7, 6), (2, 6, 8), (5, 1), (2, 3, 2, 5))
TOKEN_SHAPES = ((2, 3), (5,), (2, 3, 4))
BINARY = ("ops.add", "ops.multiply", "operator.sub", "ops.maximum", "operator.add", "ops.minimum")
UNARY = ("ops.tanh", "ops.relu", "ops.sigmoid", "ops.negative", "operator.neg", "ops.abs", "ops.square")
MOVES = (
    "layer",
    "layer",
    "layer",
    "again",
    "binary",
    "unary",
    "number",
    "concat",
    "own",
    "chain",
    "mean",
    "tied",
)


@dataclass(frozen=True)
class Drawn:
    """A net, what it is made for, and what it gives."""

    spec: Data
    inputs: tuple[Here, ...]
    output: Here
    outputs: int = 1


def net(draws: Draws) -> Drawn:
    """Return a net with inputs that fit it; some nets have a part that must refuse them."""
    data_format = draws.one(("channels_first", "channels_last"))
    kind = draws.one(LAYERS)
    here = source(draws, data_format, kind)
    if draws.rarely(2):
        return _Graph(draws, (here,), kind=kind).drawn()
    if draws.rarely(8):
        return _Graph(draws, (here, source(draws, data_format)), kind=kind).drawn()
    spec, there = chain(draws, here, depth=2, kind=kind)
    return Drawn(spec, (here,), there)


def source(draws: Draws, data_format: str, kind: str = "Dense") -> Here:
    """Return an input that a layer takes."""
    inputs = [Here(_moved(shape, data_format), "float32", data_format) for shape in SHAPES]
    inputs += [Here(shape, "int32", data_format) for shape in TOKEN_SHAPES]
    made: Here = draws.one(each for each in inputs if takes(kind, each))
    return made


def _moved(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    if data_format == "channels_first" or len(shape) < 3:
        return shape
    return (shape[0], *shape[2:], shape[1])


def chain(draws: Draws, here: Here, depth: int, kind: str = "") -> tuple[Data, Here]:
    """Return a Sequential, and what it gives; one that starts with a kind may have a layer twice."""
    children: list[Data] = []
    given: list[Here] = [here]

    def add(made: tuple[Data, Here] | None) -> None:
        if made is not None:
            children.append(made[0])
            given.append(made[1])

    def child(position: int) -> None:
        here = given[-1]
        if kind and position == 0:
            add(layer(draws, here, kind=kind))
        elif kind and children and draws.rarely(8):
            before = draws.number(0, len(children) - 1)
            add(_once_more(children[before], given[before], here, before))
        elif depth and draws.rarely(5):
            add(chain(draws, here, depth - 1))
        elif depth and draws.rarely(6):
            inner = _Graph(draws, (here,), depth - 1).drawn()
            add((inner.spec, inner.output) if inner.outputs == 1 else None)
        else:
            add(layer(draws, here, wrong=draws.rarely(40)))

    draws.some(4, 5, child)
    return {"kind": "Sequential", "children": children}, given[-1]


def _once_more(spec: Data, given: Here, here: Here, position: int) -> tuple[Data, Here] | None:
    """Return a layer of the chain again, where it fits here too."""
    if given != here or spec["kind"] in ("Sequential", "share", "Graph"):
        return None
    there = output_of(spec, here)
    return None if there is None else ({"kind": "share", "path": str(position)}, there)


class _Graph:
    """A user's own module, written line by line; each line gives a value that later ones may use."""

    def __init__(self, draws: Draws, inputs: tuple[Here, ...], depth: int = 1, kind: str = "") -> None:
        self.draws, self.inputs, self.depth, self.kind = draws, inputs, depth, kind
        self.names = ("x", "y")[: len(inputs)]
        self.values: dict[str, Here] = dict(zip(self.names, inputs))
        self.program: list[Any] = []
        self.children: dict[str, Data] = {}
        self.made: list[tuple[str, Data, Here]] = []
        self.parameters: dict[str, Data] = {}
        self.build: dict[str, list[Any]] = {}
        self.ties: list[list[str]] = []

    def drawn(self) -> Drawn:
        """Write the lines and return the module."""
        self.draws.some(5, 6, self._any_line)
        if not self.program:
            self._line("v0", "x", "layer")
        if "y" in self.names and not any("y" in str(line[2]) for line in self.program):
            self._line("z", "y", "layer")
        last = next(reversed(self.values))
        others = [name for name in self.values if name not in (last, *self.names)]
        is_pair = self.depth == 1 and bool(others) and self.draws.rarely(15)
        output: Any = [last, others[0]] if is_pair else last
        if self.draws.rarely(40):
            self.children["spare"] = {"kind": "Dense", "units": 2}
        spec: Data = {"kind": "Graph", "program": self.program, "output": output, "children": self.children}
        parts = {"parameters": self.parameters, "build": self.build, "ties": self.ties}
        spec |= {name: part for name, part in parts.items() if part}
        spec |= {"inputs": list(self.names)} if len(self.names) > 1 else {}
        return Drawn(spec, self.inputs, self.values[last], 2 if is_pair else 1)

    def _any_line(self, position: int) -> None:
        self._line(f"v{position}", self.draws.one(reversed(self.values)), self.draws.one(MOVES))

    def _line(self, result: str, name: str, move: str) -> None:
        there = getattr(self, f"_{move}")(result, name, self.values[name])
        if there is not None:
            self.values[result] = there

    def _call(self, result: str, child: str, name: str) -> None:
        self.program.append([result, child, [name]])

    def _layer(self, result: str, name: str, here: Here) -> Here | None:
        kind = self.kind if self.kind and not self.made and takes(self.kind, here) else ""
        made = layer(self.draws, here, wrong=self.draws.rarely(60), kind=kind)
        if made is None:
            return None
        path = self._place(made[0])
        self.made.append((path, made[0], here))
        self._call(result, path, name)
        return made[1]

    def _place(self, spec: Data) -> str:
        """Put a child into the module itself, a list or a dict; return its path."""
        home = self.draws.one(("", "", "rows", "heads"))
        if not home:
            name = f"part{len(self.made)}"
            self.children[name] = spec
            return name
        if home == "rows":
            rows = self.children.setdefault("rows", {"kind": "ModuleList", "children": []})["children"]
            rows.append(spec)
            return f"rows.{len(rows) - 1}"
        heads = self.children.setdefault("heads", {"kind": "ModuleDict", "children": {}})["children"]
        name = f"head{len(heads)}"
        heads[name] = spec
        return f"heads.{name}"

    def _chain(self, result: str, name: str, here: Here) -> Here | None:
        if not self.depth:
            return None
        spec, there = chain(self.draws, here, 0)
        child = f"chain{len(self.children)}"
        self.children[child] = spec
        self._call(result, child, name)
        return there

    def _again(self, result: str, name: str, here: Here) -> Here | None:
        """Call a child once more, by its name or by one more that it is given."""
        fitting = [(path, spec) for path, spec, given in self.made if given == here]
        if not fitting:
            return None
        path, spec = self.draws.one(fitting)
        there = output_of(spec, here)
        if there is not None and self.draws.rarely(2):
            child = f"again{len(self.children)}"
            self.children[child] = {"kind": "share", "path": path}
            path = child
        if there is not None:
            self._call(result, path, name)
        return there

    def _binary(self, result: str, name: str, here: Here) -> Here | None:
        others = [other for other, there in self.values.items() if there == here]
        if not here.is_floating:
            return None
        self.program.append([result, self.draws.one(BINARY), [self.draws.one(reversed(others)), name]])
        return here

    def _unary(self, result: str, name: str, here: Here) -> Here | None:
        if not here.is_floating:
            return None
        self.program.append([result, self.draws.one(UNARY), [name]])
        return here

    def _number(self, result: str, name: str, here: Here) -> Here | None:
        if not here.is_floating:
            return None
        function = self.draws.one(("operator.mul", "operator.add", "ops.subtract", "operator.truediv"))
        self.program.append([result, function, [name, self.draws.one((0.5, 2.0, -1.5, 2))]])
        return here

    def _mean(self, result: str, name: str, here: Here) -> Here | None:
        if not here.is_floating or len(here.shape) < 2:
            return None
        axis = self.draws.number(1, len(here.shape) - 1)
        self.program.append(
            [result, self.draws.one(("ops.mean", "ops.sum")), [name], {"axis": axis, "keepdims": True}]
        )
        return Here((*here.shape[:axis], 1, *here.shape[axis + 1 :]), here.dtype, here.data_format)

    def _concat(self, result: str, name: str, here: Here) -> Here | None:
        others = [
            other
            for other, there in self.values.items()
            if there.dtype == here.dtype and there.shape[:-1] == here.shape[:-1] and here.is_floating
        ]
        if not others or not here.shape:
            return None
        other = self.draws.one(reversed(others))
        self.program.append([result, "ops.concat", [[name, other]], {"axis": -1}])
        size = here.shape[-1] + self.values[other].shape[-1]
        return Here((*here.shape[:-1], size), here.dtype, here.data_format)

    def _own(self, result: str, name: str, here: Here) -> Here | None:
        """Multiply by a parameter of the module's own, or add it."""
        if not here.is_floating or not here.shape:
            return None
        own = f"own{len(self.parameters)}"
        role = self.draws.one(("weight", "scale", "bias"))
        made: Data = {"shape": [here.shape[-1]], "role": role}
        if self.draws.rarely(4):
            made |= {"buffer": True, "init": self.draws.one(LAWS[:4])}
        elif self.draws.rarely(4):
            made["init"] = law(self.draws, LAWS)
        # Sizes may come from the inputs, or be known.
        source = next((each for each in self.names if self.values[each].shape[-1:] == here.shape[-1:]), None)
        if source is not None and self.draws.rarely(2):
            made["shape"] = [None]
            self.build[own] = [f"{source}.-1"]
        self.parameters[own] = made
        self.program.append([result, self.draws.one(("ops.multiply", "ops.add")), [name, f"self.{own}"]])
        return here

    def _tied(self, result: str, name: str, here: Here) -> Here | None:
        """Call a Dense layer that shares its weight with a layer above, whatever is the order of use."""
        if not here.is_floating or not here.shape:
            return None
        fitting = [
            (path, *_rows_and_columns(spec, given))
            for path, spec, given in self.made
            if spec["kind"] in TIED and _rows_and_columns(spec, given)[1] == here.shape[-1]
        ]
        if not fitting:
            return None
        path, rows, _ = self.draws.one(fitting)
        spec = {"kind": "Dense", "units": rows, **self.draws.options(bias=(False,))}
        places = [f"{self._place(spec)}.weight", f"{path}.weight"]
        self.made.append((places[0].removesuffix(".weight"), spec, here))
        self.ties.append(places[::-1] if self.draws.rarely(3) else places)
        self._call(result, self.made[-1][0], name)
        return output_of(spec, here)


TIED = ("Dense", "Embedding")


def _rows_and_columns(spec: Data, here: Here) -> tuple[int, int]:
    if spec["kind"] == "Embedding":
        return TOKENS, spec["embedding_dim"]
    return spec["units"], here.shape[-1]


def values(here: Here, salt: int = 0) -> Data:
    """Return an input as data."""
    if not here.is_floating:
        return {
            "shape": list(here.shape),
            "dtype": here.dtype,
            "fill": "indices",
            "below": TOKENS,
            "salt": salt,
        }
    return {"shape": list(here.shape), "dtype": "float32", "fill": "spread", "salt": salt}

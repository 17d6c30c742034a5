"""The model's own nets: nodes, parameters, and what the spec says about paths and sharing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isomorph.conformance.data import nest
from isomorph.conformance.layers import CONTAINERS
from isomorph.conformance.layers.record import ONES, WEIGHT, ZEROS, Law, Sizes

from . import rules

Spec = dict[str, Any]
Default = Law | Callable[[Sizes], Law]


class Unknown:
    """A value that the spec leaves open: drawn without a seed, or by a framework's own generator."""

    def __repr__(self) -> str:
        return "unknown"

    def __deepcopy__(self, memo: Any) -> Unknown:
        return self


UNKNOWN = Unknown()


@dataclass(eq=False)
class Parameter:
    """A parameter or buffer: its declared and present shape, and its values if it has any."""

    declared: tuple[int | None, ...]
    role: str
    trainable: bool
    default: Default
    """The law of its first values, or what gives it for the shape of its layer's weight."""
    law: Spec | None = None
    """The law that the constructor was given."""
    shape: tuple[int | None, ...] = ()
    value: Any = None
    is_exact: bool = True
    """Whether the values are specified bit by bit: drawn or set, not computed."""
    is_frozen: bool = False
    gradient: tuple[Any, int, float] | None = None
    """The gradient last asked for, with what a numerical comparison needs."""

    def __post_init__(self) -> None:
        self.shape = self.shape or self.declared

    @property
    def is_known(self) -> bool:
        """Whether every size is known."""
        return None not in self.shape

    @property
    def state(self) -> str:
        """Declared, shaped or ready."""
        if self.value is not None:
            return "ready"
        return "shaped" if self.is_known else "declared"


@dataclass(eq=False)
class Node:
    """One module: a layer, a container, or a user's own with a program."""

    kind: str
    options: Spec
    children: dict[str, Node] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    training: bool = True


@dataclass(eq=False)
class Asked:
    """One call of initialize, of a module or a parameter."""

    place: Node | Parameter
    law: Spec | None
    patterns: dict[str, Spec]
    seed: int | None


def construct(spec: Spec, scope: Node | None = None) -> Node:
    """Return a new node made from data; shared paths start at `scope`."""
    options = dict(spec)
    kind = options.pop("kind")
    if kind == "share":
        assert scope is not None
        return node_at(scope, options["path"])
    node = Node(kind, options)
    if kind == "Graph":
        options["attributes"] = copy.deepcopy(options.get("attributes", {}))
        for name, each in options.get("parameters", {}).items():
            held = nest(each)
            if held is None:
                node.parameters[name] = _own(each)
            else:
                held_in = Node("ParameterList", {})
                held_in.parameters = {key: _own(one) for key, one in held[1].items()}
                node.children[name] = held_in
        for name, child in options.get("children", {}).items():
            node.children[name] = construct(child, node)
        for there, here in options.get("ties", []):
            tie(node, there, here)
    elif kind in CONTAINERS:
        for name, child in CONTAINERS[kind].children(options):
            node.children[name] = construct(child, node if scope is None else scope)
    else:
        for name, each in rules.declared(spec).items():
            law = options.get(f"{name}_init")
            node.parameters[name] = Parameter(each.shape, each.role, each.trainable, each.default, law)
    return node


def _own(spec: Spec) -> Parameter:
    """Return a parameter of a user's own module, which starts as one of a layer of its role does."""
    role, shape = spec.get("role", "weight"), tuple(spec["shape"])
    # A vector has no fans: it starts as a row of an embedding does.
    weight: Law = WEIGHT if len(shape) > 1 else {"law": "Normal"}
    default = {"weight": weight, "scale": ONES, "bias": ZEROS}[role]
    return Parameter(shape, role, not spec.get("buffer"), default, spec.get("init"))


def node_at(root: Node, path: str) -> Node:
    """Return the node at a dotted path."""
    for part in path.split(".") if path else []:
        root = root.children[part]
    return root


def tie(root: Node, there: str, here: str) -> None:
    """Make the place `there` hold the parameter or node at `here`."""
    path, _, name = there.rpartition(".")
    home, _, source = here.rpartition(".")
    holder, giver = node_at(root, path), node_at(root, home)
    if source in giver.children:
        holder.children[name] = giver.children[source]
    else:
        holder.parameters[name] = giver.parameters[source]


@dataclass(eq=False)
class Net:
    """A root with the options that hold for the whole tree, and the log of what was asked of it."""

    root: Node
    dtype: str = "float32"
    data_format: str = "channels_first"
    backend: str | None = None
    log: list[Asked] = field(default_factory=list)

    def nodes(self, start: Node | None = None, prefix: str = "") -> Iterator[tuple[str, Node, Node | None]]:
        """Yield (path, node, holder) depth first, a shared node once, at its first path."""
        seen: set[int] = set()
        stack: list[tuple[str, Node, Node | None]] = [(prefix, start or self.root, None)]
        while stack:
            path, node, holder = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield path, node, holder
            inner = [(f"{path}.{n}" if path else n, child, node) for n, child in node.children.items()]
            stack.extend(reversed(inner))

    def state(self, start: Node | None = None) -> dict[str, Parameter]:
        """Return parameters and buffers by path, each once; paths are relative to `start`."""
        found: dict[str, Parameter] = {}
        for path, node, _ in self.nodes(start):
            for name, parameter in node.parameters.items():
                if not any(parameter is each for each in found.values()):
                    found[f"{path}.{name}" if path else name] = parameter
        return found

    def paths(self) -> dict[int, str]:
        """Return the canonical path of each parameter, by identity."""
        return {id(parameter): path for path, parameter in self.state().items()}

    def path_of(self, wanted: Node) -> str:
        """Return a node's canonical path."""
        return next(path for path, node, _ in self.nodes() if node is wanted)

    def label(self, wanted: Node) -> str:
        """Return how errors name a node: its path, the kind for the root."""
        of_two = "OfTwo" if len(wanted.options.get("inputs", ())) == 2 else ""
        return self.path_of(wanted) or f"{wanted.kind}{of_two}"

    def owner(self, wanted: Parameter) -> Node:
        """Return the node that holds a parameter, the first if it is shared."""
        return next(node for _, node, _ in self.nodes() if any(p is wanted for p in node.parameters.values()))

    def enclosing(self, wanted: Node) -> list[Node]:
        """Return a node and those around it, from the inside out."""
        holders = {id(node): holder for _, node, holder in self.nodes()}
        chain: list[Node] = []
        node: Node | None = wanted
        while node is not None:
            chain.append(node)
            node = holders[id(node)]
        return chain

    def distance(self, wanted: Parameter, place: Node | Parameter) -> int | None:
        """Return how many modules outside a parameter's own layer a place is; None if not around it.

        The layer's distance is 0, and the parameter's own -1.
        """
        around = [wanted, *self.enclosing(self.owner(wanted))]
        return next((position - 1 for position, each in enumerate(around) if each is place), None)

    def path_inside(self, wanted: Parameter, place: Node | Parameter) -> str:
        """Return a parameter's path, seen from a module around it."""
        inner = "" if isinstance(place, Parameter) else self.path_of(place)
        return self.paths()[id(wanted)].removeprefix(f"{inner}." if inner else "")

    def aliases(self) -> dict[str, str]:
        """Return the further paths of shared parameters, with the canonical one of each."""
        first, found = self.paths(), {}
        stack: list[tuple[str, Node]] = [("", self.root)]
        while stack:
            prefix, node = stack.pop()
            for name, parameter in node.parameters.items():
                if first[id(parameter)] != prefix + name:
                    found[prefix + name] = first[id(parameter)]
            stack.extend((f"{prefix}{name}.", child) for name, child in node.children.items())
        return found

    def copied(self, start: Node | None = None) -> Net:
        """Return a copy that shares nothing, of the net or of a part of it.

        A part knows what was asked of it and inside it.
        """
        if start is None or start is self.root:
            return copy.deepcopy(self)
        inside = [*(node for _, node, _ in self.nodes(start)), *self.state(start).values()]
        log = [asked for asked in self.log if any(asked.place is each for each in inside)]
        return copy.deepcopy(Net(start, self.dtype, self.data_format, None, log))


def cast(values: Any, dtype: str) -> Any:
    """Return values in a data type, by name."""
    if values is None or isinstance(values, Unknown):
        return values
    if dtype == "bfloat16":
        import ml_dtypes

        return np.asarray(values).astype(ml_dtypes.bfloat16)
    return np.asarray(values).astype(dtype)

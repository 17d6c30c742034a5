"""Nets, laws, arrays and calls as the Python source that a user would type.

It writes what `worker.build` makes, from the same data, in Isomorph's public API.
"""

from __future__ import annotations

import json
import pprint
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .assembly import own_laws
from .data import array, nest

Spec = dict[str, Any]
# A larger array is made by the function `spread`, where that can make it.
LARGEST = 40.0
_OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "pow": "**",
    "matmul": "@",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
}


class Nets:
    """Writes nets: expressions, users' own classes above them, and lines that must come before."""

    def __init__(self) -> None:
        self.classes: list[str] = []
        self.before: list[str] = []

    def module(self, spec: Spec, scope: str = "") -> str:
        """Return an expression for a module; shared paths start at `scope`."""
        options = dict(spec)
        kind = options.pop("kind")
        if kind == "share":
            return scope + route(options["path"])
        if kind == "Graph":
            return f"{self._user_class(options)}()"
        if kind == "ModuleDict":
            children = {name: self.module(each, scope) for name, each in options["children"].items()}
            return f"nn.ModuleDict({dictionary(children)})"
        if kind in ("Sequential", "ModuleList"):
            row = self._row(options["children"], scope)
            return f"nn.Sequential({row})" if kind == "Sequential" else f"nn.ModuleList([{row}])"
        return f"nn.{kind}({', '.join(keywords(options))})"

    def _row(self, children: list[Spec], scope: str) -> str:
        """Return expressions for modules in a row; one that comes twice is named before."""
        shared: dict[str, str] = {}
        for child in children:
            if child["kind"] == "share" and not scope and child["path"] not in shared:
                name = shared[child["path"]] = f"layer{child['path']}"
                self.before.append(f"{name} = {self.module(children[int(child['path'])])}")
        places = [child.get("path", str(position)) for position, child in enumerate(children)]
        pairs = zip(places, children)
        return ", ".join(shared.get(place) or self.module(child, scope) for place, child in pairs)

    def _user_class(self, spec: Spec) -> str:
        """Write a user's own module; return its name."""
        methods = [self._init(spec)]
        inputs = spec.get("inputs", ["x"])
        if "build" in spec:
            methods.append(_build(inputs, spec["build"]))
        methods.append(_forward(inputs, spec))
        name = f"Net{len(self.classes) + 1 if self.classes else ''}"
        body = "\n\n".join("\n".join(indented(lines)) for lines in methods)
        self.classes.append(f"class {name}(nn.Module):\n{body}")
        return name

    def _init(self, spec: Spec) -> list[str]:
        lines = ["def __init__(self):", "    super().__init__()"]
        lines += [f"    self.{name} = {value!r}" for name, value in spec.get("attributes", {}).items()]
        if "hidden" in spec:
            place, _ = HIDDEN[spec["hidden"]["where"]]
            lines += [f"    inner = {self.module(spec['hidden']['spec'])}", f"    self.outside = {place}"]
        lines += [
            f"    self.{name} = {contained(each, _parameter)}"
            for name, each in spec.get("parameters", {}).items()
        ]
        for name, each in spec.get("children", {}).items():
            lines.append(f"    self.{name} = {self.module(each, 'self')}")
        ties = spec.get("ties", [])
        return [*lines, *(f"    self{route(there)} = self{route(here)}" for there, here in ties)]


# How a forward reaches a module in a place that holds none.
HIDDEN = {
    "set": ("{inner}", "next(iter(self.outside))"),
    "deque": ("collections.deque([inner])", "self.outside[0]"),
    "object": ("types.SimpleNamespace(inner=inner)", "self.outside.inner"),
    "closure": ("lambda x: inner(x)", "self.outside"),
}


def _parameter(spec: Spec) -> str:
    options: Spec = {key: spec[key] for key in ("init", "role") if key in spec}
    kind = "Buffer" if spec.get("buffer") else "Parameter"
    return f"nn.{kind}({', '.join([written(spec['shape']), *keywords(options)])})"


def contained(data: Any, leaf: Callable[[Any], str]) -> str:
    """Return a container as source, with each part that is none written by a function."""
    found = nest(data)
    if found is None:
        return leaf(data)
    kind, described = found
    items = {name: contained(each, leaf) for name, each in described.items()}
    if kind == "dict":
        return dictionary(items)
    if kind in ("tuple", "list"):
        row = ", ".join(items.values())
        return f"[{row}]" if kind == "list" else f"({row}{',' if len(items) == 1 else ''})"
    made = {"named_tuple": "Pair", "dataclass": "Bundle"}[kind]
    return f"{made}({', '.join(f'{name}={text}' for name, text in items.items())})"


def _build(inputs: list[str], sizes: Mapping[str, list[Any]]) -> list[str]:
    """Return the method that fills unknown sizes: ``"x.-1"`` is the last one of the input x."""
    lines = [f"def build(self, {', '.join(f'{name}_shape' for name in inputs)}):"]
    for name, shape in sizes.items():
        texts = ["{}_shape[{}]".format(*n.split(".")) if isinstance(n, str) else str(n) for n in shape]
        lines.append(f"    self.{name}.shape = ({', '.join(texts)},)")
    return lines


def _forward(inputs: list[str], spec: Spec) -> list[str]:
    """Return the method that follows the program; every input but the first may be left out."""
    given = [inputs[0], *(f"{name}=None" for name in inputs[1:])]
    lines = [f"def forward(self, {', '.join(given)}):"]
    for line in spec["program"]:
        made, when = _line(spec, *line)
        mode = {"training": "self.training", "evaluating": "not self.training"}.get(when)
        lines += [f"    if {mode}:", f"        {made}"] if mode else [f"    {made}"]
    output = spec["output"]
    if isinstance(output, list):
        return [*lines, f"    return {', '.join(output)}"]
    return [*lines, f"    return {contained(output, lambda each: _argument(each, spec))}"]


def _line(
    spec: Spec,
    result: str,
    callee: str,
    arguments: list[Any],
    options: Spec | None = None,
    more: Spec | None = None,
) -> tuple[str, str]:
    """Return a line of a program as a statement, and when it is followed."""
    given, (home, _, name) = [_argument(each, spec) for each in arguments], callee.partition(".")
    more = more or {}
    given += [f"{key}={_argument(each, spec)}" for key, each in more.get("named", {}).items()]
    when = more.get("when", "")
    if home == "assign":
        return f"self.{name} = {given[0]}", when
    if home == "self":
        return f"self{route(name, spec)}({given[0]})", when
    if home == "python":
        return f"{result} = {PYTHON[name].format(*given)}", when
    function = callee if home in ("ops", "operator") else f"self{route(callee, spec)}"
    function = HIDDEN[spec["hidden"]["where"]][1] if home == "hidden" else function
    return f"{result} = {called(function, given, options or {})}", when


# What a forward may ask in plain Python.
PYTHON = {
    "size": "{}.shape[0]",
    "len": "len({})",
    "rows": "list({})",
    "equals": "3.0 if {} == {} else 0.25",
    "among": "1.5 if {} in (2, 7) else -0.5",
    "lookup": "{{2: 1.5, 3: -2.5}}.get({}, 0.75)",
    "kind": "{{type(None): 0.5, bool: 2.0, int: 3.0, float: 5.0, str: 7.0}}[type({})]",
}


def _argument(argument: Any, spec: Spec) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(_argument(each, spec) for each in argument)}]"
    if not isinstance(argument, str):
        return repr(argument)
    if argument.startswith("="):
        return written(argument[1:])
    name, _, path = argument.partition(".")
    return name + route(path, spec if name == "self" else None)


def called(function: str, given: list[str], options: Mapping[str, Any]) -> str:
    """Return a call; functions of `operator` become what they stand for."""
    home, _, name = function.rpartition(".")
    if home != "operator":
        return f"{function}({', '.join([*given, *keywords(options)])})"
    if name == "getitem":
        return f"{given[0]}[{', '.join(map(_index, options['index']))}]"
    return f"-{given[0]}" if name == "neg" else f"{given[0]} {_OPERATORS[name]} {given[1]}"


def _index(entry: Any) -> str:
    if isinstance(entry, dict):
        first, last, step = ("" if n is None else str(n) for n in entry["slice"])
        return f"{first}:{last}{f':{step}' if step else ''}"
    return str(entry)


def named(net: str) -> str:
    """Return a net's name as a variable."""
    return net.replace("-", "_")


def route(path: str, inside: Spec | None = None) -> str:
    """Return the access to a path: ``.blocks[0].weight``.

    Frameworks' own dicts of modules have no attributes, so a forward takes ``["name"]``: `inside`
    is then the spec that the path starts in.
    """
    text = ""
    for name in path.split(".") if path else []:
        is_key = name.startswith(":") or (inside is not None and inside.get("kind") == "ModuleDict")
        key = name.removeprefix(":")
        text += f"[{name}]" if name.isdigit() else f'["{key}"]' if is_key else f".{name}"
        children = inside.get("children", {}) if inside is not None else {}
        inside = children.get(name) if isinstance(children, dict) else None
    return text


def part(net: str, path: str = "") -> str:
    """Return the access to a part of a net."""
    return named(net) + route(path)


def written(value: Any) -> str:
    """Return a value as source; rows of sizes are tuples, as users write them."""
    if isinstance(value, list):
        return f"({', '.join(map(written, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return law(value)
    return json.dumps(value) if isinstance(value, str) else repr(value)


def keywords(options: Mapping[str, Any]) -> list[str]:
    """Return options as keyword arguments; a dict is a law."""
    return [f"{name}={written(value)}" for name, value in options.items()]


def dictionary(items: Mapping[str, str]) -> str:
    """Return a dict of expressions."""
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in items.items()) + "}"


def law(spec: Spec) -> str:
    """Return an initial law; `helpers` has the suite's own."""
    options = {name: value for name, value in spec.items() if name not in ("law", "counted")}
    home = "" if spec["law"] in own_laws() else "init."
    made = f"{home}{spec['law']}({', '.join(keywords(options))})"
    return f"Printed({made})" if spec.get("counted") else made


def literal(data: Spec, largest: float = LARGEST) -> str:
    """Return an expression of NumPy that gives an array: the same numbers, bit by bit."""
    values = array(data)
    if not values.size:
        return f'numpy.zeros({values.shape}, "{data["dtype"]}")'
    if values.size > largest and (data.get("fill"), data["dtype"]) == ("spread", "float32"):
        known = {name: data[name] for name in ("salt", "scale", "offset") if data.get(name)}
        return f"spread({', '.join([written(data['shape']), *keywords(known)])})"
    numbers = pprint.pformat(_numbers(values), width=100, compact=True).replace("\n", "\n   ")
    return f'numpy.array({numbers}, "{data["dtype"]}")'


def _numbers(values: Any) -> Any:
    """Return nested numbers with as few digits as their type needs."""
    if values.ndim:
        return [_numbers(each) for each in values]
    return values.item() if values.dtype.kind in "iub" else float(str(values))


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines of a block."""
    return textwrap.indent("\n".join(lines), "    ").splitlines()

"""Nets, laws, arrays and calls as the Python source that a user would type.

It writes what `worker.build` makes, from the same data, in Isomorph's public API.
"""

from __future__ import annotations

import ast
import inspect
import json
import pprint
import textwrap
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from .data import array

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
        for name, each in spec.get("parameters", {}).items():
            options = {key: each[key] for key in ("init", "role") if key in each}
            kind = "Buffer" if each.get("buffer") else "Parameter"
            given = ", ".join([written(each["shape"]), *keywords(options)])
            lines.append(f"    self.{name} = nn.{kind}({given})")
        for name, each in spec.get("children", {}).items():
            lines.append(f"    self.{name} = {self.module(each, 'self')}")
        ties = spec.get("ties", [])
        return [*lines, *(f"    self{route(there)} = self{route(here)}" for there, here in ties)]


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
    for result, callee, arguments, *rest in spec["program"]:
        function = callee if callee.startswith(("ops.", "operator.")) else f"self{route(callee, spec)}"
        made = called(function, [_argument(each) for each in arguments], rest[0] if rest else {})
        lines.append(f"    {result} = {made}")
    output = spec["output"]
    return [*lines, f"    return {output if isinstance(output, str) else ', '.join(output)}"]


def _argument(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_argument, argument))}]"
    if isinstance(argument, str):
        return written(argument[1:]) if argument.startswith("=") else argument
    return repr(argument)


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
        is_key = inside is not None and inside.get("kind") == "ModuleDict"
        text += f"[{name}]" if name.isdigit() else f'["{name}"]' if is_key else f".{name}"
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


@lru_cache(maxsize=1)
def own_laws() -> dict[str, str]:
    """Return the source of the suite's own laws by name, without annotations."""
    from .worker.build import OWN_LAWS

    return {name: _bare(inspect.getsource(kind)) for name, kind in OWN_LAWS.items()}


def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
        elif isinstance(node, ast.Name) and node.id == "np":
            node.id = "numpy"
    return ast.unparse(tree)


def helpers(backend: str) -> dict[str, str]:
    """Return what scripts may use beside the library, by name."""
    return {
        **own_laws(),
        **{name: text.strip().replace("BACKEND", backend) for name, text in _HELPERS.items()},
    }


_HELPERS = {
    "Printed": '''
class Printed(init.Law):
    """A law that prints every parameter it is asked for."""

    def __init__(self, law):
        self.law = law

    def __call__(self, name, shape, dtype, generator):
        print(name, shape)
        return self.law(name, shape, dtype, generator)
''',
    "spread": '''
def spread(shape, salt=0, scale=1, offset=0):
    """Return numbers between -1.2 and 1.5, all different, in the irregular order of a hash."""
    count = int(numpy.prod(shape))
    keys = (numpy.arange(count, dtype="uint64") + (1 + salt * 2654435761 % 2**32)) % 2**32
    for shift, factor in (16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1):
        keys = (keys ^ (keys >> shift)) * factor % 2**32
    share = (numpy.argsort(numpy.argsort(keys)) + 0.37) / count
    values = -1.2 + 2.7 * share * (0.8 + 0.2 * share)
    return (values * scale + offset).astype("float32").reshape(shape)
''',
    "tensor": '''
def tensor(values):
    """Return an array as the framework's own tensor."""
    return isomorph.backend("BACKEND").from_numpy(values, Options())
''',
    "run_alone": '''
def run_alone(net, x):
    """Return what the net's script in the framework's own API gives for an input."""
    script = {}
    exec(isomorph.backend("BACKEND").native_script(net, net.data_format, net.training), script)
    return script["run"]({path: each.numpy() for path, each in net.state().items()}, x)
''',
}
_IMPORTS = (
    {
        "copy": "import copy",
        "pickle": "import pickle",
        "threading": "import threading",
        "ThreadPoolExecutor": "from concurrent.futures import ThreadPoolExecutor",
    },
    {"numpy": "import numpy"},
    {"isomorph": "import isomorph"},
)


def assembled(classes: list[str], lines: list[str], backend: str) -> str:
    """Return a script: what it uses is imported and defined above it, and nothing else."""
    text = "\n".join(lines)
    known = helpers(backend)
    met = _names("\n".join([text, *classes]))
    above = [source for name, source in known.items() if name in met]
    met |= _names("\n".join(above))
    blocks = [[line for name, line in group.items() if name in met] for group in _IMPORTS]
    parts = [name for name in ("init", "nn", "ops") if name in met]
    blocks[-1] += [f"from isomorph import {', '.join(parts)}"] if parts else []
    blocks[-1] += ["from isomorph.adapter import Options"] if "Options" in met else []
    head = "\n\n".join("\n".join(block) for block in blocks if block)
    if not above and not classes:
        return f"{head}\n\n{text}\n"
    return "\n\n\n".join([head, *above, *classes, text]) + "\n"


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}

"""A case as a script that stands alone: in the framework's own API where it is one layer's values.

Written beside a failure, for people who do not know the suite. Everything else becomes a script in
Isomorph's public API.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .data import array
from .judge import expected_of
from .manifest import by_id, load
from .model.machine import UNKNOWN
from .spec import clause

Case = dict[str, Any]
# In scripts of Isomorph's API a larger array is made by the suite's own function.
_LARGEST = 120.0


def script(case: Case, backend: str) -> str:
    """Return the script for a case; imports the backend's framework."""
    head = f'"""{case["id"]} on {backend}.\n\n{case["clause"]}: {clause(case["clause"]).text}\n"""\n\n'
    return head + (_native(case, backend) or _steps(case, backend))


def scripts(names: Iterable[str], backend: str) -> dict[str, str]:
    """Return scripts by id, written in a process of their own: frameworks stay out of this one."""
    command = [sys.executable, "-m", "isomorph.conformance.script", backend]
    done = subprocess.run(
        command, input=json.dumps(list(names)), capture_output=True, text=True, timeout=300, check=False
    )
    try:
        found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return found


def _native(case: Case, backend: str) -> str | None:
    """Return the script in the framework's own API, None where the case is more than one layer's values."""
    import isomorph

    from .worker.build import module

    verbs = [verb for verb, _ in case["steps"]]
    spec = case["steps"][0][1].get("spec", {})
    if verbs not in (_ONE_LAYER, [v for v in _ONE_LAYER if v != "set_all"]) or spec["kind"] in (
        "Sequential",
        "Graph",
    ):
        return None
    steps = dict(case["steps"])
    data_format = steps["to"].get("data_format", "channels_first")
    try:
        source = isomorph.backend(backend).native_script(module(spec, []), data_format, False)
    except isomorph.errors.NotSupportedError:
        return None
    x = steps["call"]["inputs"][0]
    values = steps.get("set_all", {"values": {}})["values"]
    lines = [source, "", "parameters = {"]
    lines += [f"    {name!r}: {_literal(data, math.inf)}," for name, data in values.items()]
    lines += ["}", f"x = {_literal(x, math.inf)}", "print(run(parameters, x))"]
    expected = expected_of(case)[-1].result["output"][0]
    if expected is not UNKNOWN:
        text = np.array2string(np.asarray(expected), precision=6, threshold=60)
        lines += ["# expected:", *(f"# {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


_ONE_LAYER = ["construct", "to", "mode", "set_all", "call"]


def _literal(data: Case, largest: float = _LARGEST) -> str:
    values = array(data)
    if values.size > largest:
        return f"array({data!r})"
    return f'numpy.array({_shortest(values.tolist())}, "{data["dtype"]}")'


def _shortest(values: Any) -> Any:
    """Return nested numbers with as few digits as single precision needs."""
    if isinstance(values, list):
        return [_shortest(each) for each in values]
    return float(f"{values:.9g}") if isinstance(values, float) else values


def _steps(case: Case, backend: str) -> str:
    """Return the script in Isomorph's public API."""
    lines = ["import copy", "import pickle", "", "import numpy", "", "from isomorph import init, nn, ops"]
    lines += ["from isomorph.conformance.data import array", ""]
    classes: list[str] = []
    body: list[str] = []
    for verb, arguments in case["steps"]:
        arguments = dict(arguments)
        goes_on = arguments.pop("goes_on", False)
        made = _line(verb, arguments, backend, classes)
        body += (
            ["try:", *(f"    {line}" for line in made), "except Exception as error:", "    print(error)"]
            if goes_on
            else made
        )
    return "\n".join([*lines, *classes, *body, "print(net.parameters())"]) + "\n"


def _line(verb: str, given: Case, backend: str, classes: list[str]) -> list[str]:
    net = given.pop("net", "net")
    part = _part(net, given.get("path", ""))
    if verb == "construct":
        return [f"{net} = {_net(given['spec'], classes)}"]
    if verb == "to":
        name = {"self": backend, "none": None}.get(given.pop("backend", "self"), given.get("backend"))
        name = "numpy" if name is None and "backend" not in given else name
        return [f"{net}.to({', '.join([repr(name), *(f'{k}={v!r}' for k, v in given.items())])})"]
    if verb == "initialize":
        law = _law(given.get("law"))
        if given.get("patterns"):
            law = "{" + ", ".join(f"{k!r}: {_law(v)}" for k, v in given["patterns"].items()) + "}"
        rest = [f"{name}={given[name]!r}" for name in ("seed", "force") if name in given]
        return [f"{part}.initialize({', '.join([law, *rest])})"]
    if verb in ("call", "call_in_threads"):
        values = [_value(each) for each in given["inputs"]]
        values += [f"{name}={_value(each)}" for name, each in (given.get("named") or {}).items()]
        return [f"print({part}({', '.join(values)}))"]
    if verb in ("set", "set_all"):
        data = given["values"] if verb == "set_all" else {given["path"]: given["data"]}
        return [f"{_part(net, path)}.set({_literal(each)})" for path, each in data.items()]
    if verb == "freeze":
        return [f"{part}.trainable = {given.get('trainable', False)}"]
    if verb == "mode":
        return [f"{part}.train({given['training']})"]
    if verb in ("copy", "pickle"):
        source = f"copy.deepcopy({part})" if verb == "copy" else f"pickle.loads(pickle.dumps({net}))"
        return [f"{given['to']} = {source}"]
    if verb == "infer":
        return [f"print({net}.infer({', '.join(str(tuple(shape)) for shape in given['shapes'])}))"]
    if verb == "gradients":
        losses = {
            "sum": "ops.sum(y)",
            "half-square-sum": "ops.sum(y * y) * 0.5",
            "mean-cube": "ops.mean(y * y * y)",
        }
        inputs = ", ".join(_value(each) for each in given["inputs"])
        return [f"print({net}.gradients(lambda y: {losses[given['loss']]}, {inputs}))"]
    if verb == "read":
        return [f"print({part}.{'numpy()' if given.get('what', 'value') == 'value' else given['what']})"]
    return [f"# {verb} {json.dumps(given)}"]


def _part(net: str, path: str) -> str:
    return net + "".join(f"[{name}]" if name.isdigit() else f".{name}" for name in path.split(".") if name)


def _value(data: Any) -> str:
    return _literal(data) if isinstance(data, dict) else repr(data)


def _law(law: Case | None) -> str:
    if law is None:
        return "None"
    options = ", ".join(f"{k}={v!r}" for k, v in law.items() if k not in ("law", "counted"))
    return f"init.{law['law']}({options})"


def _net(spec: Case, classes: list[str]) -> str:
    """Return an expression for a net; users' own modules become classes above it."""
    options = {name: value for name, value in spec.items() if name != "kind"}
    kind = spec["kind"]
    if kind in ("Sequential", "ModuleList"):
        children = ", ".join(_net(child, classes) for child in options["children"])
        return f"nn.Sequential({children})" if kind == "Sequential" else f"nn.ModuleList([{children}])"
    if kind == "ModuleDict":
        return (
            "nn.ModuleDict({"
            + ", ".join(f"{k!r}: {_net(v, classes)}" for k, v in options["children"].items())
            + "})"
        )
    if kind == "share":
        return _part("self", options["path"])
    if kind == "Graph":
        name = f"Net{len(classes) or ''}"
        classes.append("")
        body = [f"class {name}(nn.Module):", "    def __init__(self):", "        super().__init__()"]
        for own, each in options.get("parameters", {}).items():
            given = f"{tuple(each['shape'])}, {_law(each.get('init'))}, role={each.get('role', 'weight')!r}"
            body.append(f"        self.{own} = nn.Parameter({given})")
        body += [
            f"        self.{child} = {_net(each, classes)}"
            for child, each in options.get("children", {}).items()
        ]
        body += [
            f"        {_part('self', there)} = {_part('self', here)}"
            for there, here in options.get("ties", [])
        ]
        inputs = options.get("inputs", ["x"])
        body += ["", f"    def forward(self, {', '.join(inputs)}):"]
        for result, callee, arguments, *rest in options["program"]:
            values = ", ".join(_argument(each) for each in arguments)
            more = "".join(f", {k}={v!r}" for k, v in (rest[0] if rest else {}).items())
            function = callee if callee.partition(".")[0] == "ops" else _part("self", callee)
            body.append(f"        {result} = {function}({values}{more})")
        body += [f"        return {options['output']}", "", ""]
        classes[:] = [*classes, "\n".join(body)]
        return f"{name}()"
    laws = {name: _law(value) for name, value in options.items() if name.endswith("_init")}
    known = {
        name: repr(tuple(v) if isinstance(v, list) else v) for name, v in options.items() if name not in laws
    }
    return f"nn.{kind}({', '.join(f'{k}={v}' for k, v in (known | laws).items())})"


def _argument(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_argument, argument))}]"
    if isinstance(argument, str):
        return repr(argument[1:]) if argument.startswith("=") else argument
    return repr(argument)


if __name__ == "__main__":
    known = by_id(load())
    print(json.dumps({name: script(known[name], sys.argv[1]) for name in json.load(sys.stdin)}))

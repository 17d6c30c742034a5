"""A case as a script that stands alone: in the framework's own API where it is one layer's values.

Written beside a failure, for people who do not know the suite. Everything else becomes a script in
Isomorph's public API, which imports nothing of the suite.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .assembly import assembled
from .judge import expected_of
from .manifest import by_id, load
from .model.machine import UNKNOWN
from .source import (
    Nets,
    called,
    contained,
    dictionary,
    indented,
    keywords,
    literal,
    named,
    part,
    written,
)
from .spec import clause

Case = dict[str, Any]
Spec = dict[str, Any]


def script(case: Case, backend: str) -> str:
    """Return the script for a case; imports the backend's framework."""
    return _native(case, backend) or in_isomorph(case, backend)


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


def _head(case: Case, backend: str) -> str:
    return f'"""{case["id"]} on {backend}.\n\n{case["clause"]}: {clause(case["clause"]).text}\n"""\n\n'


def _native(case: Case, backend: str) -> str | None:
    """Return the script in the framework's own API, None where the case is more than one layer's values."""
    import isomorph

    from .worker.build import module

    verbs = [verb for verb, _ in case["steps"]]
    if verbs not in (_ONE_LAYER, [v for v in _ONE_LAYER if v != "set_all"]):
        return None
    steps, expected = dict(case["steps"]), expected_of(case)[-1]
    layer, options = module(steps["construct"]["spec"], []), steps["to"]
    values = steps.get("set_all", {"values": {}})["values"]
    # The values below are in single precision, and a script has no initial laws.
    if not isinstance(layer, isomorph.nn.Layer) or "dtype" in options or set(values) != set(layer.state()):
        return None
    data_format = options.get("data_format", "channels_first")
    try:
        source = isomorph.backend(backend).native_script(layer, data_format, False)
    except isomorph.errors.NotSupportedError:
        return None
    x = steps["call"]["inputs"][0]
    lines = [source, "", "parameters = {"]
    lines += [f"    {name!r}: {literal(data, math.inf)}," for name, data in values.items()]
    lines += ["}", f"x = {literal(x, math.inf)}", "print(run(parameters, x))"]
    output = UNKNOWN if expected.error else expected.result["output"][0]
    if output is not UNKNOWN:
        text = np.array2string(np.asarray(output), precision=6, threshold=60)
        lines += ["# expected:", *(f"# {line}" for line in text.splitlines())]
    return _head(case, backend) + "\n".join(lines) + "\n"


_ONE_LAYER = ["construct", "to", "mode", "set_all", "call"]


def in_isomorph(case: Case, backend: str) -> str:
    """Return the script in Isomorph's public API; imports no framework."""
    steps = _Steps(backend)
    lines: list[str] = []
    for (verb, arguments), expected, shown in zip(case["steps"], expected_of(case), _shown(case)):
        arguments = dict(arguments)
        goes_on = arguments.pop("goes_on", False)
        made = getattr(steps, f"do_{verb}")(**arguments)
        lines += steps.taken_before()
        if expected.error:
            lines.append(f"# must raise {expected.error['type']}")
        if goes_on:
            said = 'print(f"{type(error).__name__}: {error}")'
            made = ["try:", *indented(made), "except Exception as error:", f"    {said}"]
        elif expected.error and shown:
            made, shown = ["try:", *indented(made), "finally:", *indented(shown)], []
        lines += [*made, *shown]
    return _head(case, backend) + assembled(steps.nets.classes, lines, backend)


_EACH = "print({path: %s for path, parameter in NET.state().items()})"
# What prints a fact of the nets; outputs are printed by their own steps.
_FACTS = {
    **dict.fromkeys(("shapes", "states", "dtypes", "paths", "aliases"), "print(NET.state())"),
    **dict.fromkeys(("values", "statistics"), _EACH % "parameter.numpy() if parameter.is_ready else None"),
    **{name: _EACH % f"parameter.{name}" for name in ("name", "kind", "trainable")},
    "requested": _EACH % "parameter.is_requested",
    "backend": "print(NET.backend)",
}


def _shown(case: Case) -> list[list[str]]:
    """Return, for each step, the lines that print what is asked of the nets after it."""
    found, names = [], []
    for position, (verb, arguments) in enumerate(case["steps"]):
        if verb in ("construct", "copy", "pickle"):
            names.append(named(arguments["to"] if "to" in arguments else arguments.get("net", "net")))
        asked = [name for step, name, *_ in case["ask"] if step == position and name in _FACTS]
        texts = dict.fromkeys(_FACTS[name] for name in asked)
        found.append([text.replace("NET", name) for text in texts for name in dict.fromkeys(names)])
    return found


_LOSSES = {
    "sum": "ops.sum",
    "half-square-sum": "lambda y: ops.sum(y * y) * 0.5",
    "mean-cube": "lambda y: ops.mean(y * y * y)",
}


class _Steps:
    """The verbs of the steps, as in `worker.session`: each returns the lines that a user would type."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.nets = Nets()
        self.inputs: dict[str, str] = {}
        """The name of each array that a net was called with, by its text."""

    def taken_before(self) -> list[str]:
        """Return the lines that must stand before the step's own."""
        lines, self.nets.before = self.nets.before, []
        return lines

    # Making nets.

    def do_construct(self, spec: Spec, net: str = "net") -> list[str]:
        return [f"{named(net)} = {self.nets.module(spec)}"]

    def do_to(self, backend: str = "self", net: str = "net", **options: Any) -> list[str]:
        name = [written(self.backend if backend == "self" else backend)]
        return [f"{named(net)}.to({', '.join([*name, *keywords(options)])})"]

    def do_copy(self, to: str, net: str = "net", path: str = "") -> list[str]:
        return [f"{named(to)} = copy.deepcopy({part(net, path)})"]

    def do_pickle(self, to: str, net: str = "net") -> list[str]:
        return [f"{named(to)} = pickle.loads(pickle.dumps({named(net)}))"]

    def do_assign(self, path: str, spec: Spec, net: str = "net") -> list[str]:
        return [f"{part(net, path)} = {self.nets.module(spec, named(net))}"]

    def do_append(self, spec: Spec, net: str = "net", path: str = "") -> list[str]:
        return [f"{part(net, path)}.append({self.nets.module(spec, named(net))})"]

    def do_remove(self, path: str, net: str = "net") -> list[str]:
        return [f"del {part(net, path)}"]

    def do_tie(self, there: str, here: str, net: str = "net") -> list[str]:
        return [f"{part(net, there)} = {part(net, here)}"]

    # Sizes and values.

    def do_initialize(
        self,
        law: Spec | None = None,
        patterns: dict[str, Spec] | None = None,
        path: str = "",
        net: str = "net",
        **options: Any,
    ) -> list[str]:
        given = [] if law is None else [written(law)]
        if patterns is not None:
            given = [dictionary({pattern: written(each) for pattern, each in patterns.items()})]
        return [f"{part(net, path)}.initialize({', '.join([*given, *keywords(options)])})"]

    def do_infer(self, shapes: list[Any], net: str = "net") -> list[str]:
        given = ", ".join(contained(each, _spec) for each in shapes)
        return [f"print({named(net)}.infer({given}))"]

    def do_apply_init(
        self, inputs: list[Any], law: Spec | None = None, net: str = "net", **options: Any
    ) -> list[str]:
        given = self.given(inputs)
        first = given[0] if len(given) == 1 else f"({', '.join(given)})"
        rest = [*([] if law is None else [written(law)]), *keywords(options)]
        return [f"{named(net)}.apply_init({', '.join([first, *rest])})"]

    def do_set(self, path: str, data: Spec, net: str = "net") -> list[str]:
        return [f"{part(net, path)}.set({literal(data)})"]

    def do_set_all(self, values: dict[str, Any], net: str = "net") -> list[str]:
        return [line for path, data in values.items() for line in self.do_set(path, data, net)]

    def do_edit(
        self, path: str, value: Any, index: list[int] | None = None, add: bool = False, net: str = "net"
    ) -> list[str]:
        where = ":" if index is None else ", ".join(map(str, index))
        return [f"{part(net, path)}[{where}] {'+=' if add else '='} {value!r}"]

    def do_read(self, path: str, what: str = "value", net: str = "net") -> list[str]:
        return [f"print({part(net, path)}.{'numpy()' if what == 'value' else what})"]

    def do_change(self, path: str, value: Any, net: str = "net") -> list[str]:
        return [f"{part(net, path)} = {value!r}"]

    def do_freeze(self, path: str, trainable: bool = False, net: str = "net") -> list[str]:
        return [f"{part(net, path)}.trainable = {trainable}"]

    def do_mode(self, training: bool, path: str = "", net: str = "net") -> list[str]:
        return [f"{part(net, path)}.{'train' if training else 'eval'}()"]

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
    ) -> list[str]:
        given = self.given(inputs, as_native)
        named = named or {}
        given += [f"{key}={each}" for key, each in zip(named, self.given(named.values(), as_native))]
        called = f"{part(net, path)}({', '.join(given)})"
        return [f"y = isomorph.to_numpy({called})" if as_numpy else f"y = {called}", "print(y)"]

    def do_call_in_threads(self, inputs: list[Any], count: int, net: str = "net") -> list[str]:
        call = f"{named(net)}({', '.join(self.given(inputs))})"
        self.nets.before += [f"start = threading.Barrier({count})", "", ""]
        self.nets.before += ["def call(position):", "    start.wait()", f"    return {call}", "", ""]
        pool = f"with ThreadPoolExecutor({count}) as pool:"
        return [pool, f"    y = list(pool.map(call, range({count})))", "print(y)"]

    def do_gradients(self, inputs: list[Any], loss: str, net: str = "net") -> list[str]:
        given = ", ".join([_LOSSES[loss], *self.given(inputs)])
        return [f"gradients = {named(net)}.gradients({given})", "print(gradients)"]

    def do_op(self, op: str, arrays: list[Any], options: dict[str, Any]) -> list[str]:
        given = [
            written(each["number"]) if "number" in each else self.given([each], True)[0] for each in arrays
        ]
        options = dict(options)
        if op in ("concat", "stack"):
            given = [f"[{', '.join(given)}]"]
        if op == "einsum":
            given.insert(0, written(options.pop("equation")))
        name = op if op.startswith("operator.") else f"ops.{op}"
        return [f"y = {called(name, given, options)}", "print(y)"]

    def given(self, inputs: Iterable[Any], as_native: bool = False) -> list[str]:
        """Return the names of inputs; the lines that make them stand before the step."""
        return [contained(each, lambda part: self._input(part, as_native)) for each in inputs]

    def _input(self, data: Any, as_native: bool) -> str:
        if not isinstance(data, dict):
            return written(data)
        text = f"tensor({literal(data)})" if as_native else literal(data)
        if text not in self.inputs:
            self.inputs[text] = f"x{len(self.inputs) + 1 if self.inputs else ''}"
            self.nets.before.append(f"{self.inputs[text]} = {text}")
        return self.inputs[text]

    # Looking.

    def do_text(self, what: str, net: str = "net") -> list[str]:
        return [f"print({named(net)}{'' if what == 'repr' else f'.{what}()'})"]

    def do_native(self, net: str = "net", path: str = "") -> list[str]:
        return [f"print(type({part(net, path)}.native), {part(net, path)}.native)"]

    def do_native_script(self, inputs: dict[str, Any]) -> list[str]:
        called = [f"    run_alone({named(net)}, {self.given([x])[0]})," for net, x in inputs.items()]
        return ["y = [", *called, "]", "print(y)"]

    def do_variables(self, net: str = "net", source: str | None = None) -> list[str]:
        return [f"{named(net)}.variables = {named(source or net)}.variables"]

    def do_count(self, net: str = "net") -> list[str]:
        return [f"print(sum(parameter.shape.size for parameter in {named(net)}.parameters().values()))"]

    def do_select(self, pattern: str, net: str = "net") -> list[str]:
        return [f"print(list({named(net)}.parameters().select({written(pattern)})))"]


def _spec(data: Any) -> str:
    """Return a shape, or a shape and its type, as a user writes it."""
    if not isinstance(data, dict):
        return written(tuple(data))
    return f"isomorph.adapter.TensorSpec({tuple(data['shape'])}, {data['dtype']!r})"


if __name__ == "__main__":
    known = by_id(load())
    print(json.dumps({name: script(known[name], sys.argv[1]) for name in json.load(sys.stdin)}))

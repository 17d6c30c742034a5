"""What the command line shows: where each backend stands, and what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .judge import GOOD, expected_of
from .model.machine import UNKNOWN
from .profile import questions
from .spec import clause
from .verdict import headline

Report = dict[str, Any]
SHOWN = 25
# Of how many failures the script is printed; the report holds all of them.
SCRIPTS = 1


@contextmanager
def progress(names: list[str]) -> Iterator[Callable[[str, int, int, str], None] | None]:
    """Show on standard error where each backend stands; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}
        bad: dict[str, int] = dict.fromkeys(names, 0)

        def show(name: str, done: int, total: int, status: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, note="")
            bad[name] = bad.get(name, 0) + (bool(done) and status not in GOOD)
            note = "starting" if not done else (f"{bad[name]} not good" if bad[name] else "")
            bars.update(tasks[name], completed=done, note=note)

        yield show


def show(report: Report, trace: bool) -> None:
    """Print the outcome: root failures first, then one row a backend, then the verdict."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for backend in report["backends"]:
        _show_failures(console, backend, trace)
        if trace:
            for result in backend["results"]:
                console.print(f"{backend['name']}  {result['id']}  {result['status']}", markup=False)
                for line in result.get("log", []):
                    console.print(f"    {line}", markup=False)
    for difference in report["differences"][:SHOWN]:
        console.print(f"difference  {difference['line']}", markup=False)
    table = Table(
        "backend", "state", "levels", "passed", "expected", "unsupported", "not good", "time", box=None
    )
    for each in report["backends"]:
        counts = each["counts"]
        levels = " · ".join(f"{name} {n['passed']}/{n['required']}" for name, n in each["levels"].items())
        bad = ", ".join(f"{n} {status}" for status, n in counts.items() if n and status not in GOOD)
        table.add_row(
            each["name"],
            each["state"],
            levels,
            f"{counts['pass']} of {each['required']}",
            str(counts["xfail"]),
            str(counts["unsupported"]),
            bad or "none",
            f"{each['wall_s']:.0f} s",
        )
    console.print(table)
    console.print(f"suite {report['suite']}, {report['manifest'][:19]}, {report['wall_s']:.0f} s")
    reasons = report["verdict"]["why"]
    more = [f"and {len(reasons) - 5} more"] if len(reasons) > 5 else []
    allowed = sum(each["counts"]["xfail"] for each in report["backends"])
    good = "every required case ran and is as it must be"
    good += f", {allowed} by failing as their backends expect" if allowed else ""
    why = "; ".join([*reasons[:5], *more]) or good
    console.print(f"{headline(report)}: {why}", markup=False)


def _show_failures(console: Console, backend: Report, trace: bool) -> None:
    bad = [result for result in backend["results"] if result["status"] not in GOOD]
    roots = [result for result in bad if result["status"] not in ("blocked", "missing")]
    for problem in backend["problems"]:
        console.print(f"{backend['name']}  profile: {problem}", markup=False)
    # What a profile without an answer is asked all the same says little.
    is_answered = len(backend["capabilities"]) == len(questions())
    for position, result in enumerate(roots[: SHOWN if is_answered else 0]):
        console.print(f"{backend['name']}  {result['status']}  {result['line']}", markup=False)
        console.print(f"    {result['command']}", markup=False)
        if trace and result.get("stderr"):
            console.print(result["stderr"].rstrip(), markup=False)
        if result.get("script") and (trace or position < SCRIPTS):
            for line in result["script"].splitlines():
                console.print(f"    | {line[:200]}", markup=False)
    if bad and not is_answered and not backend["message"]:
        console.print(f"{backend['name']}  {len(bad)} cases are not good; answer the questions first")
    elif len(roots) > SHOWN:
        more = (
            f"{backend['name']}  ... and {len(roots) - SHOWN} more; --report FOLDER holds all, with scripts"
        )
        console.print(more, markup=False)
    if backend["message"]:
        console.print(f"{backend['name']}  {backend['state']}: {backend['message']}", markup=False)


def show_case(case: dict[str, Any]) -> None:
    """Print a case: clause, steps, what is asked after each, and the answer that is expected."""
    print(f"{case['id']}\n  {case['clause']}: {clause(case['clause']).text}")
    print(f"  oracle: {case['oracle']}; needs: {', '.join(case['needs']) or 'nothing'}")
    print(f"  capabilities: {', '.join(case['capabilities']) or 'core, none may be missing'}")
    for position, (step, expected) in enumerate(zip(case["steps"], expected_of(case))):
        print(f"  {position} {step[0]} {json.dumps(step[1])}")
        literal = case.get("expect", {}).get(str(position), {})
        for asked, name, *options in case["ask"]:
            if asked != position:
                continue
            said = f"asks {name}: {_said(name, expected, *options)}".replace(": \n", ":\n")
            print(f"      {said}".replace("\n", "\n          "))
            if name in literal:
                print(f"          the case itself says: {json.dumps(literal[name])}")


# What is not the model's to say.
_BEYOND = {
    "native.class": "as the profile claims of {kind}",
    "native.names": "as the profile claims of {kind}",
    "native.user_class": "an instance of the user's own class",
    "dropout": "each 0 or 1 / (1 - {p}); as many 0 as {p}, within six standard deviations",
    "text": "each parameter's path and shape in it",
    "compiled": "the user's forward does not run in Python",
    "eager": "the user's forward runs in Python",
    "output.numpy": "NumPy's arrays",
}
_FACTS = {"shapes": "shape", "states": "state", "dtypes": "dtype", "paths": "path"}
_RESULTS = {
    "output.shape": "shapes",
    "output.dtype": "dtypes",
    "output.owned": "owned",
    "output.structure": "structure",
    "selected": "paths",
}


def _said(name: str, expected: Any, options: dict[str, Any] | None = None) -> str:
    """Return what is expected of an observable; arrays follow on lines of their own."""
    options, result = options or {}, expected.result
    if "like" in options:
        return f"as in step {options['like']}"
    if "unlike" in options:
        return f"other values than step {options['unlike']}"
    if name in _BEYOND:
        return _BEYOND[name].format(**options)
    if name == "error":
        return str(expected.error or "no error")
    if name == "error.text":
        path = (expected.error or {}).get("path")
        return f"a first line{f' that names {path}' if path else ''}, then the next step"
    if name == "native.memory":
        return "memory for every parameter" if result["is_ready"] else "no memory before sizes are known"
    if name in ("law_calls", "warnings", "aliases"):
        return str(getattr(expected, name))
    if name in ("values", "statistics"):
        return _arrays(_of_nets(expected, lambda each: _values(name, each)))
    if name in ("output", "value", "gradients"):
        return _arrays(_returned(name, result))
    if name in (*_FACTS, "name", "kind", "trainable", "requested"):
        facts = _of_nets(expected, lambda each: each[_FACTS.get(name, name)])
        return str(list(facts) if name == "paths" else facts)
    return str(result[_RESULTS.get(name, name)])


def _of_nets(expected: Any, fact: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return a fact of each parameter by path, behind the net's name where there are several."""
    several = len(expected.state) > 1
    return {
        f"{net}: {each['path']}" if several else each["path"]: fact(each)
        for net, state in expected.state.items()
        for each in state
    }


def _values(name: str, each: dict[str, Any]) -> tuple[str, Any]:
    # Values that were computed are held against the model as statistics only.
    is_open = name == "values" and not each["is_exact"] and each["value"] is not None
    return each["dtype"], UNKNOWN if is_open else each["value"]


def _returned(name: str, result: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    if name == "gradients":
        return {path: ("", value) for path, value in result["gradients"].items()}
    if name == "value":
        return {"": (str(getattr(result["value"], "dtype", "")), result["value"])}
    outputs = list(zip(result["dtypes"], result["output"]))
    return {f"output {n}" if len(outputs) > 1 else "": each for n, each in enumerate(outputs)}


def _arrays(named: dict[str, tuple[str, Any]]) -> str:
    """Return arrays as text, by name: type, shape, and the values that NumPy's own summary shows."""
    lines = []
    for name, (dtype, value) in named.items():
        if value is None or value is UNKNOWN:
            text = "no values" if value is None else "left open"
        else:
            values = np.array2string(np.asarray(value), threshold=40, edgeitems=2)
            text = f"{dtype} {np.shape(value)}\n{values}".lstrip()
        lines.append(f"{name}: {text}" if name else text)
    first = "" if list(named) == [""] else "\n"
    return first + "\n".join(lines) if lines else "none"

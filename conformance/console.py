"""What the command line shows: where each backend stands, and what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
    why = "; ".join(report["verdict"]["why"][:5]) or "every required case ran and is as it must be"
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
        if result.get("script") and (trace or position < SCRIPTS):
            for line in result["script"].splitlines():
                console.print(f"    | {line[:200]}", markup=False)
    if bad and not is_answered and not backend["message"]:
        console.print(f"{backend['name']}  {len(bad)} cases are not good; answer the questions first")
    elif len(roots) > SHOWN:
        console.print(f"{backend['name']}  ... and {len(roots) - SHOWN} more")
    if backend["message"]:
        console.print(f"{backend['name']}  {backend['state']}: {backend['message']}", markup=False)


def show_case(case: dict[str, Any]) -> None:
    """Print a case: clause, steps, and what the spec says of each."""
    print(f"{case['id']}\n  {case['clause']}: {clause(case['clause']).text}")
    print(f"  oracle: {case['oracle']}; needs: {', '.join(case['needs']) or 'nothing'}")
    print(f"  capabilities: {', '.join(case['capabilities']) or 'core, none may be missing'}")
    asked: dict[int, list[str]] = {}
    for step, observable, *_ in case["ask"]:
        asked.setdefault(step, []).append(observable)
    for position, (step, expected) in enumerate(zip(case["steps"], expected_of(case))):
        print(f"  {position} {step[0]} {json.dumps(step[1])}")
        for name in asked.get(position, []):
            print(f"      asks {name}: {_said(name, expected)}")


def _said(observable: str, expected: Any) -> str:
    if observable.startswith("error"):
        return str(expected.error)
    if observable == "output":
        outputs = expected.result["output"]
        return ", ".join("left open" if each is UNKNOWN else str(each.ravel()[:6]) for each in outputs)
    facts = {"shapes": "shape", "states": "state", "dtypes": "dtype"}
    if observable in facts:
        return str({each["path"]: each[facts[observable]] for each in expected.state.get("net", [])})
    if observable == "law_calls":
        return str(expected.law_calls)
    return str(expected.result.get(observable.partition(".")[2] or observable, "as the clause says"))[:300]

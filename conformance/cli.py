"""``isomorph conformance``: run, list, show, smoke, verify, new-backend, explore.

Exit codes: 0 all is well, 1 a backend does not conform, 2 the command's own arguments.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Prove that backends defer, infer and initialise identically.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
BackendOption = Annotated[
    str, typer.Option("--backend", "-b", help="A backend, several with commas, or all.")
]
CaseOption = Annotated[
    list[str] | None, typer.Option("--case", help="An exact id; may be given several times.")
]
ReportOption = Annotated[Path | None, typer.Option(help="Folder to write the reports to.")]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", help="A conformance.toml to use instead of the backend's own.")
]
MemoryOption = Annotated[
    float, typer.Option("--memory-mb", min=64, help="Memory at which a worker is ended.")
]
TimeoutOption = Annotated[float, typer.Option("--timeouts", min=0.01, help="A factor on every time limit.")]
WorkerOption = Annotated[int | None, typer.Option(min=1, help="Backends at once; by default one a core.")]


@app.callback()
def root() -> None:
    """Raise `PackageNotInstalledError` at once where a package of the extra is missing."""
    from importlib.util import find_spec

    from isomorph.errors import PackageNotInstalledError

    for package in ("psutil", "packaging"):
        if find_spec(package) is None:
            raise PackageNotInstalledError.of("isomorph conformance", package, "conformance")


@app.command()
def run(
    backend: BackendOption = "all",
    case: CaseOption = None,
    require: Annotated[str, typer.Option(help="Backends that must be there, with commas.")] = "",
    report: ReportOption = None,
    previous: Annotated[
        Path | None, typer.Option(help="An earlier report.json, to show what changed.")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print what each step showed.")] = False,
    profile: ProfileOption = None,
    workers: WorkerOption = None,
    memory_mb: MemoryOption = 8192.0,
    timeouts: TimeoutOption = 1.0,
    shuffle: Annotated[
        int | None, typer.Option(metavar="SEED", help="Run the cases in an order drawn from SEED.")
    ] = None,
) -> None:
    """Run the suite; exit 0 only if every required case ran and is as it must be."""
    from . import console, suite

    names = _names(backend, require)
    earlier = _earlier(previous)
    if report is not None:
        _writable(report)
    # A worker's home and process are put away behind it, whoever ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    settings = suite.Settings(
        tuple(names),
        selection=None if case is None else tuple(_known(case)),
        shuffle=shuffle,
        workers=workers,
        profile=profile,
        memory_mb=memory_mb,
        timeouts=timeouts,
        command="isomorph " + " ".join(sys.argv[1:]),
    )
    with console.progress(names) as show:
        made = suite.run(settings, show)
    if report is not None:
        from .manifest import load
        from .report import write
        from .spec import CLAUSES

        texts = {clause.id: clause.text for clause in CLAUSES}
        for path in write(made, {**load(), "clauses": texts}, report, earlier):
            print(f"wrote {path}")
    console.show(made, trace)
    if not made["verdict"]["ok"]:
        raise typer.Exit(1)


@app.command()
def smoke(backend: BackendOption = "numpy", profile: ProfileOption = None) -> None:
    """Run 12 cases and what they need; says whether the harness or the backend is wrong."""
    from isomorph import registry

    from . import console, suite
    from .judge import GOOD
    from .manifest import load

    names = _names(backend, "")
    selection = tuple(load()["smoke"])
    reference = suite.run(suite.Settings((registry.DEFAULT,), selection=selection))
    if not reference["verdict"]["ok"]:
        print("harness wrong: the reference backend fails the smoke test on this machine")
        console.show(reference, False)
        raise typer.Exit(1)
    others = tuple(name for name in names if name != registry.DEFAULT)
    if not others:
        print("harness and reference are well")
        return
    made = suite.run(suite.Settings(others, selection=selection, profile=profile))
    for each in made["backends"]:
        wrong = [result for result in each["results"] if result["status"] not in GOOD]
        unanswered = [
            result
            for result in wrong
            if result["status"] == "error" and result.get("observable") in ("worker", "harness")
        ]
        if each["message"]:
            print(f"{each['name']}: backend wrong: it does not start: {each['message']}")
        elif unanswered:
            reason = unanswered[0].get("received", "")
            print(f"{each['name']}: harness wrong: the worker can't be talked to: {reason}")
        elif wrong:
            print(f"{each['name']}: backend wrong: {len(wrong)} of {each['required']} cases")
        else:
            print(f"{each['name']}: well ({each['executed']} of {each['required']} cases)")
    console.show(made, False)
    if not made["verdict"]["ok"]:
        raise typer.Exit(1)


@app.command("list")
def list_cases(
    clause: Annotated[str, typer.Option(help="Only cases of this clause, such as D-1.")] = "",
    level: Annotated[str, typer.Option(help="Only cases of this level.")] = "",
    capability: Annotated[str, typer.Option(help="Only cases that need this capability.")] = "",
    since: Annotated[str, typer.Option(help="Only cases that are new since this suite version.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the suite's cases: id, clause, oracle."""
    from .manifest import LEVELS, digest, load
    from .profile import questions
    from .spec import CLAUSES

    manifest = load()
    _one_of("--clause", clause, [each.id for each in CLAUSES])
    _one_of("--level", level, LEVELS)
    _one_of("--capability", capability, questions())
    found = [
        case
        for case in manifest["cases"]
        if clause in ("", case["clause"])
        and level in ("", case["level"])
        and (not capability or capability in case["capabilities"])
        and (not since or case["since"] >= since)
    ]
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for case in found:
        note = "" if case["status"] == "active" else f"  {case['status']}"
        print(f"{case['id']}  {case['clause']}  {case['oracle']}{note}")
    print(
        f"{len(found)} of {len(manifest['cases'])} cases, suite {manifest['suite']}, {digest(manifest)[:19]}"
    )


@app.command()
def show(
    case: Annotated[str, typer.Argument(metavar="ID", help="A case's exact id.")],
    backend: Annotated[str, typer.Option(help="Also print the case as a script for this backend.")] = "",
) -> None:
    """Show one case: its clause, its steps, and what the spec says of each."""
    from . import console
    from .manifest import by_id, load

    (name,) = _known([case])
    console.show_case(by_id(load())[name])
    if backend:
        from .script import script

        print(script(by_id(load())[name], backend))


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report.json, or its folder.")],
) -> None:
    """Recompute a report's verdict from the manifest; refuses what does not come out."""
    from .manifest import load
    from .verdict import faults

    read = _read(report / "report.json" if report.is_dir() else report)
    try:
        found = faults(read, load())
    except (KeyError, TypeError, AttributeError) as error:
        found = [f"it is no report of schema 1: {type(error).__name__}: {error}"]
    for fault in found[:20]:
        print(f"refused: {fault}")
    if len(found) > 20:
        print(f"... and {len(found) - 20} more")
    if found:
        raise typer.Exit(1)
    names = ", ".join(f"{each['name']} {each['state']}" for each in read["backends"])
    part = "" if read["selection"] is None else f" (a part of the suite: {len(read['selection'])} cases)"
    print(f"the report is sound{part}: {names}")
    if not read["verdict"]["ok"]:
        raise typer.Exit(1)


@app.command("new-backend")
def new_backend(
    name: Annotated[str, typer.Argument(help="The backend's name, such as mylib.")],
    folder: Annotated[Path, typer.Option(help="Where to write the package.")] = Path(),
) -> None:
    """Write a package for a new backend: it works, and has the questions to answer."""
    from .skeleton import write

    for path in write(name, folder):
        print(f"wrote {path}")


@app.command()
def explore(
    backend: BackendOption = "all",
    examples: Annotated[int, typer.Option(min=1, help="How many random scripts to run.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Where the random scripts start.")] = 0,
) -> None:
    """Search for nets on which backends differ from the spec, or each other; always exits with 0."""
    from .explore import search

    search(_names(backend, ""), examples, seed, print)


def _names(backend: str, require: str) -> list[str]:
    from .suite import names_of

    names = names_of(backend, require)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise typer.BadParameter(f"{name!r} is no backend's name", param_hint="--backend")
    if not names:
        raise typer.BadParameter(
            "no backend is named; `isomorph backends` shows them", param_hint="--backend"
        )
    return names


def _one_of(option: str, value: str, known: Collection[str]) -> None:
    import difflib

    if value and value not in known:
        close = difflib.get_close_matches(value, known, n=1, cutoff=0.3)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise typer.BadParameter(f"there is no {value!r}.{hint}", param_hint=option)


def _known(names: list[str]) -> list[str]:
    import difflib

    from .manifest import by_id, load

    known = by_id(load())
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise typer.BadParameter(
                f"no case has the id {name!r}.{hint} `isomorph conformance list` has all."
            )
    return names


def _read(path: Path) -> dict[str, Any]:
    hint = "Name a report.json that `isomorph conformance run --report FOLDER` wrote."
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is no JSON: {error}"
        raise typer.BadParameter(f"{path} can't be read as a report: {why}. {hint}") from None
    if not isinstance(read, dict) or read.get("schema") != 1:
        raise typer.BadParameter(f"{path} is no report of schema 1. {hint}")
    return read


def _earlier(path: Path | None) -> dict[str, Any] | None:
    """Return an earlier report; before the first run there is none."""
    if path is None or not path.exists():
        return None
    return _read(path)


def _writable(folder: Path) -> None:
    """Make the reports' folder now: a run must not be lost at its end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise typer.BadParameter(
            f"no report can be written to {folder}: {error.strerror}. Name another folder.",
            param_hint="--report",
        ) from None

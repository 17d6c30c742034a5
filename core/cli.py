"""The command line: ``isomorph run``, ``isomorph summary``, ``isomorph backends``, and others' groups.

Exit codes: 0 all is well, 1 a backend failed or differs, 2 the command's own arguments.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from .errors import BackendNotInstalledError, IsomorphError
from .version import __version__

app = typer.Typer(
    help="One net, five frameworks: run it, look at its shapes, see which backends work here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# What the process that tries a backend's import prints last, and the seconds that it has for it.
READY, IMPORT_LIMIT = "the backend is ready", 300.0
TargetArgument = Annotated[
    str, typer.Argument(metavar="FILE[:NAME]", help="A Python file, and a model in it.")
]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", help="An input's shape, channels first, such as 2,20 or 2,7:int64; once for each input."
    ),
]
FormatOption = Annotated[str, typer.Option(help="channels_first or channels_last.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Print the version if asked."""
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def run(
    target: TargetArgument,
    backend: Annotated[
        str | None,
        typer.Option(help="A backend, several with commas, or all; default: ISOMORPH_BACKEND or numpy."),
    ] = None,
    shape: ShapeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial values and of random data.")] = 0,
    data_format: FormatOption = "channels_first",
    tolerance: Annotated[
        float, typer.Option(help="Greatest difference of outputs that counts as equal.")
    ] = 1e-4,
    as_json: JsonOption = False,
) -> None:
    """Run a model on one backend, or on several and compare them.

    The data are random arrays of the given shapes, or what example_inputs() in FILE returns.
    """
    from contextlib import redirect_stdout

    from . import registry
    from .lowering import checked_format
    from .run import Result, compare
    from .run import run as run_one
    from .target import load

    checked_format("--data-format", data_format)
    with redirect_stdout(sys.stderr):  # what the user's file prints is no part of the report
        loaded = load(target)
    names = _names(backend, registry)
    inputs = loaded.inputs(shape or [], seed)
    _in_format(inputs, data_format)
    loaded.make()
    results: list[Result] = []
    with _progress(not as_json) as show:
        for name in names:
            show(f"running {loaded.name} on {name} ({len(results) + 1} of {len(names)})")
            with redirect_stdout(sys.stderr):
                results.append(run_one(loaded, name, _in_format(inputs, data_format), seed, data_format))
    agree = compare(results, tolerance)
    if as_json:
        print(
            json.dumps(
                {"model": loaded.name, "agree": agree, "results": [r.to_dict() for r in results]}, indent=2
            )
        )
    elif len(results) == 1:
        _print_one(loaded.name, results[0])
    else:
        _print_table(loaded.name, results, agree, inputs)
    # With "all", what is not installed is told; what was asked for by name has to run.
    if not agree or (backend != "all" and any(each.status != "ok" for each in results)):
        raise typer.Exit(1)


@app.command()
def summary(target: TargetArgument, shape: ShapeOption = None, as_json: JsonOption = False) -> None:
    """Show a model's modules, shapes and parameter counts; needs no framework.

    A size may be left open with ?, as in --shape ?,20.
    """
    from .target import load, parse_shape, users_code

    net = load(target).make()
    specs = [parse_shape(text) for text in shape or []]
    with users_code(f"{target} can't be summarized"):
        table = net.summary(*specs)
    print(json.dumps(table.to_dict(), indent=2) if as_json else table)


@app.command()
def backends(as_json: JsonOption = False) -> None:
    """Show every backend: its framework's versions, whether it works here, and what to do."""
    from concurrent.futures import ThreadPoolExecutor

    from . import registry

    found = registry.available()
    with _progress(not as_json) as show, ThreadPoolExecutor(2) as pool:
        show(f"importing {sum(info.is_installed for info in found)} frameworks, each in a process of its own")
        checks = list(pool.map(_check, found))
    rows: list[dict[str, Any]] = [
        {
            "name": info.name,
            "aliases": list(info.aliases),
            "versions": info.versions,
            "status": status,
            "what_to_do": advice,
        }
        for info, (status, advice) in zip(found, checks)
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("backend", "also called", "framework", "status", "what to do", box=None)
    for row in rows:
        text = ", ".join(f"{name} {version or '-'}" for name, version in row["versions"].items())
        cells = (row["name"], ", ".join(row["aliases"]), text or "built in", row["status"], row["what_to_do"])
        table.add_row(*map(escape, cells))
    Console().print(table)


def _check(info: Any) -> tuple[str, str]:
    """Return a backend's status and advice, importing it in a process of its own."""
    if not info.is_installed:
        missing = BackendNotInstalledError.named(info.name, info.missing, info.extra, ())
        return "not installed", str(missing).split("\n")[1].split(". ")[0].strip()
    import subprocess

    program = (
        f"import isomorph\ntry:\n    isomorph.backend({info.name!r})\n"
        f"except isomorph.errors.IsomorphError as error:\n    raise SystemExit(str(error))\nprint({READY!r})"
    )
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_LIMIT)
    except subprocess.TimeoutExpired:
        return "broken", f"The {info.name} backend gives no answer: its import took over {IMPORT_LIMIT:g} s"
    if done.returncode == 0 and done.stdout.rstrip().endswith(READY):
        return "ready", ""
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    told = f"The {info.name} backend"
    start = next((i for i, line in enumerate(lines) if line.startswith(told)), len(lines) - 1)
    why = " ".join(line.strip() for line in lines[start:])
    return (
        "broken",
        why or f"The {info.name} backend ends its process on import (exit code {done.returncode})",
    )


def _names(backend: str | None, registry: Any) -> list[str]:
    if backend is None:
        return [registry.default_backend()]
    if backend == "all":
        return [info.name for info in registry.available()]
    return [registry.info(name.strip()).name for name in backend.split(",")]


def _in_format(inputs: tuple[Any, ...], data_format: str) -> tuple[Any, ...]:
    import numpy as np

    if data_format == "channels_first":
        return inputs
    return tuple(np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x for x in inputs)


def _print_one(name: str, result: Any) -> None:
    if result.status != "ok":
        print(result.message, file=sys.stderr)
        return
    print(f"{name} on {result.backend}\n\nparameters before data\n{result.before}\n")
    print(f"parameters after the first call\n{result.after}\n")
    print(f"{result.parameters:,} trainable parameters, initial values {result.digest}")
    untrained = ", untrained" if result.untrained else ""
    print(f"first predictions{untrained}: {' '.join(str(value) for value in result.predictions)}")
    print(f"first call {result.first_call * 1e3:.1f} ms, later calls {result.later_call * 1e3:.2f} ms")


def _print_table(name: str, results: list[Any], agree: bool, inputs: tuple[Any, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
    table = Table(
        "backend",
        "status",
        "parameters",
        "initial values",
        "difference",
        "first call",
        "later call",
        "first predictions",
        title=Text(f"{name} on {shapes}"),
        box=None,
        title_justify="left",
    )
    for each in results:
        if each.status in ("ok", "differs"):
            table.add_row(
                each.backend,
                each.status,
                f"{each.parameters:,}",
                each.digest,
                f"{each.difference:.1e}",
                f"{each.first_call * 1e3:.0f} ms",
                f"{each.later_call * 1e3:.1f} ms",
                " ".join(str(value) for value in each.predictions),
            )
        else:
            table.add_row(each.backend, each.status)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for each in results:
        if each.message:
            style = "red" if each.status != "not installed" else ""
            # As it is: rich would take the brackets of isomorph[torch] for its markup.
            console.print(Text(f"{each.backend}: {each.message}"), style=style)
    ran = [each for each in results if each.status in ("ok", "differs")]
    differ = sum(each.status == "differs" for each in results)
    line = f"{len(ran)} of {len(results)} backends ran"
    if differ:
        line += f"; {differ} differ"
    elif len(ran) > 1:
        line += " and agree"
    elif ran:
        line += ": there is nothing to compare it with"
    for status in ("not installed", "failed"):
        if names := ", ".join(each.backend for each in results if each.status == status):
            line += f"; {status}: {names}"
    print(f"{line}.")


class _progress:  # noqa: N801 - used as a function in a with statement
    """Shows on stderr what is under way; nothing where nobody looks."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted and sys.stderr.isatty()
        self.status: Any = None

    def __enter__(self) -> Any:
        if not self.wanted:
            return lambda text: None
        from rich.console import Console

        self.status = Console(stderr=True).status("starting")
        self.status.start()
        return self.status.update

    def __exit__(self, *error: object) -> None:
        if self.status is not None:
            self.status.stop()


def _add_commands(typed: str) -> None:
    """Add the groups of commands that entry points of ``isomorph.commands`` name.

    Another package's is imported only where it is the command that was typed: one that fails, hangs or
    exits on import harms no other.
    """
    from importlib.metadata import entry_points

    def package(point: Any) -> str:
        return point.dist.name if point.dist else "an unknown package"

    points = sorted(entry_points(group="isomorph.commands"), key=lambda each: package(each) != "isomorph")
    taken = {str(each.name or getattr(each.callback, "__name__", "")): "" for each in app.registered_commands}
    for point in points:
        if package(point) == "isomorph":
            app.add_typer(point.load(), name=point.name)
        elif point.name in taken:
            if typed in ("", point.name):
                why = f"{taken[point.name] or 'Isomorph itself'} has one of this name"
                print(f"The command {point.name!r} of {package(point)} is refused: {why}.", file=sys.stderr)
            continue
        elif typed == point.name:
            app.add_typer(_group(point, package(point)), name=point.name)
        else:
            app.command(point.name, help=f"From the package {package(point)}.")(lambda: None)
        taken[point.name] = "" if package(point) == "isomorph" else package(point)


def _group(point: Any, package: str) -> typer.Typer:
    """Return another package's group of commands; where there is none, say why and exit with 1."""
    try:
        found = point.load()
        if isinstance(found, typer.Typer):
            return found
        why = f"{point.value} is a {type(found).__name__}, not a typer.Typer"
    except KeyboardInterrupt:
        raise
    except BaseException as cause:
        why = f"{type(cause).__name__}: {cause}"
    print(f"The command {point.name!r} of {package} can't be used: {why}", file=sys.stderr)
    print(f"  Repair that package, or remove it with: pip uninstall {package}.", file=sys.stderr)
    raise SystemExit(1)


def main() -> None:
    """Run the command line."""
    _add_commands(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))
    guarded(app)


def guarded(commands: typer.Typer) -> None:
    """Run commands; our own errors become one message and exit code 2."""
    try:
        commands()
    except IsomorphError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()

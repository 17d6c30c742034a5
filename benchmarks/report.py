"""The measured rows as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workloads import WORKLOADS

Row = dict[str, Any]

# What stands in the page: the way in which each framework's users call a net, and TensorFlow's fastest.
COLUMNS = {
    "numpy": ("numpy", "eager"),
    "torch": ("torch", "eager"),
    "tensorflow": ("tensorflow", "compiled"),
    "its concrete function": ("tensorflow", "concrete"),
    "jax": ("jax", "compiled"),
    "mxnet": ("mxnet", "compiled"),
}


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Return the whole report, a line at a time."""
    for row in report.get("inference", ()):
        yield (
            f"{row['what']}: {row['parameters']:,} parameters, {row['seconds'] * 1e3:.1f} ms, "
            f"peak {row['peak_megabytes']:.1f} MB"
        )
    for row in report.get("imports", ()):
        yield f"{row['what']}: {row['seconds'] * 1e3:.0f} ms"
    if "calls" in report:
        yield from ("", *ratios(report["calls"]), "", *page(report["calls"]))
    if "values" in report:
        yield from ("", *ratios(report["values"]))
    if "files" in report:
        yield from ("", *files(report["files"]))


def ratios(rows: list[Row]) -> Iterator[str]:
    """Return a line a row: times in microseconds, and what each is over the native one."""
    yield f"{'':40}{'ours us':>12}{'native us':>12}{'keras us':>12}{'ours/native':>13}{'keras/native':>13}"
    for row in rows:
        name = f"{row['backend']}, {row['what']}"
        times = "".join(f"{number(row.get(f'{who}_us'), 1):>12}" for who in ("ours", "native", "keras"))
        last = "".join(f"{number(row.get(f'{who}_ratio'), 2):>13}" for who in ("ours", "keras"))
        peak = f"  peak/parameters {row['peak_over_parameters']:.1f}" if "peak_over_parameters" in row else ""
        failed = "".join(f"\n    {key[:-6]}: {row[key]}" for key in row if key.endswith("_fails"))
        yield f"{name:40}{times}{last}{peak}{failed}"


def number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def page(rows: list[Row]) -> Iterator[str]:
    """Return the page's table: ours / native, then Keras / native where Keras has the engine."""
    found = {(row["backend"], row["what"]): row for row in rows}
    backends = {row["backend"] for row in rows}
    columns = {head: column for head, column in COLUMNS.items() if column[0] in backends}
    yield f"| call | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for what in WORKLOADS:
        cells = [cell(found.get((backend, f"{what}, {kind}"))) for backend, kind in columns.values()]
        yield f"| {what} | {' | '.join(cells)} |"


def cell(row: Row | None) -> str:
    if row is None:
        return ""
    ours = number(row.get("ours_ratio"), 2) or "fails"
    return f"{ours} ({row['keras_ratio']:.1f})" if "keras_ratio" in row else ours


def files(rows: list[Row]) -> Iterator[str]:
    """Return the table of files that an action visits, core's and the backend's."""
    actions = list(dict.fromkeys(row["what"] for row in rows))
    yield f"| files visited: core + backend | {' | '.join(actions)} | all |"
    yield "|---" * (len(actions) + 2) + "|"
    for backend in dict.fromkeys(row["backend"] for row in rows):
        mine = {row["what"]: row for row in rows if row["backend"] == backend}
        counts = [f"{len(mine[what]['core'])} + {len(mine[what]['backends'])}" for what in actions]
        every = [len({name for row in mine.values() for name in row[side]}) for side in ("core", "backends")]
        yield f"| {backend} | {' | '.join(counts)} | {every[0]} + {every[1]} |"

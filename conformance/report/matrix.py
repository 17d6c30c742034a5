"""The table of features by backends: every cell as the counts behind it, never a percentage."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from .facts import BAD, Record, case_of, cases_by_id, is_provisional, ordered_levels


class Cell(NamedTuple):
    """What one backend does with one feature: a text, and the tone it is shown in."""

    text: str
    tone: str


class Row(NamedTuple):
    """One feature of a level, with a cell for each backend."""

    feature: str
    cells: tuple[Cell, ...]


class Level(NamedTuple):
    """A level: its all-or-nothing cells, then the rows of its features."""

    name: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]


def levels(report: Record, manifest: Record) -> list[Level]:
    """Return the levels that have results, each with its features in the manifest's order."""
    cases = cases_by_id(manifest)
    asked = {result["id"] for backend in report["backends"] for result in backend["results"]}
    features: dict[str, dict[str, None]] = {}
    for id in [*(id for id in cases if id in asked), *sorted(asked - cases.keys())]:
        case = case_of(cases, id)
        features.setdefault(case["level"], {})[case["feature"]] = None
    columns = [(backend, _tally(backend, cases)) for backend in report["backends"]]
    return [
        _level(
            level,
            [
                Row(feature, tuple(_cell(backend, tally.get((level, feature))) for backend, tally in columns))
                for feature in features[level]
            ],
            report["backends"],
        )
        for level in ordered_levels(features)
    ]


def _level(name: str, rows: list[Row], backends: list[Record]) -> Level:
    cells = (
        _level_cell(backend, name, {row.cells[column].tone for row in rows})
        for column, backend in enumerate(backends)
    )
    return Level(name, tuple(cells), tuple(rows))


class _Counts(NamedTuple):
    active: Counter[str]
    provisional: Counter[str]


def _tally(backend: Record, cases: dict[str, Record]) -> dict[tuple[str, str], _Counts]:
    tally: dict[tuple[str, str], _Counts] = {}
    for result in backend["results"]:
        case = case_of(cases, result["id"])
        counts = tally.setdefault((case["level"], case["feature"]), _Counts(Counter(), Counter()))
        counts[is_provisional(case)][result["status"]] += 1
    return tally


def _level_cell(backend: Record, level: str, tones: set[str]) -> Cell:
    numbers = backend["levels"].get(level)
    if backend["state"] in ("absent", "broken"):
        return Cell(backend["state"], "bad" if backend["state"] == "broken" else "none")
    if not numbers or not numbers["required"]:
        return Cell("nothing required", "none")
    text = f"{numbers['passed']}/{numbers['required']}"
    if numbers["passed"] == numbers["required"]:
        return Cell(f"holds {text}", "good")
    if "bad" in tones:
        return Cell(f"not held {text}", "bad")
    # Expected failures alone break no verdict, but a level counts passes only.
    return Cell(f"{text}, {numbers['required'] - numbers['passed']} expected to fail", "warn")


def _cell(backend: Record, counts: _Counts | None) -> Cell:
    if counts is None:
        return Cell(backend["state"] if backend["state"] in ("absent", "broken") else "not run", "none")
    if counts.active:
        return _counted(counts.active)
    return Cell(f"{_counted(counts.provisional).text} · provisional", "none")


def _counted(counts: Counter[str]) -> Cell:
    asked, failed, xfailed = counts.total() - counts["unsupported"], _failed(counts), counts["xfail"]
    if not asked:
        return Cell("no (probed)", "none")
    parts = [] if xfailed == asked else [f"{counts['pass']}/{asked}"]
    parts += failed
    parts += [f"xfail {xfailed}"] if xfailed else []
    parts += [f"{counts['unsupported']} no"] if counts["unsupported"] else []
    return Cell(" · ".join(parts), "bad" if failed else "warn" if xfailed else "good")


def _failed(counts: Counter[str]) -> list[str]:
    return [f"{counts[status]} {status}" for status in BAD if counts[status]]

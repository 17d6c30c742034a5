"""What every format says of a report: its statuses, scores and root failures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..judge import GOOD, STATUSES
from ..manifest import LEVELS

Record = Mapping[str, Any]

# What is blocked says less than what blocks it.
WORST_FIRST = tuple(sorted(STATUSES, key=lambda status: (status in GOOD, status in ("blocked", "pass"))))
BAD = tuple(status for status in WORST_FIRST if status not in GOOD)

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Root(NamedTuple):
    """A failure that no other failure explains, and the results it blocks."""

    result: Record
    blocked: tuple[Record, ...]


def cases_by_id(manifest: Record) -> dict[str, Record]:
    """Return the manifest's cases under their ids."""
    return {case["id"]: case for case in manifest["cases"]}


def case_of(cases: Mapping[str, Record], id: str) -> Record:
    """Return a result's case; for an id that the manifest lacks, what the id itself says."""
    level, _, rest = id.partition(".")
    return cases.get(id) or {"id": id, "level": level, "feature": rest.partition(".")[0] or level}


def ordered_levels(found: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Return the levels found, the lowest first and unknown ones last."""
    return [level for level in LEVELS if level in found] + [level for level in found if level not in LEVELS]


def scores(backend: Record) -> list[str]:
    """Return each level that requires a case as ``core 214/214``, then ``xfail 3``."""
    levels = backend["levels"]
    found = [
        f"{level} {levels[level]['passed']}/{levels[level]['required']}"
        for level in ordered_levels(levels)
        if levels[level]["required"]
    ]
    return [*found, f"xfail {backend['counts'].get('xfail', 0)}"]


def bad_counts(backend: Record) -> list[str]:
    """Return how many results are bad, by status: ``2 fail``, ``14 blocked``."""
    return [f"{backend['counts'][status]} {status}" for status in BAD if backend["counts"].get(status)]


def versions(backend: Record) -> str:
    """Return the versions of a backend's packages on one line."""
    return ", ".join(f"{name} {version}" for name, version in backend["versions"].items())


def plain(text: str) -> str:
    """Return text without terminal colours and without the characters that XML 1.0 forbids."""
    return _UNPRINTABLE.sub("", _ANSI.sub("", text))


def message(result: Record) -> str:
    """Return the line that says what is wrong with a result; its id stands beside it already."""
    blocker = f"blocked by {result['needs']}" if result.get("needs") else ""
    line: str = result.get("line") or result.get("reason") or blocker
    return re.sub(rf"^{re.escape(result['id'])}(:| ·) ", "", plain(line))


def is_provisional(case: Record) -> bool:
    """Return whether a case is run and shown, but not counted yet."""
    return case.get("status") == "provisional"


def roots(backend: Record, cases: Mapping[str, Record]) -> list[Root]:
    """Return a backend's counted root failures in the report's order, each with all it blocks."""
    bad = {result["id"]: result for result in backend["results"] if result["status"] not in GOOD}
    blocked: dict[str, list[Record]] = {}
    for id, result in bad.items():
        if is_provisional(case_of(cases, id)):
            continue
        blocked.setdefault(_root_of(id, bad), []).append(result)
    return [
        Root(bad[id], tuple(result for result in group if result["id"] != id))
        for id, group in blocked.items()
    ]


def _root_of(id: str, bad: Mapping[str, Record]) -> str:
    seen = {id}
    while bad[id]["status"] == "blocked":
        cause = str(bad[id].get("needs"))
        if cause not in bad or cause in seen:
            break
        seen.add(cause)
        id = cause
    return id


def moment(report: Record) -> str:
    """Return when a report was started, as people write it."""
    return str(report["started"]).replace("T", " ").replace("Z", " UTC")

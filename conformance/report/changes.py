"""What differs from an earlier report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..judge import GOOD
from .facts import Record, moment


class Change(NamedTuple):
    """One case on one backend, with its statuses before and now; ``None``: no result."""

    id: str
    backend: str
    before: str | None
    now: str | None


class Changes(NamedTuple):
    """All that differs between two reports, by what it means."""

    since: str
    new_failures: tuple[Change, ...]
    fixed: tuple[Change, ...]
    other: tuple[Change, ...]
    new_cases: tuple[Change, ...]
    gone_cases: tuple[Change, ...]
    backends: tuple[str, ...]


def compare(report: Record, previous: Record) -> Changes:
    """Compare a report with an earlier one; parts of the suite only in what both asked."""
    now, before = _by_name(report), _by_name(previous)
    found: dict[str, list[Change]] = {name: [] for name in Changes._fields[1:-1]}
    whole = report["selection"] is None and previous["selection"] is None
    for name in now.keys() & before.keys():
        new, old = _statuses(now[name]), _statuses(before[name])
        # A backend without any result is one change, told by its state, not one a case.
        for id in new.keys() | old.keys() if new and old else ():
            change = Change(id, name, old.get(id), new.get(id))
            kind = _kind(change)
            if kind and (whole or kind not in ("new_cases", "gone_cases")):
                found[kind].append(change)
    return Changes(
        f"suite {previous['suite']} of {moment(previous)}",
        **{kind: tuple(sorted(changes)) for kind, changes in found.items()},
        backends=tuple(_state_changes(now, before)),
    )


def _by_name(report: Record) -> dict[str, Record]:
    return {backend["name"]: backend for backend in report["backends"]}


def _statuses(backend: Record) -> dict[str, str]:
    return {result["id"]: result["status"] for result in backend["results"]}


def _state_changes(now: dict[str, Record], before: dict[str, Record]) -> Iterator[str]:
    for name in [*now, *(name for name in before if name not in now)]:
        states = [side[name]["state"] if name in side else "not in the report" for side in (before, now)]
        if states[0] != states[1]:
            yield f"{name}: {states[0]} before, {states[1]} now"


def _kind(change: Change) -> str | None:
    before, now = change.before, change.now
    if before == now:
        return None
    if before is None:
        return "new_cases"
    if now is None:
        return "gone_cases"
    if (before in GOOD) == (now in GOOD):
        return "other"
    return "fixed" if now in GOOD else "new_failures"

"""The report as Markdown, for the summary page of a continuous integration job."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

from ..verdict import headline
from .changes import Changes
from .facts import Record, Root, bad_counts, cases_by_id, message, plain, roots, scores, versions

# GitHub cuts a job's summary at 1 MiB.
_SHOWN = 50
_MARKUP = re.compile(r"[\\`*_\[\]|<>~$&#]")


def render(report: Record, manifest: Record, changes: Changes | None = None) -> str:
    """Return the verdict, a row for each backend, and the root failures with their commands."""
    return (
        "\n".join(
            [
                *_verdict(report),
                *_table(report),
                *_changes(changes),
                *_failures(report, cases_by_id(manifest)),
            ]
        )
        + "\n"
    )


def _verdict(report: Record) -> Iterator[str]:
    why = "; ".join(report["verdict"]["why"])
    yield f"**{headline(report).capitalize()}**{': ' + _escape(why) if why else ''}"
    yield ""
    yield (
        f"Suite {report['suite']} (spec {report['spec']}, `{report['manifest'][:19]}`), "
        f"Isomorph {report['isomorph']}, Python {report['python']}, {report['platform']}, "
        f"{report['wall_s']:.0f} s."
    )
    yield ""


def _table(report: Record) -> Iterator[str]:
    yield "| backend | state | score | not good | executed | time |"
    yield "|---|---|---|---|---:|---:|"
    for backend in report["backends"]:
        ran = backend["state"] not in ("absent", "broken")
        cells = [
            f"{backend['name']} ({versions(backend)})" if backend["versions"] else backend["name"],
            backend["state"],
            " · ".join(scores(backend)) if ran else backend["message"],
            " · ".join(bad_counts(backend)) or "none" if ran else "",
            f"{backend['executed']} of {backend['required']}",
            f"{backend['wall_s']:.1f} s",
        ]
        yield "| " + " | ".join(_escape(cell) for cell in cells) + " |"
    yield ""


def _changes(changes: Changes | None) -> Iterator[str]:
    if changes is None:
        return
    kinds = ("new_failures", "fixed", "other", "new_cases", "gone_cases")
    counts = (f"{kind.replace('_', ' ')} {len(getattr(changes, kind))}" for kind in kinds)
    yield f"Against {_escape(changes.since)}: {' · '.join(counts)}."
    yield ""


def _failures(report: Record, cases: Mapping[str, Record]) -> Iterator[str]:
    for backend in report["backends"]:
        found = roots(backend, cases)
        problems = backend["problems"]
        if found or problems:
            parts = bad_counts(backend) if found else []
            parts += [f"problems {len(problems)}"] if problems else []
            yield f"<details><summary>{html.escape(backend['name'])}: {' · '.join(parts)}</summary>"
            yield ""
            yield from (f"- {_escape(problem)}" for problem in problems[:_SHOWN])
            for root in found[:_SHOWN]:
                yield from _failure(root)
            if len(found) > _SHOWN:
                yield f"- and {len(found) - _SHOWN} more root failures: see scoreboard.html"
            yield ""
            yield "</details>"
            yield ""


def _failure(root: Root) -> Iterator[str]:
    result, blocked = root
    blocks = f" It blocks {len(blocked)} more." if blocked else ""
    yield f"- **{result['status']}** `{result['id']}` {_prose(message(result))}{blocks}"
    if result.get("command"):
        fence = "`" * (3 + max(map(len, re.findall("`+", result["command"])), default=0))
        yield f"  {fence}sh"
        yield f"  {_one_line(result['command'])}"
        yield f"  {fence}"


def _prose(text: str) -> str:
    """Return text whose ``code`` stays code."""
    parts = re.split("(``[^`]+``)", _one_line(text))
    return "".join(part if part.startswith("``") else _MARKUP.sub(r"\\\g<0>", part) for part in parts)


def _one_line(text: str) -> str:
    return " ".join(plain(text).split())


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", _one_line(text))

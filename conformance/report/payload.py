"""The data inside the scoreboard: cases once, results by backend, log lines kept once."""

from __future__ import annotations

import json
from typing import Any

from ..judge import GOOD
from .changes import Changes
from .facts import WORST_FIRST, Record, case_of, cases_by_id, message, plain, roots

_RESULT_FIELDS = (
    *("status", "ms", "attempts", "order_dependent", "step", "verb", "observable", "clause", "expected"),
    *("received", "command", "script", "stderr", "needs", "reason"),
)
_CASE_FIELDS = (
    *("id", "clause", "level", "feature", "capabilities", "since", "status", "oracle", "needs"),
    *("steps", "ask", "expect"),
)
_LONGEST = 20_000


def payload(report: Record, manifest: Record, changes: Changes | None = None) -> dict[str, Any]:
    """Return all that the scoreboard's script shows, ready for JSON."""
    cases = cases_by_id(manifest)
    ids = {result["id"]: None for backend in report["backends"] for result in backend["results"]}
    shown = [case_of(cases, id) for id in ids]
    lines: dict[str, int] = {}
    clauses = {case.get("clause") for case in shown}
    return {
        "statuses": WORST_FIRST,
        "good": GOOD,
        "cases": [_present(case, _CASE_FIELDS) for case in shown],
        "clauses": {name: text for name, text in manifest.get("clauses", {}).items() if name in clauses},
        "backends": [
            {
                "name": backend["name"],
                "results": [_result(result, lines) for result in backend["results"]],
                "roots": [
                    [root.result["id"], *(blocked["id"] for blocked in root.blocked)]
                    for root in roots(backend, cases)
                ],
            }
            for backend in report["backends"]
        ],
        "lines": list(lines),
        "differences": [{**each, "line": message(each)} for each in report["differences"]],
        "changes": changes and changes._asdict(),
    }


def embedded(data: dict[str, Any]) -> str:
    """Return JSON that is safe inside a script element: no text of it can close the element."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _result(result: Record, lines: dict[str, int]) -> dict[str, Any]:
    found = {"id": result["id"], "message": _cut(message(result)), **_present(result, _RESULT_FIELDS)}
    if result.get("log"):
        found["log"] = [lines.setdefault(_cut(line), len(lines)) for line in result["log"]]
    return found


def _present(record: Record, fields: tuple[str, ...]) -> dict[str, Any]:
    # Step 0 is a fact; absent, null, false and empty all show nothing.
    return {
        name: _cut(value) if isinstance(value, str) else value
        for name in fields
        if (value := record.get(name)) or (value == 0 and value is not False)
    }


def _cut(text: str) -> str:
    text = plain(text)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n... {len(text) - _LONGEST} more characters: see report.json"

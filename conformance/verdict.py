"""From results to a verdict, and back: a report is believed only where its sums come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .judge import GOOD, STATUSES
from .manifest import LEVELS, Manifest, by_id, digest, with_needs
from .profile import questions

Report = dict[str, Any]
Backend = dict[str, Any]


def required(manifest: Manifest, selection: list[str] | None = None) -> list[dict[str, Any]]:
    """Return the cases that must have run: all active ones, or those of a selection."""
    cases = [case for case in manifest["cases"] if case["status"] == "active"]
    return cases if selection is None else [case for case in cases if case["id"] in set(selection)]


def complete(backend: Backend, manifest: Manifest, selection: list[str] | None) -> Backend:
    """Return a backend's entry with results joined to the manifest, counted, and judged."""
    asked = required(manifest, selection)
    given = {result["id"]: result for result in backend["results"]}
    provisional = {case["id"] for case in manifest["cases"] if case["status"] == "provisional"}
    results = [
        given.get(case["id"], {"id": case["id"], "status": "missing", "ms": 0.0, "attempts": 0})
        for case in asked
    ]
    extra = [result for name, result in given.items() if name in provisional]
    counts = Counter(result["status"] for result in results)
    levels = {}
    for level in LEVELS:
        inside = {case["id"] for case in asked if case["level"] == level}
        asked_of = [each for each in results if each["id"] in inside and each["status"] != "unsupported"]
        passed = sum(each["status"] == "pass" for each in asked_of)
        levels[level] = {"required": len(asked_of), "passed": passed}
    executed = sum(count for status, count in counts.items() if status not in ("missing", "blocked"))
    state = backend["state"]
    if state not in ("absent", "broken"):
        good = all(result["status"] in GOOD for result in results) and not backend["problems"] and results
        state = ("conforms" if selection is None else "passes") if good else "fails"
    return {
        **backend,
        "state": state,
        "counts": {status: counts.get(status, 0) for status in STATUSES},
        "levels": levels,
        "required": len(results),
        "executed": executed,
        "results": results + extra,
    }


def verdict(report: Report) -> dict[str, Any]:
    """Return whether all is well, and if not, why."""
    why = []
    for backend in report["backends"]:
        name = backend["name"]
        if backend["state"] in ("absent", "broken"):
            why.append(f"{name}: {backend['state']}: {backend['message']}")
        bad = {status: n for status, n in backend["counts"].items() if n and status not in GOOD}
        if bad:
            why.append(f"{name}: {', '.join(f'{n} {status}' for status, n in bad.items())}")
        why += [f"{name}: {problem}" for problem in backend["problems"]]
        if not backend["required"]:
            why.append(f"{name}: no case was required")
    if not report["backends"]:
        why.append("no backend ran")
    why += [f"difference: {each['line']}" for each in report["differences"]]
    return {"ok": not why, "required": len(report["backends"]), "why": why}


def headline(report: Mapping[str, Any]) -> str:
    """Return the verdict in a few words; a part of the suite shows nothing about the rest."""
    if report["selection"] is None:
        return "conforms" if report["verdict"]["ok"] else "does not conform"
    return f"part of the suite, {'passes' if report['verdict']['ok'] else 'does not pass'}"


def _contradictions(backend: Backend, manifest: Manifest) -> list[str]:
    """Return the results that don't go with what the backend says of itself."""
    found = []
    answers, cases = backend["capabilities"], by_id(manifest)
    expected = {each["id"] for each in backend["expectations"]}
    if backend["state"] in ("conforms", "passes") and answers.keys() != questions().keys():
        found.append("it is good, and does not answer every question")
    for result in backend["results"]:
        name, status = result["id"], result["status"]
        if name not in cases:
            continue
        denied = [each for each in cases[name]["capabilities"] if answers.get(each) is False]
        if status == "unsupported" and not denied:
            found.append(f"{name} is unsupported, and nothing that it needs is denied")
        if status == "pass" and denied:
            found.append(f"{name} passes, and {denied[0]} is denied")
        if status == "xfail" and name not in expected:
            found.append(f"{name} is expected to fail, and no expectation says so")
        if status not in ("blocked", "missing") and not result["attempts"]:
            found.append(f"{name} is {status}, and was not tried")
    return found


def faults(report: Report, manifest: Manifest) -> list[str]:
    """Return why a report can't be believed: another manifest, missing ids, edited sums."""
    found = []
    if report.get("manifest") != digest(manifest):
        of = f"it is of the manifest {report.get('manifest')}; this is {digest(manifest)}"
        return [f'{of}. Verify it with: pip install "isomorph=={report.get("isomorph")}"']
    for field, value in (("schema", 1), ("suite", manifest["suite"]), ("spec", manifest["spec"])):
        if report[field] != value:
            found.append(f"its {field} is {report[field]!r}, not {value!r}")
    selection = report["selection"]
    if selection is not None and selection != with_needs(selection, manifest):
        found.append("its selection lacks what the cases in it need, or has another order")
    ids = {case["id"] for case in manifest["cases"]}
    names = Counter(backend["name"] for backend in report["backends"])
    found += [f"{name} is there {n} times" for name, n in names.items() if n > 1]
    for backend in report["backends"]:
        name = backend["name"]
        seen = Counter(result["id"] for result in backend["results"])
        found += [f"{name}: {each} is there {n} times" for each, n in seen.items() if n > 1]
        found += [f"{name}: {each} is no case of this suite" for each in seen if each not in ids]
        found += [
            f"{name}: {case['id']} is missing"
            for case in required(manifest, selection)
            if case["id"] not in seen
        ]
        bad = {result["status"] for result in backend["results"]} - set(STATUSES)
        found += [f"{name}: there is no status {status!r}" for status in sorted(bad)]
        if bad:
            continue
        found += [f"{name}: {fault}" for fault in _contradictions(backend, manifest)]
        again = complete(backend, manifest, selection)
        for field in ("state", "counts", "levels", "required", "executed"):
            if again[field] != backend[field]:
                found.append(f"{name}: {field} says {backend[field]}, its results say {again[field]}")
    if verdict(report) != report["verdict"]:
        found.append(f"the verdict says {report['verdict']}, its results say {verdict(report)}")
    return found

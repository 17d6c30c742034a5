"""From results to a verdict: what is missing fails, what is provisional does not count."""

from __future__ import annotations

from typing import Any

import pytest

from isomorph.conformance.judge import GOOD, STATUSES
from isomorph.conformance.manifest import digest
from isomorph.conformance.verdict import complete, faults, verdict

CASES = [
    {"id": f"core.{name}", "level": "core", "status": status}
    for name, status in (("a", "active"), ("b", "active"), ("new", "provisional"), ("old", "retired"))
]
MANIFEST = {"suite": "2026.11", "cases": CASES}


def entry(*statuses: tuple[str, str], **more: Any) -> dict[str, Any]:
    results = [{"id": name, "status": status, "ms": 1.0, "attempts": 1} for name, status in statuses]
    return {"name": "mylib", "state": "ran", "message": "", "problems": [], "results": results, **more}


def report(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    backends = [complete(each, MANIFEST, None) for each in entries]
    made = {"manifest": digest(MANIFEST), "selection": None, "backends": backends, "differences": [], **more}
    return {**made, "verdict": verdict(made)}


PASSED = (("core.a", "pass"), ("core.b", "pass"))


def test_all_passed_conforms() -> None:
    made = report(entry(*PASSED))
    assert made["verdict"]["ok"]
    assert made["backends"][0]["state"] == "conforms"


@pytest.mark.parametrize("status", STATUSES)
def test_only_three_statuses_are_good(status: str) -> None:
    assert report(entry(("core.a", "pass"), ("core.b", status)))["verdict"]["ok"] == (status in GOOD)


def test_only_a_pass_counts_for_a_level() -> None:
    made = report(entry(("core.a", "pass"), ("core.b", "xfail")))
    assert made["backends"][0]["levels"]["core"] == {"required": 2, "passed": 1}


def test_unsupported_dims_no_level() -> None:
    made = report(entry(("core.a", "pass"), ("core.b", "unsupported")))
    assert made["backends"][0]["levels"]["core"] == {"required": 1, "passed": 1}


def test_a_case_without_a_result_is_missing() -> None:
    made = report(entry(("core.a", "pass")))
    assert made["backends"][0]["counts"]["missing"] == 1
    assert made["verdict"]["why"] == ["mylib: 1 missing"]


def test_nothing_run_is_not_green() -> None:
    assert not report(entry())["verdict"]["ok"]
    assert report()["verdict"]["why"] == ["no backend ran"]


def test_an_empty_selection_is_not_green() -> None:
    made = complete(entry(), MANIFEST, [])
    assert made["state"] == "fails"


@pytest.mark.parametrize("state", ["absent", "broken"])
def test_a_backend_that_is_not_there_is_not_green(state: str) -> None:
    made = report(entry(*PASSED), entry(state=state, message="not installed"))
    assert f"mylib: {state}: not installed" in made["verdict"]["why"]


def test_a_provisional_case_is_shown_and_does_not_count() -> None:
    made = report(entry(*PASSED, ("core.new", "fail")))
    assert made["verdict"]["ok"]
    assert made["backends"][0]["required"] == 2
    assert made["backends"][0]["results"][-1] == {
        "id": "core.new",
        "status": "fail",
        "ms": 1.0,
        "attempts": 1,
    }


def test_a_problem_of_the_profile_fails() -> None:
    made = report(entry(*PASSED, problems=["capability gradients is not answered"]))
    assert made["backends"][0]["state"] == "fails"
    assert not made["verdict"]["ok"]


def test_a_difference_fails() -> None:
    made = report(entry(*PASSED), differences=[{"line": "core.a differs"}])
    assert made["verdict"]["why"] == ["difference: core.a differs"]


def test_a_sound_report_is_believed() -> None:
    assert faults(report(entry(*PASSED)), MANIFEST) == []


@pytest.mark.parametrize("status", ["pass", "fail"])
def test_an_edited_status_is_seen(status: str) -> None:
    made = report(entry(("core.a", "pass"), ("core.b", "fail" if status == "pass" else "pass")))
    made["backends"][0]["results"][1]["status"] = status
    assert faults(made, MANIFEST)

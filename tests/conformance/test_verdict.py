"""From results to a verdict: what is missing fails, what is provisional does not count."""

from __future__ import annotations

from typing import Any

import pytest

from isomorph.conformance.judge import GOOD, STATUSES
from isomorph.conformance.manifest import digest
from isomorph.conformance.profile import questions
from isomorph.conformance.verdict import complete, faults, verdict

CASES = [
    {"id": f"core.{name}", "level": "core", "status": status, "capabilities": [], "needs": []}
    for name, status in (("a", "active"), ("b", "active"), ("new", "provisional"), ("old", "retired"))
]
CASES[1] |= {"capabilities": ["compile"], "needs": ["core.a"]}
MANIFEST = {"suite": "2026.11", "spec": 1, "cases": CASES}
YES = dict.fromkeys(questions(), True)
KNOWN = {"id": "core.b", "reason": "a fault of the framework"}


def entry(*statuses: tuple[str, str], **more: Any) -> dict[str, Any]:
    results = [{"id": name, "status": status, "ms": 1.0, "attempts": 1} for name, status in statuses]
    made = {"name": "mylib", "state": "ran", "message": "", "problems": [], "results": results}
    return {**made, "capabilities": YES, "expectations": [], **more}


def report(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    selection = more.get("selection")
    backends = [complete(each, MANIFEST, selection) for each in entries]
    made = {"schema": 1, "suite": "2026.11", "spec": 1, "manifest": digest(MANIFEST), "isomorph": "0.1.0"}
    made |= {"selection": selection, "backends": backends, "differences": [], **more}
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


# Reports whose sums come out, and that no run has written.
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "another suite": (report(entry(*PASSED), suite="2099.01"), "its suite is '2099.01'"),
    "another specification": (report(entry(*PASSED), spec=99), "its spec is 99"),
    "another schema": (report(entry(*PASSED), schema=2), "its schema is 2"),
    "a selection without needs": (
        report(entry(("core.b", "pass")), selection=["core.b"]),
        "its selection lacks what the cases in it need",
    ),
    "a backend twice": (report(entry(*PASSED), entry(*PASSED)), "mylib is there 2 times"),
    "no answers": (report(entry(*PASSED, capabilities={})), "does not answer every question"),
    "denied and passed": (
        report(entry(*PASSED, capabilities={**YES, "compile": False})),
        "core.b passes, and compile is denied",
    ),
    "unsupported and not denied": (
        report(entry(("core.a", "pass"), ("core.b", "unsupported"))),
        "nothing that it needs is denied",
    ),
    "a core case unsupported": (
        report(entry(("core.a", "unsupported"), ("core.b", "pass"))),
        "nothing that it needs is denied",
    ),
    "nobody expected it": (
        report(entry(("core.a", "pass"), ("core.b", "xfail"))),
        "no expectation says so",
    ),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_a_report_that_contradicts_itself_is_refused(what: str) -> None:
    made, said = IMPOSSIBLE[what]
    assert any(said in fault for fault in faults(made, MANIFEST)), faults(made, MANIFEST)


@pytest.mark.parametrize(
    "made",
    [
        report(entry(("core.a", "pass"), ("core.b", "xfail"), expectations=[KNOWN])),
        report(entry(("core.a", "pass"), ("core.b", "unsupported"), capabilities={**YES, "compile": False})),
        report(entry(*PASSED), selection=["core.a", "core.b"]),
    ],
    ids=["expected", "denied", "part"],
)
def test_a_report_that_goes_together_is_believed(made: dict[str, Any]) -> None:
    assert faults(made, MANIFEST) == []
    assert made["verdict"]["ok"]


def test_a_case_that_was_not_tried_has_no_outcome() -> None:
    made = report(entry(*PASSED))
    made["backends"][0]["results"][0]["attempts"] = 0
    assert "mylib: core.a is pass, and was not tried" in faults(made, MANIFEST)


def test_another_manifest_says_which_version_verifies() -> None:
    made = report(entry(*PASSED), manifest="sha256:0")
    assert 'pip install "isomorph==0.1.0"' in faults(made, MANIFEST)[0]

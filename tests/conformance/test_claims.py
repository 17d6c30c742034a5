"""What a backend claims of itself is held against what it does: profiles and expectations."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drills import DRILLS, PROFILE, REDUCED, net, of, relu, results, run
from installed import installed

from isomorph.conformance import judge
from isomorph.conformance.cases.write import case, spread
from isomorph.conformance.profile import QUESTIONS


@pytest.fixture(scope="module", autouse=True)
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(DRILLS, tmp_path_factory.mktemp("drills")):
        yield


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "conformance.toml"
    path.write_text(PROFILE.read_text())
    return path


def lacks(profile: Path, name: str, text: str = "") -> None:
    """Let the profile lack something for a reason, as TOML; without one, take it out."""
    key = f'"{name}"' if "." in name else name
    lines = [line for line in profile.read_text().splitlines() if not line.startswith(f"{key} =")]
    lines.insert(lines.index("[profile.lacks]") + 1, f"{key} = {text}" if text else "")
    profile.write_text("\n".join(lines))


def gradient() -> dict[str, Any]:
    steps = [*net("gradient", 3)["steps"][:3], ["gradients", {"inputs": [spread(2, 5)], "loss": "sum"}]]
    return case("train.drill.gradient", "G-1", steps, [[3, "gradients"]], feature="drill", oracle="reference")


def test_a_yes_that_can_not_fails(profile: Path) -> None:
    lacks(profile, "gradients")
    found = results(run("numpy", of(gradient()), profile=profile))["gradient"]
    assert (found["status"], found["observable"]) == ("fail", "error")
    assert "GradientsNotSupportedError" in found["received"]


def test_a_no_that_can_is_told_to_say_so(profile: Path) -> None:
    lacks(profile, "tensor.float16", '"It has none."')
    steps: list[Any] = [["op", {"op": "exp", "arrays": [spread(3, dtype="float16")], "options": {}}]]
    half = case("layers.drill.half", "L-12", steps, [[0, "output"]], feature="drill", oracle="reference")
    report = run("numpy", of(half), profile=profile)
    found = results(report)["half"]
    assert found["status"] == "xpass"
    assert found["received"] == "it works: take it out of what the profile lacks"
    assert not report["verdict"]["ok"]


def test_a_no_that_fails_in_another_way_fails() -> None:
    found = results(run("drill-exits", of({**net("trouble", 97), "capabilities": ["gradients"]})))
    assert (found["trouble"]["status"], found["trouble"]["observable"]) == ("fail", "capability")
    assert "SystemExit" in found["trouble"]["received"]


def test_a_no_is_unsupported_and_no_pass() -> None:
    report = run("numpy", of(gradient(), relu()))
    (entry,) = report["backends"]
    assert entry["counts"]["unsupported"] == 1
    assert entry["levels"]["train"] == {"required": 0, "passed": 0}
    assert results(report)["gradient"]["reason"].startswith("gradients: NumPy has no derivatives.")
    assert report["verdict"]["ok"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "gradients",
            '""',
            f"lacks gradients gives no reason; take it out if the answer is yes: {QUESTIONS['gradients']}",
        ),
        ("gradients", "false", "lacks gradients gives no reason"),
        ("warp", '"why"', "lacks warp: there is no such question; there are gradients, "),
        ("layer.ReLU", '"why"', "lacks layer.ReLU: the adapter's table says which layers there are"),
        ("suite", '"2099.1"', "the profile answers suite '2099.1'"),
        ("suite", "2026", "the profile answers suite 2026"),
        ("suite", '"1999.01"', "the profile answers suite '1999.01'"),
        ("gradients", "= broken", "Invalid value"),
    ],
)
def test_a_profile_that_does_not_answer_fails(profile: Path, name: str, text: str, problem: str) -> None:
    if name == "suite":
        profile.write_text(profile.read_text().replace('suite = "2026.11"', f"suite = {text}"))
    else:
        lacks(profile, name, text)
    report = run("numpy", of(relu()), profile=profile)
    assert any(problem in each for each in report["backends"][0]["problems"])
    assert not report["verdict"]["ok"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[enviroment]\nA = '1'", "a profile has no 'enviroment'"),
        ("[[expects]]\nid = 'x'", "a profile has no 'expects'"),
        ("[environment]\nA = 1", "environment A is no text: 1"),
        ("[native]\nDense = 'a.b.Dense'", "native Dense must be { class"),
        (
            "[native]\nDense = { class = 'builtins.object', parameters = [] }",
            "no class of a framework's package",
        ),
        ("[native]\nDense = { class = 'a.b.Dense' }", "native Dense must be { class"),
    ],
)
def test_what_a_profile_does_not_have_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text)
    report = run("numpy", of(relu()), profile=path)
    assert problem in " ".join(report["backends"][0]["problems"])


@pytest.mark.parametrize("text", ["profile = 3", "[profile]\nlacks = []", "expect = 3", "expect = ['x']", ""])
def test_a_profile_of_another_form_is_a_problem_and_no_harm(profile: Path, text: str) -> None:
    profile.write_text(text)
    report = run("numpy", of(relu()), profile=profile)
    assert report["backends"][0]["problems"]
    assert not report["verdict"]["ok"]


def test_no_profile_is_a_problem(tmp_path: Path) -> None:
    report = run("numpy", of(relu()), profile=tmp_path / "none.toml")
    assert "there is no profile at" in report["backends"][0]["problems"][0]


# What it expects to fail.

TODAY = datetime.date(2026, 11, 22)
LATE: dict[str, Any] = {
    "id": "layers.drill.trouble",
    "kind": "framework-bug",
    "observable": "output",
    "received": "elements differ",
    "reason": "it answers late",
    "review": datetime.date(2027, 1, 1),
    "versions": {"numpy": ">=1.20"},
}


def expecting(profile: Path, *rows: dict[str, Any], backend: str = "drill-answers-late") -> dict[str, Any]:
    lines = []
    for row in rows:
        lines.append("[[expect]]")
        for name, value in row.items():
            text = (
                f"{{ numpy = {json.dumps(value['numpy'])} }}"
                if name == "versions"
                else repr(value)
                if isinstance(value, float)  # JSON has no inf and nan
                else json.dumps(value, default=str)
            )
            lines.append(f"{name} = {value if isinstance(value, datetime.date) else text}")
    profile.write_text(PROFILE.read_text() + "\n".join(lines) + "\n")
    return run(backend, REDUCED, profile=profile, today=TODAY)


def test_a_failure_as_stated_is_expected(profile: Path) -> None:
    report = expecting(profile, LATE)
    assert results(report)["trouble"]["status"] == "xfail"
    assert report["verdict"]["ok"]


def test_an_expectation_no_longer_needed_fails(profile: Path) -> None:
    report = expecting(profile, LATE, backend="drill-works-again")
    trouble = results(report)["trouble"]
    assert (trouble["status"], trouble["received"]) == ("xpass", "it passes: take the expectation out")
    assert not report["verdict"]["ok"]


@pytest.mark.parametrize(
    "change",
    [{"observable": "error"}, {"received": "42 of 42 elements"}, {"bound": 1e-6, "received": ""}],
    ids=["observable", "received", "bound"],
)
def test_a_failure_of_another_kind_stays_one(profile: Path, change: dict[str, Any]) -> None:
    report = expecting(profile, {**LATE, **change})
    assert results(report)["trouble"]["status"] == "fail"
    assert results(report)["trouble"]["reason"] == "expected to fail otherwise: it answers late"


def test_a_crash_is_never_expected(profile: Path) -> None:
    row = {**LATE, "observable": "worker", "received": "SIGSEGV"}
    assert results(expecting(profile, row, backend="drill-segfaults"))["trouble"]["status"] == "crash"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{**LATE, "id": "core.drill.of-nobody"}], "no case has this id"),
        ([{**LATE, "id": "core.drill.*"}], "no case has this id"),
        ([{**LATE, "review": datetime.date(2026, 11, 21)}], "its review was due on 2026-11-21"),
        ([{**LATE, "review": datetime.datetime(2027, 1, 1)}], "review is no date"),
        ([{**LATE, "review": "2027"}], "review is no date"),
        ([{**LATE, "versions": {"numpy": "<1.20"}}], "is outside <1.20"),
        ([{**LATE, "versions": {"numpy": "new"}}], "'new' is no range of versions"),
        ([{**LATE, "versions": {"numpy": 2}}], "2 is no range of versions"),
        ([{**LATE, "bound": "much"}], "bound is no number"),
        ([{**LATE, "bound": math.inf}], "state a finite number"),
        ([{**LATE, "bound": math.nan}], "state a finite number"),
        ([{**LATE, "bound": -1.0}], "state a finite number"),
        ([{**LATE, "review": datetime.date(2027, 12, 1)}], "set a day within a year"),
        ([{**LATE, "id": "core.drill.before"}], "none may be expected to fail"),
        ([{**LATE, "received": 0}], "received is no text"),
        ([{**LATE, "kind": "flaky"}], "kind 'flaky' is none of"),
        ([{**LATE, "reason": " "}], "it gives no reason"),
        ([{**LATE, "received": ""}], "neither a bound nor 5 characters of what is received"),
        ([{**LATE, "received": " a b "}], "neither a bound nor 5 characters of what is received"),
        ([{**LATE, "skip": True}], "there is no key 'skip' in one"),
        ([{"id": "layers.drill.trouble"}], "it has no 'reason'"),
        ([LATE, LATE], "it is there twice"),
    ],
)
def test_an_expectation_that_is_not_in_order_fails(
    profile: Path, rows: list[dict[str, Any]], problem: str
) -> None:
    report = expecting(profile, *rows, backend="drill-works-again")
    assert any(problem in each for each in report["backends"][0]["problems"]), report["backends"][0][
        "problems"
    ]
    assert not report["verdict"]["ok"]


def test_statuses_are_closed() -> None:
    assert set(judge.GOOD) == {"pass", "xfail", "unsupported"}

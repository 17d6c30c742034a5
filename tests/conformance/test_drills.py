"""Backends that go wrong in every way we could think of: the right status, and the run goes on."""

from __future__ import annotations

import copy
import datetime
import json
import os
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil
import pytest
from installed import installed

from isomorph.conformance import judge, manifest, process, suite
from isomorph.conformance.cases.write import case, dense, layer, spread
from isomorph.conformance.profile import questions

DRILLS = Path(__file__).parent / "packages" / "isomorph-drills"
PROFILE = Path(str(files("isomorph.backends.numpy").joinpath("conformance.toml")))
# A drill may take twice its time limit, three starts of a worker, and what a busy machine adds.
LONGEST_S = 30.0


def net(name: str, units: int, *inputs: int) -> dict[str, Any]:
    steps: list[Any] = [
        ["construct", {"spec": dense(units)}],
        ["to", {}],
        ["initialize", {"seed": 11}],
        ["call", {"inputs": [spread(*(inputs or (2, 5)))]}],
    ]
    return case(
        f"core.drill.{name}", "D-4", steps, [[3, "output"]], feature="drill", oracle="reference", timeout=2.0
    )


def relu(name: str = "relu") -> dict[str, Any]:
    steps: list[Any] = [
        ["construct", {"spec": layer("ReLU")}],
        ["to", {}],
        ["call", {"inputs": [spread(2, 3)]}],
    ]
    return case(f"layers.drill.{name}", "L-10", steps, [[2, "output"]], feature="drill")


def of(*cases: dict[str, Any]) -> dict[str, Any]:
    return {**manifest.load(), "cases": list(cases)}


# The request behind the trouble does not fit into a pipe's buffer.
LARGE = {**net("after", 5), "steps": copy.deepcopy(net("after", 5)["steps"])}
LARGE["steps"][3][1]["inputs"] = [{"values": [[0.123456789] * 20000], "dtype": "float32"}]
REDUCED = of(net("before", 7), net("trouble", 97), LARGE)


@pytest.fixture(scope="module", autouse=True)
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(DRILLS, tmp_path_factory.mktemp("drills")):
        yield


@pytest.fixture(autouse=True)
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "marker"
    monkeypatch.setenv("DRILL_MARKER", str(path))
    return path


def run(name: str, suite_of: dict[str, Any] = REDUCED, **settings: Any) -> dict[str, Any]:
    settings = {"profile": PROFILE, "memory_mb": 600.0, **settings}
    return suite.run(suite.Settings((name,), **settings), manifest=suite_of)


def results(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (entry,) = report["backends"]
    assert entry["state"] != "broken", entry["message"]
    return {each["id"].rpartition(".")[2]: each for each in entry["results"]}


TROUBLES = [
    ("segfaults", "crash", "worker", "SIGSEGV"),
    ("hangs", "timeout", "worker", "no answer in time"),
    ("prints", "fail", "standard output", "loading weights"),
    ("writes", "fail", "standard output", "not text"),
    ("child-answers", "pass", None, ""),
    ("child-stays", "crash", "worker", "exit code 3"),
    ("eats-memory", "crash", "worker", "MB of memory; 600 are allowed"),
    ("exits", "error", "error", "SystemExit"),
    ("leaves", "crash", "worker", "exit code 0"),
    ("ends-itself", "crash", "worker", "SIGKILL"),
    ("interrupts", "error", "error", "KeyboardInterrupt"),
    ("unprintable", "error", "error", "in __str__"),
    ("answers-late", "fail", "output", "0 ("),
    ("patches-the-comparator", "fail", "output", "elements differ"),
    ("phones-home", "fail", "error", "opened a connection to ('127.0.0.1', 9)"),
    ("deletes-its-folder", "fail", "surroundings", "working directory"),
    ("garbage", "error", "worker", "a line that is no JSON"),
    ("wrong-seq", "error", "worker", "where 2 was asked"),
    ("lies-about-the-step", "error", "worker", "step 0, where 3 of 4 are done"),
    ("forges", "error", "harness", "an answer that can't be read"),
    ("floods", "error", "worker", "a line that does not end"),
    ("closes-the-pipe", "crash", "worker", "exit code 1"),
    ("works-again", "pass", None, ""),
]


@pytest.mark.parametrize(("name", "status", "observable", "received"), TROUBLES, ids=[t[0] for t in TROUBLES])
def test_a_trouble_is_that_case_alone(name: str, status: str, observable: str, received: str) -> None:
    clock = time.monotonic()
    report = run(f"drill-{name}")
    found = results(report)
    trouble = found["trouble"]
    assert (trouble["status"], trouble.get("observable")) == (status, observable)
    assert received in trouble.get("received", "")
    assert found["before"]["status"] == found["after"]["status"] == "pass"
    assert report["verdict"]["ok"] == (status == "pass")
    if status in ("crash", "timeout"):
        assert (trouble["attempts"], trouble["order_dependent"]) == (2, False)
    assert time.monotonic() - clock < LONGEST_S
    ours = psutil.Process().children(recursive=True)
    assert [each for each in ours if "isomorph.conformance.worker" in each.cmdline()] == []


LEAKS = [
    "numpy's error state",
    "numpy's global generator",
    "working directory",
    "environment variable HOME",
    "standard output",
]


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_fails_its_case_and_is_mended_for_the_next(leak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILL_LEAK", leak)
    found = results(run("drill-leaks", of(net("before", 7), net("trouble", 97), net("after", 5))))
    assert (found["trouble"]["status"], found["trouble"]["observable"]) == ("fail", "surroundings")
    assert leak in found["trouble"]["received"]
    assert found["before"]["status"] == found["after"]["status"] == "pass"


def test_a_stopped_process_does_not_stop_the_run() -> None:
    found = results(run("drill-stops-reading", of(net("trouble", 97), LARGE, net("last", 3))))
    assert found["trouble"]["status"] == found["last"]["status"] == "pass"
    assert found["after"]["status"] == "timeout"
    assert found["after"]["order_dependent"]


def test_a_crash_that_does_not_happen_alone_is_order_dependent(marker: Path) -> None:
    found = results(run("drill-crashes-once"))
    assert marker.exists()
    assert (found["trouble"]["status"], found["trouble"]["order_dependent"]) == ("crash", True)
    assert "SIGABRT" in found["trouble"]["received"]


def test_a_child_that_stays_is_ended_with_its_worker(marker: Path) -> None:
    run("drill-child-stays")
    child = int(marker.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_backend_that_ends_the_process_at_import_is_broken() -> None:
    report = run("drill-at-import")
    (entry,) = report["backends"]
    assert (entry["state"], report["verdict"]["ok"]) == ("broken", False)
    assert "no licence was found" in entry["message"]


def test_a_worker_that_never_starts_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_S", 0.0)
    (entry,) = run("numpy")["backends"]
    assert (entry["state"], entry["message"]) == ("broken", "no answer in time")


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq": 0, "protocol": 2, "about": {}}',
        b'{"seq": 0, "protocol": 1, "about": {}}',
        b'{"seq": 0, "protocol": 1, "about": "numpy"}',
        b'{"protocol": 1}',
        b"[]",
        b"hello",
    ],
)
def test_a_worker_that_does_not_say_who_it_is_is_broken(
    line: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c \"import os; os.write($4, {line!r} + b'\\n')\"\n")
    python.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(python))
    (entry,) = run("numpy")["backends"]
    assert entry["state"] == "broken"


def test_a_backend_that_is_not_there_fails() -> None:
    report = run("drill-of-nobody")
    assert report["backends"][0]["state"] == "absent"
    assert not report["verdict"]["ok"]


@pytest.mark.parametrize("selection", [(), ("core.drill.of-nobody",)])
def test_no_case_is_not_green(selection: tuple[str, ...]) -> None:
    if selection:
        with pytest.raises(KeyError):
            run("numpy", selection=selection)
        return
    report = run("numpy", selection=selection)
    assert report["verdict"]["why"] == ["numpy: no case was required"]


def test_a_manifest_of_retired_cases_is_not_green() -> None:
    report = run("numpy", of({**net("before", 7), "status": "retired"}))
    assert report["verdict"]["why"] == ["numpy: no case was required"]


# What a profile claims.


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "conformance.toml"
    path.write_text(PROFILE.read_text())
    return path


def answers(profile: Path, name: str, text: str) -> None:
    key = f'"{name}"' if "." in name else name
    old = next(line for line in profile.read_text().splitlines() if line.startswith(f"{key} ="))
    profile.write_text(profile.read_text().replace(old, f"{key} = {text}" if text else ""))


def gradient() -> dict[str, Any]:
    steps = [*net("gradient", 3)["steps"][:3], ["gradients", {"inputs": [spread(2, 5)], "loss": "sum"}]]
    return case("train.drill.gradient", "G-1", steps, [[3, "gradients"]], feature="drill", oracle="reference")


def test_a_yes_that_can_not_fails(profile: Path) -> None:
    answers(profile, "gradients", "true")
    found = results(run("numpy", of(gradient()), profile=profile))["gradient"]
    assert (found["status"], found["observable"]) == ("fail", "error")
    assert "GradientsNotSupportedError" in found["received"]


def test_a_no_that_can_is_told_to_say_so(profile: Path) -> None:
    answers(profile, "layer.ReLU", "false")
    report = run("numpy", of(relu()), profile=profile)
    found = results(report)["relu"]
    assert (found["status"], found["received"]) == ("xpass", "it works: answer yes in the profile")
    assert not report["verdict"]["ok"]


def test_a_no_that_fails_in_another_way_fails(profile: Path) -> None:
    answers(profile, "layer.ReLU", "false")
    found = results(
        run("drill-exits", of({**net("trouble", 97), "capabilities": ["layer.ReLU"]}), profile=profile)
    )
    assert (found["trouble"]["status"], found["trouble"]["observable"]) == ("fail", "capability")
    assert "SystemExit" in found["trouble"]["received"]


def test_a_no_is_unsupported_and_no_pass() -> None:
    report = run("numpy", of(gradient(), relu()))
    (entry,) = report["backends"]
    assert entry["counts"]["unsupported"] == 1
    assert entry["levels"]["train"] == {"required": 0, "passed": 0}
    assert report["verdict"]["ok"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "gradients",
            "",
            f"capability gradients is not answered with true or false: {questions()['gradients']}",
        ),
        ("gradients", '"yes"', "capability gradients is not answered with true or false"),
        ("layer.ReLU", '1\n"layer.Warp" = true', "capability layer.Warp is no question of this suite"),
        ("suite", '"2099.1"', "the profile answers suite '2099.1'"),
        ("suite", "2026", "the profile answers suite 2026"),
        ("gradients", "= broken", "Invalid value"),
    ],
)
def test_a_profile_that_does_not_answer_fails(profile: Path, name: str, text: str, problem: str) -> None:
    answers(profile, name, text)
    report = run("numpy", of(relu()), profile=profile)
    assert any(problem in each for each in report["backends"][0]["problems"])
    assert not report["verdict"]["ok"]


@pytest.mark.parametrize(
    "text", ["profile = 3", "[profile]\ncapabilities = []", "expect = 3", "expect = ['x']", ""]
)
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
    "id": "core.drill.trouble",
    "kind": "framework-bug",
    "observable": "output",
    "received": "0 (",
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
    [{"observable": "error"}, {"received": "42"}, {"bound": 1e-6, "received": ""}],
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
        ([{**LATE, "received": 0}], "received is no text"),
        ([{**LATE, "kind": "flaky"}], "kind 'flaky' is none of"),
        ([{**LATE, "reason": " "}], "it gives no reason"),
        ([{**LATE, "received": ""}], "neither what is received nor a bound"),
        ([{**LATE, "skip": True}], "unexpected keyword argument 'skip'"),
        ([{"id": "core.drill.trouble"}], "missing"),
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
    assert os.getcwd() != "/"

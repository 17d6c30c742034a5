"""Backends that go wrong in every way we could think of: the right status, and the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from drills import DRILLS, LARGE, PROFILE, net, of, results, run
from installed import installed

from isomorph.conformance import process, verdict

# A drill may take twice its time limit, three starts of a worker, and what a busy machine adds.
LONGEST_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(DRILLS, tmp_path_factory.mktemp("drills")):
        yield


@pytest.fixture(autouse=True)
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "marker"
    monkeypatch.setenv("DRILL_MARKER", str(path))
    return path


TROUBLES = [
    ("segfaults", "crash", "worker", "SIGSEGV"),
    ("hangs", "timeout", "worker", "no answer in time"),
    ("prints", "fail", "standard output", "loading weights"),
    ("writes", "fail", "standard output", "not text"),
    ("child-answers", "pass", None, ""),
    ("child-stays", "crash", "worker", "exit code 3"),
    ("eats-memory", "crash", "worker", "MB of memory; 400 are allowed"),
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
    ("ends-by-a-number", "crash", "worker", "ended by signal 40"),
    ("says-hello", "pass", None, ""),
    ("works-again", "pass", None, ""),
]


@pytest.mark.parametrize(("name", "status", "observable", "received"), TROUBLES, ids=[t[0] for t in TROUBLES])
def test_a_trouble_is_that_case_alone(name: str, status: str, observable: str, received: str) -> None:
    clock = time.monotonic()
    report = run(f"drill-{name}", timeouts=1.0 if status == "timeout" else 10.0)
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


@pytest.mark.parametrize(("shuffle", "status"), [(None, "pass"), (0, "fail"), (1, "pass")])
def test_another_order_shows_what_a_case_leaves_behind(shuffle: int | None, status: str) -> None:
    suite_of = of(net("before", 7), net("trouble", 97))
    report = run("drill-remembers", suite_of, shuffle=shuffle)
    assert results(report)["trouble"]["status"] == status
    assert verdict.faults(report, suite_of) == []


@pytest.fixture
def asleep(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """Start a run of the command line whose worker never answers; return both processes."""
    names = ["--backend", "drill-sleeps", "--case", "core.defer.first-call", "--profile", str(PROFILE)]
    command = [sys.executable, "-m", "isomorph.conformance", "run", *names]
    marker = tmp_path / "asleep"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "DRILL_MARKER": str(marker)}

    def heed() -> None:
        """What shells start in the background ignores SIGINT, and so does all below it."""
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, preexec_fn=heed) as run:
        while not marker.exists():
            assert run.poll() is None
            time.sleep(0.1)
        yield run, psutil.Process(run.pid).children()
        run.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_once(asleep: Any, number: int, tmp_path: Path) -> None:
    run, workers = asleep
    run.send_signal(number)
    assert run.wait(20) != 0
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert (len(gone), alive) == (1, [])
    assert list(tmp_path.glob("isomorph-conformance-*")) == []


def test_a_closed_worker_is_not_ended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = process.Worker("numpy")
    worker.close()
    # Its number may be another process's by now.
    monkeypatch.setattr(worker, "_kill", lambda: pytest.fail("it was ended again"))
    process.end_all()


def test_a_worker_whose_parent_was_killed_ends_itself(asleep: Any) -> None:
    run, workers = asleep
    run.kill()
    assert psutil.wait_procs(workers, timeout=10)[1] == []


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

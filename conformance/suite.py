"""A run of the suite: workers side by side, one thread of ours each, and the report at the end."""

from __future__ import annotations

import datetime
import os
import platform
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isomorph import registry
from isomorph.errors import BackendNotInstalledError, UnknownBackendError
from isomorph.version import __version__

from . import differential, profile
from .judge import GOOD, Judge
from .manifest import Manifest, digest, load, with_needs
from .process import Worker, end_all
from .script import scripts
from .verdict import complete, required, verdict

Report = dict[str, Any]
Entry = dict[str, Any]
Answers = dict[str, list[Any]]
Progress = Callable[[str, int, int, str], None]
# How many failures of a backend get a script that stands alone.
SCRIPTS = 50


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Args:
        backends: Names of backends, ours or a third party's.
        selection: Ids to run instead of the whole suite; what they need runs too.
        shuffle: A seed for another order of the cases than the manifest's.
        workers: How many backends run at once; by default one a core.
        profile: A profile to use instead of the one beside the adapter.
        memory_mb: Resident memory at which a worker is ended.
        timeouts: A factor on every case's time limit.
        today: The day that review dates of expectations are held against.
        command: What was typed, for the report.
    """

    backends: tuple[str, ...]
    selection: tuple[str, ...] | None = None
    shuffle: int | None = None
    workers: int | None = None
    profile: Path | None = None
    memory_mb: float = 8192.0
    timeouts: float = 1.0
    today: datetime.date = field(default_factory=datetime.date.today)
    command: str = "isomorph conformance run"

    def told(self) -> dict[str, Any]:
        """Return what a report says of them."""
        return {"shuffle": self.shuffle, "command": self.command}


def run(settings: Settings, progress: Progress | None = None, manifest: Manifest | None = None) -> Report:
    """Run the suite and return the report.

    Args:
        settings: How.
        progress: Called with (backend, cases done, cases in all, status of the last one).
        manifest: The suite; by default the one that this release ships.
    """
    manifest = manifest or load()
    selection = None if settings.selection is None else with_needs(settings.selection, manifest)
    cases = [case for case in manifest["cases"] if case["status"] != "retired"]
    if selection is not None:
        cases = [case for case in cases if case["id"] in set(selection)]
    if settings.shuffle is not None:
        cases = shuffled(cases, settings.shuffle)
    started, clock = now(), time.perf_counter()
    show = progress or (lambda *_: None)

    stop = threading.Event()

    def run_lane(name: str) -> Lane:
        lane = Lane(name, settings, lambda name: show(name, 0, len(cases), "starting"), manifest, stop)
        try:
            for position, case in enumerate(cases if lane.judge else ()):
                show(lane.name, position + 1, len(cases), lane.run(case)["status"])
        except Exception as fault:  # one backend must not end the others' runs
            text = f"the harness failed on it: {type(fault).__name__}: {fault}"
            lane.entry |= {"state": "broken", "message": text}
        finally:
            lane.close()
        return lane

    with ThreadPoolExecutor(settings.workers or os.cpu_count()) as pool:
        runs = [pool.submit(run_lane, name) for name in settings.backends]
        try:
            lanes = [each.result() for each in runs]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise
    backends = [complete(lane.entry, manifest, selection) for lane in lanes]
    answers = {lane.name: lane.answers for lane in lanes if lane.judge}
    head = {"started": started, "wall_s": round(time.perf_counter() - clock, 2), "selection": selection}
    return report_of(backends, answers, manifest, {**head, **settings.told()})


def names_of(backend: str, require: str = "") -> list[str]:
    """Return the names of backends given with commas, each once, by whatever alias; unknown ones as they are.

    Args:
        backend: Names, or ``"all"``: every backend that is installed.
        require: Further names, of backends that must be there.
    """
    found = [each.name for each in registry.available() if each.is_installed] if backend == "all" else []
    for word in filter(None, map(str.strip, f"{'' if backend == 'all' else backend},{require}".split(","))):
        try:
            found.append(registry.info(word).name)
        except UnknownBackendError:
            found.append(word)
    return list(dict.fromkeys(found))


def now() -> str:
    """Return the time as a report has it."""
    text = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def report_of(
    backends: list[Entry], answers: dict[str, Answers], manifest: Manifest, head: dict[str, Any]
) -> Report:
    """Return the report on completed entries of backends, with differences and verdict.

    Args:
        backends: The entries.
        answers: By backend and case, what the workers saw.
        manifest: The suite.
        head: What is known of the run: started, wall_s, selection, shuffle, command.
    """
    statuses = {each["name"]: {r["id"]: r["status"] for r in each["results"]} for each in backends}
    report: Report = {
        "schema": 1,
        "suite": manifest["suite"],
        "spec": manifest["spec"],
        "manifest": digest(manifest),
        "isomorph": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        **head,
        "backends": backends,
        "differences": differential.differences(required(manifest, head["selection"]), answers, statuses),
    }
    report["verdict"] = verdict(report)
    return report


def shuffled(cases: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Return the cases in an order drawn from the seed, each after those that it needs."""
    waiting = {case["id"]: case for case in random.Random(seed).sample(cases, len(cases))}
    found: list[dict[str, Any]] = []

    def take(name: str) -> None:
        if (case := waiting.pop(name, None)) is not None:
            for need in case["needs"]:
                take(need)
            found.append(case)

    for name in list(waiting):
        take(name)
    return found


def blank(name: str, message: str = "") -> Entry:
    """Return the entry of a backend on which nothing ran."""
    return {
        "name": name,
        "adapter": "",
        "versions": {},
        "state": "absent",
        "message": message,
        "capabilities": {},
        "wall_s": 0.0,
        "peak_mb": 0.0,
        "restarts": 0,
        "expectations": [],
        "problems": [],
        "results": [],
    }


class Lane:
    """One backend in a run: its worker, its judge, and its entry in the report, its sums still open.

    Args:
        name: The backend's name or alias.
        settings: How the run is made.
        starting: Called with the backend's name before its worker is started.
        manifest: The suite; by default the one that this release ships.
        stop: Set when the run is interrupted: no worker is started any more.

    `judge` is None where there is nothing to run on; the entry then says why.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        starting: Callable[[str], None] = lambda name: None,
        manifest: Manifest | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self.name, self._clock = name, time.perf_counter()
        self.judge: Judge | None = None
        self.entry = blank(name)
        try:
            info = registry.info(name)
        except UnknownBackendError as error:
            self.entry["message"] = str(error).splitlines()[0]
            return
        self.name = info.name
        self.entry |= {"name": info.name, "versions": dict(info.versions)}
        if not info.is_installed:
            error_text = str(BackendNotInstalledError.named(info.name, info.missing, info.extra, ()))
            self.entry["message"] = error_text.splitlines()[0]
            return
        starting(info.name)
        self._start(settings, manifest or load())

    def _start(self, settings: Settings, manifest: Manifest) -> None:
        worker = Worker(self.name, settings.profile, settings.memory_mb)
        if "about" not in worker.about:
            tail = worker.tail().strip().splitlines()
            worker.close()
            message = f"{worker.about.get('broken', 'no answer')}" + (f" ({tail[-1]})" if tail else "")
            self.entry |= {"state": "broken", "message": " ".join(message.split())}
            return
        told = worker.about["about"]
        ids = {case["id"] for case in manifest["cases"]}
        texts = (told["profile"], told["profile_path"])
        read = profile.read(*texts, ids, told["versions"], settings.today, told["layers"])
        self.entry |= {"state": "ran", "adapter": told["adapter"], "versions": told["versions"]}
        self.entry |= {"capabilities": read.capabilities, "problems": read.problems}
        self.entry["expectations"] = [each.told() for each in read.expectations.values()]

        def again() -> Worker:
            if self._stop.is_set():
                raise InterruptedError("the run was interrupted")
            return Worker(self.name, settings.profile, settings.memory_mb)

        self.judge = Judge(self.name, worker, read, again, settings.timeouts)

    @property
    def answers(self) -> Answers:
        """What the worker saw, by case."""
        return {} if self.judge is None else self.judge.answers

    def run(self, case: dict[str, Any]) -> dict[str, Any]:
        """Run a case; its result is in the entry, and returned."""
        assert self.judge is not None
        result = self.judge.run(case)
        self.entry["results"].append(result)
        return result

    def close(self) -> None:
        """End the worker, note what it took, and give failures their scripts."""
        if self.judge is None:
            return
        self.judge.worker.close()
        bad = (each for each in self.entry["results"] if each["status"] not in (*GOOD, "blocked"))
        failed = list(bad)[:SCRIPTS]
        if failed and not self._stop.is_set():
            made = scripts([each["id"] for each in failed], self.name)
            for each in failed:
                each |= {"script": made[each["id"]]} if each["id"] in made else {}
        self.entry["restarts"] = self.judge.restarts
        self.entry["peak_mb"] = round(max(self.judge.peak_mb, self.judge.worker.peak_mb), 1)
        self.entry["wall_s"] = round(time.perf_counter() - self._clock, 2)

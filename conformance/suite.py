"""A run of the suite: workers side by side, one thread of ours each, and the report at the end."""

from __future__ import annotations

import datetime
import os
import platform
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
from .judge import Judge
from .manifest import Manifest, digest, load
from .process import Worker
from .verdict import complete, verdict

Report = dict[str, Any]
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Args:
        backends: Names of backends, ours or a third party's.
        selection: Ids to run instead of the whole suite; what they need runs too.
        workers: How many backends run at once; by default one a core.
        profile: A profile to use instead of the one beside the adapter.
        memory_mb: Resident memory at which a worker is ended.
        timeouts: A factor on every case's time limit.
        today: The day that review dates of expectations are held against.
        command: What was typed, for the report.
    """

    backends: tuple[str, ...]
    selection: tuple[str, ...] | None = None
    workers: int | None = None
    profile: Path | None = None
    memory_mb: float = 8192.0
    timeouts: float = 1.0
    today: datetime.date = field(default_factory=datetime.date.today)
    command: str = "isomorph conformance run"


def run(settings: Settings, progress: Progress | None = None, manifest: Manifest | None = None) -> Report:
    """Run the suite and return the report.

    Args:
        settings: How.
        progress: Called with (backend, cases done, cases in all, status of the last one).
        manifest: The suite; by default the one that this release ships.
    """
    manifest = manifest or load()
    selection = None if settings.selection is None else _with_needs(settings.selection, manifest)
    cases = [case for case in manifest["cases"] if case["status"] != "retired"]
    if selection is not None:
        cases = [case for case in cases if case["id"] in set(selection)]
    started, clock = datetime.datetime.now(datetime.timezone.utc), time.perf_counter()
    show = progress or (lambda *_: None)
    answers: dict[str, dict[str, list[Any]]] = {}
    with ThreadPoolExecutor(settings.workers or os.cpu_count()) as pool:
        backends = list(pool.map(lambda name: _backend(name, cases, settings, show, answers), settings.backends))
    backends = [complete(backend, manifest, selection) for backend in backends]
    statuses = {each["name"]: {r["id"]: r["status"] for r in each["results"]} for each in backends}
    report: Report = {
        "schema": 1,
        "suite": manifest["suite"],
        "spec": manifest["spec"],
        "manifest": digest(manifest),
        "started": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "wall_s": round(time.perf_counter() - clock, 2),
        "isomorph": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "command": settings.command,
        "selection": selection,
        "backends": backends,
        "differences": differential.differences(cases, answers, statuses),
    }
    report["verdict"] = verdict(report)
    return report


def _with_needs(names: tuple[str, ...], manifest: Manifest) -> list[str]:
    needs = {case["id"]: case["needs"] for case in manifest["cases"]}
    wanted, found = list(names), set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += needs[name]
    return [name for name in needs if name in found]


_ANSWERS = threading.Lock()


def _backend(
    name: str, cases: list[Any], settings: Settings, show: Progress, answers: dict[str, dict[str, list[Any]]]
) -> dict[str, Any]:
    """Run the cases on one backend; return its entry in the report, its sums still open."""
    clock = time.perf_counter()
    entry: dict[str, Any] = {
        "name": name,
        "adapter": "",
        "versions": {},
        "state": "absent",
        "message": "",
        "capabilities": {},
        "wall_s": 0.0,
        "peak_mb": 0.0,
        "restarts": 0,
        "problems": [],
        "results": [],
    }
    try:
        info = registry.info(name)
    except UnknownBackendError as error:
        return {**entry, "message": str(error).splitlines()[0]}
    entry["name"], entry["versions"] = info.name, dict(info.versions)
    if not info.is_installed:
        error_text = str(BackendNotInstalledError.named(info.name, info.missing, ()))
        return {**entry, "message": error_text.splitlines()[0]}
    show(info.name, 0, len(cases), "starting")
    worker = Worker(info.name, settings.profile, settings.memory_mb)
    about = worker.about
    if "about" not in about:
        tail = worker.tail().strip().splitlines()
        worker.close()
        message = f"{about.get('broken', 'no answer')}" + (f" ({tail[-1]})" if tail else "")
        return {**entry, "state": "broken", "message": message}
    told = about["about"]
    ids = {case["id"] for case in load()["cases"]}
    read = profile.read(told["profile"], told["profile_path"], ids, told["versions"], settings.today)
    entry |= {"adapter": told["adapter"], "versions": told["versions"], "capabilities": read.capabilities}
    entry |= {"state": "ran", "problems": read.problems}
    judge = Judge(
        info.name, worker, read, lambda: Worker(info.name, settings.profile, settings.memory_mb), settings.timeouts
    )
    try:
        for position, case in enumerate(cases):
            result = judge.run(case)
            entry["results"].append(result)
            show(info.name, position + 1, len(cases), result["status"])
    finally:
        judge.worker.close()
    with _ANSWERS:
        answers[info.name] = judge.answers
    entry["restarts"] = judge.restarts
    entry["peak_mb"] = round(max(judge.peak_mb, judge.worker.peak_mb), 1)
    entry["wall_s"] = round(time.perf_counter() - clock, 2)
    return entry




"""The suite in pytest, an item a case: ``pytest -p isomorph.conformance.plugin --backend mybackend``.

Without further arguments it runs beside the tests that pytest finds; among arguments its name is
``isomorph.conformance``, and a case's ``isomorph.conformance::mybackend::ID``. With pytest-xdist
add ``--dist loadgroup``: then each backend has one worker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import suite
from .judge import GOOD
from .manifest import by_id, digest, load, with_needs
from .spec import CLAUSES
from .verdict import complete, headline

NAME = "isomorph.conformance"
MANIFEST = Path(__file__).with_name("manifest.json")
PROFILE = "profile"
# Where reports keep a case's status: pytest has fewer outcomes.
STATUS = "conformance"


class NotConformingError(Exception):
    """A case or a profile is not as it must be."""


class Run:
    """What this process runs, and what it or its xdist workers showed."""

    def __init__(self, config: pytest.Config) -> None:
        given: str | None = config.getoption("conformance_profile")
        profile = None if given is None else Path(given)
        command = " ".join(["pytest", *map(str, config.invocation_params.args)])
        self.settings = suite.Settings((), profile=profile, command=command)
        self.manifest = load()
        self.cases = by_id(self.manifest)
        self.selected: dict[str, list[str]] = {}
        self.parts: list[dict[str, Any]] = []
        self.report: suite.Report | None = None
        self.notes: list[str] = []
        self._lanes: dict[str, suite.Lane] = {}
        self._results: dict[tuple[str, str], dict[str, Any]] = {}
        self._started, self._clock = suite.now(), time.perf_counter()

    def lane(self, backend: str) -> suite.Lane:
        """Return a backend's lane; the first time its worker is started."""
        if backend not in self._lanes:
            self._lanes[backend] = suite.Lane(backend, self.settings)
        return self._lanes[backend]

    def result(self, backend: str, name: str) -> dict[str, Any]:
        """Return a case's result; it runs now, behind what it needs, unless it already has."""
        lane = self.lane(backend)
        if lane.judge is None:
            line = f"{name}: {backend} is {lane.entry['state']}: {lane.entry['message']}"
            return {"id": name, "status": "missing", "line": line}
        if (backend, name) not in self._results:
            for need in self.cases[name]["needs"]:
                self.result(backend, need)
            self._results[backend, name] = lane.run(self.cases[name])
        return self._results[backend, name]

    def part(self) -> dict[str, Any]:
        """End the workers and return what they showed."""
        for lane in self._lanes.values():
            lane.close()
        shown = {name: [lane.entry, lane.answers] for name, lane in self._lanes.items()}
        return {"selected": self.selected, "shown": shown}

    def finish(self, folder: str | None) -> None:
        """Join the parts into the report and judge it; write it if it is asked for."""
        selected: dict[str, list[str]] = {}
        entries: dict[str, suite.Entry] = {}
        answers: dict[str, suite.Answers] = {}
        for part in self.parts:
            selected |= {name: ids for name, ids in part["selected"].items() if ids}
            for name, (entry, seen) in part["shown"].items():
                entries[name] = _joined(entries[name], entry) if name in entries else entry
                answers[name] = {**seen, **answers.get(name, {})}
        if not selected:
            return
        asked = {name: self._selection(ids) for name, ids in selected.items()}
        backends = [
            complete(entries.get(name) or suite.blank(name, "it was not reached"), self.manifest, ids)
            for name, ids in asked.items()
        ]
        # None, the whole suite, only where every backend ran all of it.
        parts = [each for each in asked.values() if each is not None]
        selection = max(parts, key=len) if parts else None
        wall_s = round(time.perf_counter() - self._clock, 2)
        head = {"started": self._started, "wall_s": wall_s, "selection": selection}
        self.report = suite.report_of(backends, answers, self.manifest, {**head, **self.settings.told()})
        if folder is not None and all(each == selection for each in asked.values()):
            self._write(Path(folder))
        elif folder is not None:
            self.notes.append("no report is written: the backends ran different cases")

    def _selection(self, ids: list[str]) -> list[str] | None:
        """Return what a report calls its selection: None for the whole suite."""
        everything = {name for name, case in self.cases.items() if case["status"] != "retired"}
        return None if set(ids) == everything else with_needs(ids, self.manifest)

    def _write(self, folder: Path) -> None:
        from .report import write

        texts = {clause.id: clause.text for clause in CLAUSES}
        written = write(self.report or {}, {**self.manifest, "clauses": texts}, folder)
        self.notes += [f"wrote {path}" for path in written]


def _joined(one: suite.Entry, two: suite.Entry) -> suite.Entry:
    """Return one backend's entry from those of two processes; what went wrong in either stays."""
    results: dict[str, dict[str, Any]] = {}
    for each in (*one["results"], *two["results"]):
        if each["id"] not in results or each["status"] not in GOOD:
            results[each["id"]] = each
    head = two if one["state"] == "ran" else one
    sums = {fact: max(one[fact], two[fact]) for fact in ("wall_s", "peak_mb")}
    sums["restarts"] = one["restarts"] + two["restarts"]
    return {**head, **sums, "results": list(results.values())}


RUN = pytest.StashKey[Run]()


class Item(pytest.Item):
    """One thing that a backend is asked."""

    def __init__(self, *, backend: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.backend = backend
        self.add_marker(pytest.mark.xdist_group(name=backend))

    @property
    def run(self) -> Run:
        """What this process runs."""
        return self.config.stash[RUN]

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the item as the suite does."""
        return self.path, None, f"{self.backend}::{self.name}"

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show what does not conform; our own frames say nothing about it."""
        if not isinstance(excinfo.value, (NotConformingError, pytest.xfail.Exception)):
            return super().repr_failure(excinfo, style)
        shown = excinfo.getrepr(style="value")
        if shown.reprcrash is not None:
            shown.reprcrash.message = str(excinfo.value)
        return shown


class ProfileItem(Item):
    """The backend is there, and its profile is in order."""

    def runtest(self) -> None:
        """Start the backend's worker and look at what the profile says."""
        entry = self.run.lane(self.backend).entry
        if entry["state"] != "ran":
            raise NotConformingError(f"{self.backend}: {entry['state']}: {entry['message']}")
        if entry["problems"]:
            raise NotConformingError("\n".join(f"{self.backend}: {problem}" for problem in entry["problems"]))


class CaseItem(Item):
    """One case."""

    def runtest(self) -> None:
        """Run the case, and turn its status into pytest's outcome."""
        result = self.run.result(self.backend, self.name)
        status, case = result["status"], self.run.cases[self.name]
        self.user_properties += [(STATUS, status), ("clause", case["clause"])]
        if status == "pass":
            return
        if status in GOOD:
            pytest.xfail(f"{status}: {result['reason']}")
        elif case["status"] == "provisional":
            pytest.xfail(f"provisional, not counted yet: {result['line']}")
        else:
            lines = list(_told(result))
            while "needs" in result:
                result = self.run.result(self.backend, result["needs"])
                lines += _told(result)
            raise NotConformingError("\n".join(lines))


def _told(result: dict[str, Any]) -> Iterator[str]:
    """Yield a bad result's text: the line, the command, the log, the end of standard error."""
    yield f"{result['status']}: {result['line']}"
    if "command" in result:
        yield f"    {result['command']}"
    yield from (f"    {line}" for line in result.get("log", []))
    yield from result.get("stderr", "").splitlines()


class BackendCollector(pytest.Collector):
    """A backend's items: its profile, and every case."""

    def collect(self) -> Iterator[Item]:
        """Yield them; a retired case is listed in the manifest only."""
        yield ProfileItem.from_parent(self, name=PROFILE, backend=self.name)
        for name, case in self.config.stash[RUN].cases.items():
            if case["status"] != "retired":
                yield CaseItem.from_parent(self, name=name, backend=self.name)


class SuiteFile(pytest.File):
    """The manifest, for every backend named."""

    def collect(self) -> Iterator[pytest.Collector]:
        """Yield the backends."""
        for name in _backends(self.config):
            yield BackendCollector.from_parent(self, name=name)


def _backends(config: pytest.Config) -> list[str]:
    named, required = (config.getoption(f"conformance_{what}") or "" for what in ("backend", "require"))
    return suite.names_of(named, required)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add this plugin's options."""
    group = parser.getgroup("isomorph conformance")
    group.addoption(
        "--backend", dest="conformance_backend", metavar="NAMES",
        help="run the conformance suite on a backend, several with commas, or all",
    )  # fmt: skip
    group.addoption(
        "--conformance-require", default="", metavar="NAMES",
        help="backends that must be there, with commas: with --backend all, those that are not fail",
    )  # fmt: skip
    group.addoption(
        "--conformance-report", metavar="FOLDER", help="write the conformance reports to this folder"
    )
    group.addoption(
        "--conformance-profile", metavar="FILE", help="a conformance.toml to use instead of the backend's own"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Put the suite among what pytest collects."""
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): the items that one xdist worker runs")
    named = [position for position, text in enumerate(config.args) if text.partition("::")[0] == NAME]
    for position in named:
        config.args[position] = f"{MANIFEST}{config.args[position].removeprefix(NAME)}"
    typed = any(str(each).startswith("--backend") for each in config.invocation_params.args)
    if _backends(config):
        config.stash[RUN] = Run(config)
        # Who types a backend's name wants the suite, whatever else is to run.
        if not named and (typed or config.args_source != pytest.Config.ArgsSource.ARGS):
            config.args.append(str(MANIFEST))
    elif named or config.getoption("conformance_backend") is not None:
        raise pytest.UsageError(f"{NAME} runs on backends: name them, such as --backend numpy")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the suite."""
    if RUN not in config.stash:
        return None
    manifest = config.stash[RUN].manifest
    return f"isomorph: suite {manifest['suite']}, {digest(manifest)[:19]}, on {', '.join(_backends(config))}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the manifest."""
    if file_path != MANIFEST or RUN not in parent.config.stash:
        return None
    collector: pytest.Collector = SuiteFile.from_parent(parent, path=file_path, nodeid=NAME)
    return collector


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which cases are left to run: the report and the verdict are of them."""
    if RUN in session.config.stash:
        selected = session.config.stash[RUN].selected
        for item in session.items:
            if isinstance(item, CaseItem):
                selected.setdefault(item.backend, []).append(item.name)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count a tested "no" of the profile apart."""
    properties = dict(getattr(report, "user_properties", ()))
    is_no = report.when == "call" and properties.get(STATUS) == "unsupported"
    return ("unsupported", "u", "UNSUPPORTED") if is_no else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what an xdist worker showed."""
    text = getattr(node, "workeroutput", {}).get(NAME)
    if text is not None:
        node.config.stash[RUN].parts.append(json.loads(text))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the workers, and fail the session where the suite's verdict is bad."""
    config = session.config
    if RUN not in config.stash or config.option.collectonly:
        return
    run = config.stash[RUN]
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)  # of pytest-xdist
    if output is not None:
        output[NAME] = json.dumps(run.part())
        return
    run.parts.append(run.part())
    run.finish(config.getoption("conformance_report"))
    if run.report is not None and not run.report["verdict"]["ok"] and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the command line would: each backend's state, the differences, the verdict."""
    run = config.stash.get(RUN, None)
    if run is None or config.option.collectonly:
        return
    terminalreporter.section("isomorph conformance")
    if run.report is None:
        terminalreporter.line(f"no case was selected: nothing is known of {', '.join(_backends(config))}")
        return
    for each in run.report["backends"]:
        ran = f"{each['executed']} of {each['required']} cases ran"
        terminalreporter.line(f"{each['name']}: {each['state']}, {ran}")
    verdict = run.report["verdict"]
    for line in (*run.notes, *verdict["why"]):
        terminalreporter.line(line)
    terminalreporter.line(headline(run.report))

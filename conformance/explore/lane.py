"""The search: trials on workers, answers held against the model and each other, finds shrunk."""

from __future__ import annotations

import contextlib
import datetime
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given
from hypothesis import configuration as hypothesis_configuration
from hypothesis import seed as hypothesis_seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Flaky

from isomorph.conformance import profile as profiles
from isomorph.conformance.cases.write import kinds
from isomorph.conformance.compare import Mismatch, first_mismatch
from isomorph.conformance.differential import first
from isomorph.conformance.layers import CONTAINERS
from isomorph.conformance.manifest import by_id, load
from isomorph.conformance.process import ProtocolFault, Worker, WorkerGone
from isomorph.conformance.profile import Profile, questions

from .oracle import everything
from .reduce import reduced
from .telling import told
from .trials import Trial, trials

TIMEOUT_S = 120.0
# A find that has not shrunk by then is told as it is.
SHRINK_S = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A difference between what was seen and what must be, and whose it is."""

    backend: str
    mismatch: Mismatch
    verb: str
    error: str = ""

    @property
    def bug(self) -> tuple[str, ...]:
        """What tells it from other differences, whatever the net."""
        return self.backend, self.mismatch.observable, self.verb, self.error


class Subject:
    """One backend: its worker, started again where it was lost."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.worker = Worker(name)
        self.broken = self._broken()
        told = self.worker.about.get("about", {})
        today = datetime.date.today()
        self.profile = Profile()
        if told:
            texts, ids = (told["profile"], told["profile_path"]), set(by_id(load()))
            self.profile = profiles.read(*texts, ids, told["versions"], today, told["layers"])

    def _broken(self) -> str:
        return "" if "about" in self.worker.about else str(self.worker.about.get("broken", "no answer"))

    def expects(self, observable: str, steps: list[Any]) -> bool:
        """Return whether the profile expects this of a layer and a type that are in the steps."""
        types = {arguments.get("dtype") for verb, arguments in steps if verb == "to"}
        named = {f"extras.types.{kind.lower()}-{dtype}" for kind in kinds(steps) for dtype in types}
        rows = [each for name, each in self.profile.expectations.items() if name in named]
        return any(each.observable == observable for each in rows)

    def run(self, steps: list[Any]) -> tuple[list[Any], Mismatch | None]:
        """Return what the worker saw, or how it failed to answer."""
        try:
            answer = self.worker.run(steps, TIMEOUT_S)
        except (WorkerGone, ProtocolFault) as fault:
            tail = self.worker.tail().strip().splitlines()[-1:]
            self.worker.close()
            self.worker = Worker(self.name)
            self.broken = self._broken()
            status = fault.status if isinstance(fault, WorkerGone) else "harness"
            return [], Mismatch(len(steps) - 1, status, "an answer", " ".join([str(fault), *tail]))
        last = len(answer.seen) - 1
        if answer.harness:
            return answer.seen, Mismatch(
                last, "harness", "an answer", answer.harness.strip().splitlines()[-1]
            )
        if answer.leaks:
            return answer.seen, Mismatch(last, "surroundings", "as they were", ", ".join(answer.leaks))
        if answer.printed:
            return answer.seen, Mismatch(last, "standard output", "nothing printed", repr(answer.printed))
        return answer.seen, None


@dataclass
class Search:
    """A search on some backends."""

    subjects: list[Subject]
    say: Say
    finds: list[tuple[tuple[str, ...], frozenset[str]]] = field(default_factory=list)
    ran: int = 0
    met_again: int = 0

    def judged(self, trial: Trial) -> Found | None:
        """Run a trial on every backend; return the first thing that is wrong."""
        if trial.fault:
            verb = trial.steps[-1][0]
            return Found("the model", Mismatch(len(trial.steps) - 1, "model", "an answer", trial.fault), verb)
        case = {"ask": everything(trial.steps, trial.expected)}
        answers: list[tuple[list[Any], str]] = []
        for subject in self.subjects:
            seen, mismatch = subject.run(trial.steps)
            if mismatch is None:
                mismatch = first_mismatch(case, seen, trial.expected, subject.profile.data)
            if mismatch is not None and subject.expects(mismatch.observable, trial.steps):
                self.met_again += 1
                return None
            if mismatch is not None:
                # Where a worker was lost nobody knows at which step.
                verb = trial.steps[mismatch.step][0] if seen else ""
                error = seen[mismatch.step]["error"] if mismatch.step < len(seen) else None
                return Found(subject.name, mismatch, verb, (error or {}).get("type", ""))
            answers.append((seen, subject.name))
        for position, one in enumerate(answers):
            for two in answers[position + 1 :]:
                difference = first(trial.expected, one, two)
                if difference is not None:
                    step, observable, *texts = difference
                    who = f"{one[1]} and {two[1]}"
                    return Found(who, Mismatch(step, observable, *texts), trial.steps[step][0])
        return None

    def is_known(self, found: Found, trial: Trial) -> bool:
        """Return whether a find as this was told already, on a net with no more in it."""
        inside = _inside(trial)
        return any(bug == found.bug and parts <= inside for bug, parts in self.finds)

    def round(self, examples: int, seed: int) -> int:
        """Search until there is a find, and tell it; return how many examples that took."""
        one = _Round(self)

        @hypothesis_seed(seed)
        @hypothesis_settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
            suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(trials(self._able()))
        def search(trial: Trial) -> None:
            one.look(trial)

        with contextlib.suppress(_FoundError, Flaky):
            search()
        if one.least is None:
            return one.looked
        trial, found = one.reduced()
        self.finds.append((found.bug, _inside(trial)))
        self.say(told(len(self.finds), trial, found.backend, found.mismatch))
        return one.looked

    def _able(self) -> frozenset[str]:
        able = [{name for name, yes in each.profile.capabilities.items() if yes} for each in self.subjects]
        return frozenset(questions()).intersection(*able)


class _FoundError(Exception):
    """There is a find; Hypothesis shrinks what raises this."""


class _Round:
    """One find: from the first trial that shows it to the least one."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.looked = 0
        self.least: tuple[Trial, Found] | None = None
        self._bug: tuple[str, ...] | None = None
        self._until = 0.0
        self._seen: dict[str, Found | None] = {}

    def look(self, trial: Trial) -> None:
        """Run a trial; raise if it shows the find of this round."""
        name = json.dumps(trial.steps)
        if name not in self._seen:
            self._seen[name] = self._shows(trial)
        found = self._seen[name]
        if found is not None:
            # Hypothesis ends with the least trial.
            self.least = (trial, found)
            raise _FoundError

    def _shows(self, trial: Trial) -> Found | None:
        if self._bug is None:
            self.looked += 1
        elif time.monotonic() > self._until:
            return None
        found = self.search.judged(trial)
        self.search.ran += 1
        if found is None:
            return None
        if self._bug is None:
            if self.search.is_known(found, trial):
                self.search.met_again += 1
                return None
            self._bug, self._until = found.bug, time.monotonic() + SHRINK_S
        elif found.bug != self._bug:
            return None
        return found

    def reduced(self) -> tuple[Trial, Found]:
        """Return the find's trial with every part taken out that it can do without."""
        assert self.least is not None
        self._until = time.monotonic() + SHRINK_S
        trial = reduced(self.least[0], lambda each: self._shows(each) is not None)
        return trial, self.search.judged(trial) or self.least[1]


def _inside(trial: Trial) -> frozenset[str]:
    return frozenset(kinds(trial.steps) - {*CONTAINERS, "Graph", "share"}) | {step[0] for step in trial.steps}


@contextlib.contextmanager
def _nothing_written() -> Iterator[None]:
    """Keep Hypothesis's notes out of the folder the user is in."""
    with tempfile.TemporaryDirectory(prefix="isomorph-explore-") as folder:
        hypothesis_configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            hypothesis_configuration.set_hypothesis_home_dir(None)


def search(names: list[str], examples: int, seed: int, say: Say) -> int:
    """Search on each backend, and between them; return how many finds there are.

    Args:
        names: Backends. What they show for one trial is also compared pair by pair.
        examples: How many random trials to run.
        seed: Where they start: the same seed, suite and versions give the same trials.
        say: Called with each line to be shown.
    """
    started = time.monotonic()
    subjects = [Subject(name) for name in names]
    try:
        for subject in subjects:
            if subject.broken:
                say(f"{subject.name}: can't be explored: {subject.broken}")
        found = Search([each for each in subjects if not each.broken], say)
        if found.subjects:
            with _nothing_written():
                done = 0
                while done < examples:
                    done += max(found.round(examples - done, seed * 1000 + len(found.finds)), 1)
            who = ", ".join(each.name for each in found.subjects)
            again = f", met {found.met_again} times more" if found.met_again else ""
            say(
                f"{who}: {examples} examples from seed {seed}, {len(found.finds)} finds{again}, "
                f"{time.monotonic() - started:.0f} s; a find is no verdict: the exit code is 0"
            )
        return len(found.finds)
    finally:
        for subject in subjects:
            subject.worker.close()

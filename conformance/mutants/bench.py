"""One worker that plays one mutant after the other, so that a framework is imported once."""

from __future__ import annotations

import datetime
from types import TracebackType
from typing import Any

from isomorph.conformance import manifest, profile
from isomorph.conformance.judge import Judge, Result
from isomorph.conformance.manifest import with_needs
from isomorph.conformance.process import Worker

from .catalog import Patch, of

PRELOAD = f"{__name__}:add_verbs"
_MUTATE_S = 60.0


def add_verbs() -> None:
    """Teach the worker that this runs in two more steps: listing mutants, and becoming one."""
    from isomorph.conformance.worker.session import Session

    patch = Patch()

    def do_mutants(session: Session) -> dict[str, Any]:
        return {"mutants": [each.facts() for each in of(session.adapter.name)]}

    def do_mutate(session: Session, name: str | None) -> None:
        patch.undo()
        for each in of(session.adapter.name):
            if each.name == name:
                each.patch(patch)

    for verb in (do_mutants, do_mutate):
        setattr(Session, verb.__name__, verb)


def level_of(case: str) -> tuple[str, ...]:
    """Return the ids of the cases of one's level, but for the covering tables.

    Among these a mutant may take few others along.
    """
    level, _, _ = case.partition(".")
    ids = (each["id"] for each in manifest.load()["cases"])
    return tuple(name for name in ids if name.startswith(f"{level}.") and ".table." not in name)


class Bench:
    """Runs the mutants of one backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._cases = manifest.load()["cases"]
        self._worker = self._started()
        told = self._worker.about["about"]
        ids = {case["id"] for case in self._cases}
        today = datetime.date.today()
        self._profile = profile.read(told["profile"], "", ids, told["versions"], today, told["layers"])

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._worker.close()

    def mutants(self) -> list[dict[str, Any]]:
        """Return the facts of every mutant of the backend."""
        found: list[dict[str, Any]] = self._ask(self._worker, "mutants")["mutants"]
        return found

    def run(self, name: str | None, selection: tuple[str, ...] | None = None) -> dict[str, Result]:
        """Return the results of a mutant, or with None of the backend itself, by case.

        Args:
            name: The mutant's name.
            selection: Ids to run instead of the whole suite; what they need runs too.
        """

        def again() -> Worker:
            worker = self._started()
            self._ask(worker, "mutate", name=name)
            return worker

        wanted = None if selection is None else set(with_needs(selection, manifest.load()))
        self._ask(self._worker, "mutate", name=name)
        judge = Judge(self.backend, self._worker, self._profile, again)
        cases = (case for case in self._cases if wanted is None or case["id"] in wanted)
        results = {case["id"]: judge.run(case) for case in cases}
        self._worker = judge.worker
        return results

    def _started(self) -> Worker:
        worker = Worker(self.backend, preload=PRELOAD)
        if "about" not in worker.about:
            worker.close()
            raise RuntimeError(f"{self.backend}: {worker.about.get('broken')}")
        return worker

    def _ask(self, worker: Worker, verb: str, **arguments: Any) -> dict[str, Any]:
        (seen,) = worker.run([[verb, arguments]], _MUTATE_S).seen
        if seen["error"]:
            raise RuntimeError(f"{verb} {arguments}: {seen['error']}")
        result: dict[str, Any] = seen["result"]
        return result

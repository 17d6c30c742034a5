"""One worker that plays one mutant after the other, so that a framework is imported once."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from isomorph.conformance import suite
from isomorph.conformance.process import Answer, Worker

from .catalog import Patch, of

PRELOAD = f"{__name__}:add_verbs"
_START_S = 60.0


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


class _Kept(Worker):
    """A worker that outlives a run of the suite, unless it failed to answer."""

    is_well = True

    def run(self, steps: list[Any], timeout: float) -> Answer:
        self.is_well = False
        answer = super().run(steps, timeout)
        self.is_well = True
        return answer

    def close(self) -> None:
        if not self.is_well:
            super().close()

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Perform one of the further steps."""
        (seen,) = self.run([[verb, arguments]], _START_S).seen
        if seen["error"]:
            raise RuntimeError(f"{verb} {arguments}: {seen['error']}")
        result: dict[str, Any] = seen["result"]
        return result


class Bench:
    """Runs mutants of one backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._worker: _Kept | None = None
        self._mutant: str | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if self._worker is not None:
            self._worker.is_well = False
            self._worker.close()

    def mutants(self) -> list[dict[str, Any]]:
        """Return the facts of every mutant of the backend."""
        found: list[dict[str, Any]] = self._playing().ask("mutants")["mutants"]
        return found

    def run(self, name: str | None, selection: tuple[str, ...] | None = None) -> dict[str, dict[str, Any]]:
        """Return the results of a mutant, or of the backend itself, by case."""
        self._mutant = name
        report = suite.run(suite.Settings((self.backend,), selection=selection), workers=self._worker_for)
        (entry,) = report["backends"]
        if not entry["results"]:
            raise RuntimeError(f"{self.backend} is {entry['state']}: {entry['message']}")
        return {result["id"]: result for result in entry["results"]}

    def _worker_for(self, backend: str, profile: Path | None, memory_mb: float) -> Worker:
        worker = self._playing()
        worker.ask("mutate", name=self._mutant)
        return worker

    def _playing(self) -> _Kept:
        if self._worker is None or not self._worker.is_well:
            self._worker = _Kept(self.backend, preload=PRELOAD)
            if "about" not in self._worker.about:
                raise RuntimeError(f"{self.backend}: {self._worker.about.get('broken')}")
        return self._worker

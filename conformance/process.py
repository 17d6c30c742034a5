"""A worker's process, as its parent holds it: private pipes, deadlines, a watch on memory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .worker import PROTOCOL

# Importing a framework on a busy machine takes its time.
START_S = 300.0
MEGABYTE = 1 << 20
# A longer line is no answer.
_LONGEST = 16 * MEGABYTE
_TAIL = 4000
_TOLD = {"adapter", "versions", "profile", "profile_path"}
_SEEN = {"result", "error", "law_calls", "warnings", "state", "aliases"}


class WorkerGone(Exception):  # noqa: N818 - becomes a case's result, never a user's error
    """The worker's process ended or had to be ended; `status` is what the case becomes."""

    def __init__(self, status: str, cause: str) -> None:
        super().__init__(cause)
        self.status, self.cause = status, cause


class ProtocolFault(Exception):  # noqa: N818 - the same
    """The worker said something that nobody asked, or that is no answer."""


@dataclass
class Answer:
    """What came back for one case."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    ms: float = 0.0
    leaks: list[str] = field(default_factory=list)
    printed: str = ""
    harness: str = ""


class Worker:
    """One worker process for one backend.

    Args:
        backend: The backend's name.
        profile: A profile to use instead of the one beside the adapter.
        memory_mb: Resident memory at which the process is ended.
        preload: A function, as ``module:name``, that the worker calls before its first case: for the
            suite's own tests. What such a worker runs is no verdict on the backend, and says so.
    """

    def __init__(
        self, backend: str, profile: Path | None = None, memory_mb: float = 8192.0, preload: str = ""
    ) -> None:
        self.backend, self.memory_mb = backend, memory_mb
        self.home = tempfile.TemporaryDirectory(prefix="isomorph-conformance-", ignore_cleanup_errors=True)
        folder = Path(self.home.name)
        self.out, self.err = folder / "stdout", folder / "stderr"
        self.peak_mb = 0.0
        self._printed, self._seq, self._buffer = 0, 0, b""
        down_read, down_write = _pipe()
        up_read, up_write = _pipe()
        command = [
            sys.executable,
            "-m",
            "isomorph.conformance.worker",
            str(down_read),
            str(up_write),
            backend,
        ]
        command += [preload] if preload else []
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(down_read, up_write),
                env=_environment(folder),
                cwd=folder,
                start_new_session=True,
            )
        os.close(down_read)
        os.close(up_write)
        self._write, self._read = down_write, up_read
        os.set_blocking(down_write, False)
        self._watched = psutil.Process(self.process.pid)
        _running.add(self)
        self.about = self._introduced(None if profile is None else str(profile.resolve()))

    def _introduced(self, profile: str | None) -> dict[str, Any]:
        deadline = time.monotonic() + START_S
        try:
            self._send(deadline, seq=0, profile=profile)
            about = self._receive(deadline)
        except (WorkerGone, ProtocolFault) as fault:
            return {"broken": str(fault)}
        told = about.get("about")
        if about.get("protocol") != PROTOCOL:
            return {"broken": f"it speaks protocol {about.get('protocol')}, not {PROTOCOL}"}
        if "broken" not in about and not (isinstance(told, dict) and told.keys() >= _TOLD):
            return {"broken": f"it does not say who it is: {str(about)[:80]}"}
        # What the framework prints while it is imported is no case's.
        self._printed = self.out.stat().st_size
        return about

    def run(self, steps: list[Any], timeout: float) -> Answer:
        """Return what the worker saw; raises `WorkerGone` or `ProtocolFault`."""
        self._seq += 1
        answer, deadline = Answer(), time.monotonic() + timeout
        self._send(deadline, seq=self._seq, steps=steps)
        while True:
            line = self._receive(deadline)
            if line.get("seq") != self._seq:
                raise ProtocolFault(f"an answer to {line.get('seq')!r}, where {self._seq} was asked")
            if "harness" in line:
                answer.harness = str(line["harness"])
                return answer
            try:
                if line.get("done"):
                    answer.leaks = [str(each) for each in line["leaks"]]
                    answer.printed = self._new_output(int(line["printed"]))
                    return answer
                position, seen, ms = line["step"], line["seen"], float(line["ms"])
            except (KeyError, TypeError, ValueError):
                raise ProtocolFault(f"an answer that lacks something: {str(line)[:80]}") from None
            if position != len(answer.seen) or position >= len(steps):
                raise ProtocolFault(f"step {position!r}, where {len(answer.seen)} of {len(steps)} are done")
            if not isinstance(seen, dict) or not seen.keys() >= _SEEN:
                raise ProtocolFault(f"a step that shows {str(seen)[:80]}")
            answer.seen.append(seen)
            answer.ms += ms

    def tail(self) -> str:
        """Return the end of what was written to standard error."""
        with contextlib.suppress(OSError):
            return self.err.read_bytes()[-_TAIL:].decode(errors="replace")
        return ""

    def close(self) -> None:
        """End the process, whatever state it is in."""
        _running.discard(self)
        with contextlib.suppress(OSError):
            os.close(self._write)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self._kill()
        with contextlib.suppress(OSError):
            os.close(self._read)
        self.home.cleanup()

    def _kill(self) -> None:
        # The whole session: a forked child too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _send(self, deadline: float, **request: Any) -> None:
        data = json.dumps(request).encode() + b"\n"
        # A process that has ended does not read either; what it answers says so.
        with contextlib.suppress(BrokenPipeError):
            while data:
                _, ready, _ = select.select([], [self._write], [], 0.1)
                self._watch(deadline)
                if ready:
                    data = data[os.write(self._write, data) :]

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], 0.1)
            self._watch(deadline)
            data = os.read(self._read, 1 << 20) if ready else b""
            self._buffer += data
            # A child of it may hold the pipe open.
            if not data and (ready or self.process.poll() is not None):
                raise WorkerGone("crash", self._how_it_ended())
            if len(self._buffer) > _LONGEST:
                raise ProtocolFault(f"a line that does not end: {self._buffer[:80]!r}")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            raise ProtocolFault(f"a line that is no JSON: {line[:80]!r}") from None
        if not isinstance(answer, dict):
            raise ProtocolFault(f"an answer that is no object: {line[:80]!r}")
        return answer

    def _watch(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            self._kill()
            raise WorkerGone("timeout", "no answer in time")
        with contextlib.suppress(psutil.Error):
            used = self._watched.memory_info().rss / MEGABYTE
            self.peak_mb = max(self.peak_mb, used)
            if used > self.memory_mb:
                self._kill()
                raise WorkerGone(
                    "crash", f"it used {used:.0f} MB of memory; {self.memory_mb:.0f} are allowed"
                )

    def _how_it_ended(self) -> str:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self._kill()
            return "it closed its pipe"
        if code < 0:
            named = {each.value: each.name for each in signal.Signals}
            return f"ended by {named.get(-code, f'signal {-code}')}"
        return f"left with exit code {code}"

    def _new_output(self, size: int) -> str:
        before, self._printed = self._printed, size
        if size <= before:
            return ""
        with contextlib.suppress(OSError), self.out.open("rb") as file:
            file.seek(before)
            return file.read(min(size - before, 500)).decode(errors="replace")
        return f"{size - before} bytes"


# Those that are not closed yet, for a run that is interrupted.
_running: weakref.WeakSet[Worker] = weakref.WeakSet()


def end_all() -> None:
    """End every worker at once: the run is over, whatever they do."""
    for worker in list(_running):
        worker._kill()


def _pipe() -> tuple[int, int]:
    """Return a pipe's ends; never 0, 1 or 2, which a child gets anew even where its parent has none."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def _environment(home: Path) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISOMORPH_")}
    if kept.get("PYTHONPATH"):
        paths = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths if path)
    return {**kept, **dict.fromkeys(threads, "1"), "HOME": str(home), "PYTHONHASHSEED": "0"}

"""A worker's process, as its parent holds it: private pipes, deadlines, a watch on memory."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PROTOCOL = 1
# Importing a framework on a busy machine takes its time.
START_S = 300.0
MEGABYTE = 1 << 20
_TAIL = 4000


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
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
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
                start_new_session=True,
            )
        os.close(down_read)
        os.close(up_write)
        self._write, self._read = down_write, up_read
        self._watched = psutil.Process(self.process.pid)
        self._send(seq=0, profile=None if profile is None else str(profile))
        try:
            self.about: dict[str, Any] = self._receive(time.monotonic() + START_S)
        except (WorkerGone, ProtocolFault) as fault:
            self.about = {"broken": str(fault)}
        if self.about.get("protocol", PROTOCOL) != PROTOCOL:
            self.about = {"broken": f"it speaks protocol {self.about['protocol']}, not {PROTOCOL}"}

    def run(self, steps: list[Any], timeout: float) -> Answer:
        """Return what the worker saw; raises `WorkerGone` or `ProtocolFault`."""
        self._seq += 1
        self._send(seq=self._seq, steps=steps)
        answer, deadline = Answer(), time.monotonic() + timeout
        while True:
            line = self._receive(deadline)
            if line.get("seq") != self._seq:
                raise ProtocolFault(f"an answer to {line.get('seq')!r}, where {self._seq} was asked")
            if "harness" in line:
                answer.harness = str(line["harness"])
                return answer
            if line.get("done"):
                answer.leaks = line["leaks"]
                answer.printed = self._new_output(line["printed"])
                return answer
            if line.get("step") != len(answer.seen) or "seen" not in line:
                raise ProtocolFault(f"step {line.get('step')!r}, where {len(answer.seen)} was next")
            answer.seen.append(line["seen"])
            answer.ms += float(line["ms"])

    def tail(self) -> str:
        """Return the end of what was written to standard error."""
        with contextlib.suppress(OSError):
            return self.err.read_bytes()[-_TAIL:].decode(errors="replace")
        return ""

    def close(self) -> None:
        """End the process, whatever state it is in."""
        with contextlib.suppress(OSError):
            os.close(self._write)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self._kill()
        with contextlib.suppress(OSError):
            os.close(self._read)
        self.home.cleanup()

    def _kill(self) -> None:
        # The whole session: a forked child too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _send(self, **request: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write, json.dumps(request).encode() + b"\n")

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], 0.1)
            self._watch_memory()
            if ready:
                data = os.read(self._read, 1 << 20)
                if not data:
                    raise WorkerGone("crash", self._how_it_ended())
                self._buffer += data
            elif time.monotonic() > deadline:
                self._kill()
                raise WorkerGone("timeout", "no answer in time")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            raise ProtocolFault(f"a line that is no JSON: {line[:80]!r}") from None
        if not isinstance(answer, dict):
            raise ProtocolFault(f"an answer that is no object: {line[:80]!r}")
        return answer

    def _watch_memory(self) -> None:
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
            return f"ended by {signal.Signals(-code).name}"
        return f"left with exit code {code}"

    def _new_output(self, size: int) -> str:
        before, self._printed = self._printed, size
        if size <= before:
            return ""
        with self.out.open("rb") as file:
            file.seek(before)
            return file.read(min(size - before, 500)).decode(errors="replace")


def _environment(home: Path) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISOMORPH_")}
    return {**kept, **dict.fromkeys(threads, "1"), "HOME": str(home), "PYTHONHASHSEED": "0"}

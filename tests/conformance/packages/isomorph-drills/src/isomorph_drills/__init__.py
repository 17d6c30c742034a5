"""Backends that are NumPy's until a Dense layer of 97 units is called: then one thing goes wrong."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.backends.numpy import NumpyAdapter

TROUBLE = 97
# Where the worker answers, and what it was asked last.
PIPE = int(sys.argv[2]) if sys.argv[2:] else -1


class Drill(NumpyAdapter):
    """NumPy, with a place for trouble."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)
        cls.name = f"drill{words}"

    def runner(self, binding: Any, module: nn.Module, signature: Any) -> Any:
        run = super().runner(binding, module, signature)
        if getattr(module, "units", 0) != TROUBLE:
            return run

        def call(*values: Any, **named: Any) -> Any:
            changed = self.trouble(run(*values, **named))
            return run(*values, **named) if changed is None else changed

        return call

    def trouble(self, output: Any) -> Any:
        """Do what goes wrong; return another output, or None for the right one."""
        raise NotImplementedError


def answer(line: bytes) -> None:
    """Write a line where only the worker itself should."""
    os.write(PIPE, line + b"\n")


def asked() -> int:
    """Return the number of the request under way: one more than the last that was answered."""
    frame: Any = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    return int(frame.f_locals["request"]["seq"])


class Segfaults(Drill):
    def trouble(self, output: Any) -> Any:
        ctypes.string_at(0)


class CrashesOnce(Drill):
    def trouble(self, output: Any) -> Any:
        marker = Path(os.environ["DRILL_MARKER"])
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGABRT)


class Remembers(Drill):
    """What an earlier case left behind makes this one right."""

    is_warm = False

    def runner(self, binding: Any, module: nn.Module, signature: Any) -> Any:
        Remembers.is_warm |= getattr(module, "units", 0) != TROUBLE
        return super().runner(binding, module, signature)

    def trouble(self, output: Any) -> Any:
        return None if Remembers.is_warm else output * 0


class Hangs(Drill):
    def trouble(self, output: Any) -> Any:
        time.sleep(600)


class StopsReading(Drill):
    """The process is stopped once it has answered: the next request fills the pipe."""

    def trouble(self, output: Any) -> Any:
        pipe: Any = sys.modules["__main__"].Pipe
        pipe.receive = lambda pipe: os.kill(os.getpid(), signal.SIGSTOP)


class Prints(Drill):
    def trouble(self, output: Any) -> Any:
        print("loading weights: 100%")


class Writes(Drill):
    def trouble(self, output: Any) -> Any:
        os.write(1, b"\xff\x00 not text")


class ChildAnswers(Drill):
    """A child goes on as if it were the worker."""

    def trouble(self, output: Any) -> Any:
        os.fork()


class ChildStays(Drill):
    """A child keeps the pipe open when its parent is gone."""

    def trouble(self, output: Any) -> Any:
        child = os.fork()
        if child:
            Path(os.environ["DRILL_MARKER"]).write_text(str(child))
            os._exit(3)
        time.sleep(600)


class EatsMemory(Drill):
    def trouble(self, output: Any) -> Any:
        held = []
        while True:
            held.append(np.ones(1 << 23))
            time.sleep(0.02)


class Exits(Drill):
    def trouble(self, output: Any) -> Any:
        sys.exit(0)


class Leaves(Drill):
    def trouble(self, output: Any) -> Any:
        os._exit(0)


class EndsItself(Drill):
    def trouble(self, output: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Interrupts(Drill):
    def trouble(self, output: Any) -> Any:
        raise KeyboardInterrupt


class Unprintable(Drill):
    def trouble(self, output: Any) -> Any:
        class UnprintableError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("in __str__")

        raise UnprintableError


class AnswersLate(Drill):
    """The output is filled in after the call has returned it."""

    def trouble(self, output: Any) -> Any:
        late = np.zeros_like(output)
        threading.Timer(0.2, lambda: late.__setitem__(..., output)).start()
        return late


class PatchesTheComparator(Drill):
    """Everything that compares says that all is well; the output is wrong."""

    def trouble(self, output: Any) -> Any:
        from isomorph.conformance import compare, judge, verdict

        for module in (compare, judge):
            module.first_mismatch = lambda *_: None  # type: ignore[attr-defined]
        compare.close = lambda *_, **__: None  # type: ignore[assignment]
        judge.GOOD = verdict.GOOD = judge.STATUSES
        return output + 1


class Leaks(Drill):
    """What ``DRILL_LEAK`` names is left changed."""

    def trouble(self, output: Any) -> Any:
        leak = os.environ["DRILL_LEAK"]
        if leak == "numpy's error state":
            np.seterr(all="raise")
        elif leak == "numpy's global generator":
            np.random.random()
        elif leak == "working directory":
            os.chdir("/")
        elif leak == "environment variable HOME":
            os.environ["HOME"] = "/"
        elif leak == "standard output":
            sys.stdout = sys.stderr


class DeletesItsFolder(Drill):
    def trouble(self, output: Any) -> Any:
        shutil.rmtree(os.environ["HOME"])
        print("the file for this is gone")


class PhonesHome(Drill):
    def trouble(self, output: Any) -> Any:
        with socket.socket() as line:
            line.connect(("127.0.0.1", 9))


class Garbage(Drill):
    def trouble(self, output: Any) -> Any:
        answer(b"Epoch 1/10 \xff")


class WrongSeq(Drill):
    def trouble(self, output: Any) -> Any:
        answer(json.dumps({"seq": asked() + 1, "done": True, "leaks": [], "printed": 0}).encode())


class LiesAboutTheStep(Drill):
    """More steps are answered than were asked."""

    def trouble(self, output: Any) -> Any:
        seen = {"result": {}, "error": None, "law_calls": [], "warnings": [], "state": {}, "aliases": {}}
        for step in range(1000):
            answer(json.dumps({"seq": asked(), "step": step, "seen": seen, "ms": 0}).encode())


class Forges(Drill):
    """The right number of steps is answered, with nothing in them that can be compared."""

    def trouble(self, output: Any) -> Any:
        seen = {"result": 3, "error": None, "law_calls": 0, "warnings": 0, "state": 7, "aliases": None}
        answer(json.dumps({"seq": asked(), "step": 3, "seen": seen, "ms": 0}).encode())
        answer(json.dumps({"seq": asked(), "done": True, "leaks": [], "printed": 0}).encode())


class Floods(Drill):
    """A line that does not end."""

    def trouble(self, output: Any) -> Any:
        while True:
            os.write(PIPE, b"x" * 65536)


class ClosesThePipe(Drill):
    def trouble(self, output: Any) -> Any:
        os.close(PIPE)


class EndsByANumber(Drill):
    """A signal that Python has no name for."""

    def trouble(self, output: Any) -> Any:
        os.kill(os.getpid(), 40)


class SaysHello(Drill):
    """The framework prints its banner when it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        print("Using a drill.")

    def trouble(self, output: Any) -> Any:
        return None


class Sleeps(Drill):
    """Every layer takes its time."""

    def runner(self, binding: Any, module: nn.Module, signature: Any) -> Any:
        Path(os.environ["DRILL_MARKER"]).touch()
        while True:
            time.sleep(0.01)


class WorksAgain(Drill):
    """Nothing goes wrong."""

    def trouble(self, output: Any) -> Any:
        return None

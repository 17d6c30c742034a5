"""Imports and the command line's help, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 7
PROGRAMS = {
    "import isomorph": "import isomorph",
    "from isomorph import nn": "from isomorph import nn",
    "import numpy": "import numpy",
}


def measure_imports() -> list[dict[str, Any]]:
    """Return the least time of each in seconds."""
    rows = [
        {"what": what, "seconds": least(lambda code=code: imported(code))} for what, code in PROGRAMS.items()
    ]
    return [*rows, {"what": "isomorph --help, the whole process", "seconds": least(helped)}]


def least(run: Callable[[], float]) -> float:
    return min(run() for _ in range(ROUNDS))


def imported(code: str) -> float:
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    return float(subprocess.check_output([sys.executable, "-c", timed]))


def helped() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "isomorph.cli", "--help"], capture_output=True, check=True)
    return time.perf_counter() - start

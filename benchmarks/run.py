"""Measure Isomorph against hand-written native code in the same run.

    python benchmarks/run.py [--backends numpy,torch] [--only calls] [--json FILE]

Each backend is measured in a process of its own. Times are the least of several rounds, in which
ours and the native one alternate; a ratio near one means that nothing of ours is on the hot path.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import report

BACKENDS = ("numpy", "torch", "tensorflow", "jax", "mxnet")
KERAS_ENGINES = ("numpy", "torch", "tensorflow", "jax")
ALONE = ("inference", "imports")  # need no backend
BY_BACKEND = ("calls", "values", "files")


def measure(what: str, *backend: str) -> Any:
    """Return the rows of one of the modules beside this one."""
    return getattr(importlib.import_module(what), f"measure_{what}")(*backend)


def in_process(what: str, backend: str) -> Any:
    """Return the rows of one backend, measured in a process of its own."""
    print(f"measuring {what} on {backend}", file=sys.stderr)
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    if backend in KERAS_ENGINES:
        environment["KERAS_BACKEND"] = backend
    command = [sys.executable, __file__, "--only", what, "--backends", backend, "--rows"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.strip().splitlines()[-1])


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--only", choices=(*ALONE, *BY_BACKEND), help="measure one thing instead of all")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--rows", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables, write JSON."""
    chosen = options()
    if chosen.rows:
        print("\n" + json.dumps(measure(chosen.only, chosen.backends)))
        return
    found: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    for what in (chosen.only,) if chosen.only else (*ALONE, *BY_BACKEND):
        if what in ALONE:
            found[what] = measure(what)
        else:
            found[what] = [row for each in chosen.backends.split(",") for row in in_process(what, each)]
    print("\n".join(report.lines(found)))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

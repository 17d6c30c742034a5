"""Packages of the tests, installed for a while: where pip puts them, only these tests look."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isomorph import registry

PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target")


@contextmanager
def installed(source: Path, folder: Path) -> Iterator[Path]:
    """Install a package below a folder; while the block runs it can be imported, here and in workers."""
    site, copy = folder / "site", folder / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    command = [sys.executable, *PIP, str(site), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), before)))
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    registry.available.cache_clear()
    try:
        yield site
    finally:
        sys.path.remove(str(site))
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
        registry.available.cache_clear()

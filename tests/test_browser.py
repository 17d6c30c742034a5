"""Where there is no browser, and none may be installed, its tests are skipped; or fail if it is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCREENS = ["-m", "pytest", "-q", "-x", "-rs", str(ROOT / "tests/conformance/test_scoreboard_screens.py")]


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH with neither a browser nor apt-get."""
    for command in ("bash", "env", "id"):
        (tmp_path / command).symlink_to(shutil.which(command) or command)
    return str(tmp_path)


def run(command: list[str], path: str, require: str) -> tuple[int, list[str]]:
    told = {**os.environ, "PATH": path, "ISOMORPH_REQUIRE_BROWSER": require}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=told)
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()


@pytest.mark.parametrize(("require", "code"), [("", 0), ("1", 1)])
def test_one_line_says_what_is_left_out(bare: str, require: str, code: int) -> None:
    returned, lines = run([str(ROOT / ".ci/browser")], bare, require)
    assert (returned, len(lines)) == (code, 1)
    assert "apt-get install chromium chromium-driver" in lines[0]


@pytest.mark.parametrize(("require", "code", "outcome"), [("", 0, "skipped"), ("1", 1, "error")])
def test_without_a_browser_its_tests(bare: str, require: str, code: int, outcome: str) -> None:
    returned, lines = run([sys.executable, *SCREENS], bare, require)
    assert returned == code, lines
    assert outcome in lines[-1]

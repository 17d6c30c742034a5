"""The wheel: built from a fresh clone it holds everything, and nothing beside `isomorph`."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

FOLDERS = {"isomorph": "core", "isomorph.backends": "backends", "isomorph.conformance": "conformance"}


def packages_on_disk() -> set[str]:
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((package, *inner)))
    return found


def test_every_package_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(settings["packages"]) == packages_on_disk()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone, out = tmp_path_factory.mktemp("clone") / "isomorph", tmp_path_factory.mktemp("out")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(clone)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_wheel_holds_every_tracked_source(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", *FOLDERS.values()], capture_output=True, text=True, check=True
    ).stdout.split()
    places = {folder: package.replace(".", "/") for package, folder in FOLDERS.items()}
    expected = {path.replace(path.split("/")[0], places[path.split("/")[0]], 1) for path in tracked}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected <= names


def test_wheel_installs_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"isomorph"}


def test_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True)
    program = f"""
import sys
sys.path.insert(0, {str(site)!r})
import numpy, isomorph
from isomorph import nn
assert isomorph.__file__.startswith({str(site)!r}), isomorph.__file__
assert nn.Dense(3)(numpy.ones((2, 5), "float32")).shape == (2, 3)
for name in ("core", "backends", "conformance", "tests"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(name + " can be imported")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr

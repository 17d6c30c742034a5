"""Backends by name: aliases, a third party's own package, what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import isomorph
from isomorph import registry

THIRD_PARTY = '''
from isomorph import nn
from isomorph.backends.numpy import NumpyAdapter


class TracedAdapter(NumpyAdapter):
    """A backend of its own over NumPy, with one more layer."""

    name = "traced"


class Scale(nn.Layer):
    def infer_shapes(self, x):
        return x


@TracedAdapter.lowers(Scale)
def scale(layer, binding):
    return lambda x: x * 2
'''

PROGRAM = """
import numpy, isomorph
from isomorph import nn
assert "traced" in [info.name for info in isomorph.available()]
net = nn.Sequential(nn.Dense(3), nn.ReLU()).initialize(seed=0).to("traced")
assert net(numpy.ones((2, 5), "float32")).shape == (2, 3)
assert net.backend == "traced"
from traced import Scale
assert nn.Sequential(Scale()).to("traced")(numpy.ones((2, 2)))[0, 0] == 2
try:
    nn.Sequential(Scale()).to("numpy")
except isomorph.errors.LayerNotSupportedError:
    pass
else:
    raise SystemExit("the table leaked into the other backend")
"""


@pytest.mark.parametrize(
    ("alias", "name"),
    [("pytorch", "torch"), ("keras", "tensorflow"), ("flax", "jax"), ("gluon", "mxnet"), ("Torch", "torch")],
)
def test_aliases(alias: str, name: str) -> None:
    assert registry.info(alias).name == name


def test_the_reference_comes_first() -> None:
    assert next(info.name for info in isomorph.available()) == "numpy"


def test_a_backend_in_a_package_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "traced.py").write_text(THIRD_PARTY)
    about = tmp_path / "traced-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: traced\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[isomorph.backends]\ntraced = traced:TracedAdapter\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("info", isomorph.available(), ids=lambda info: info.name)
def test_a_framework_is_the_extra_of_the_backends_name(info: isomorph.BackendInfo) -> None:
    assert bool(info.versions) == (info.name != "numpy")
    assert info.is_installed == (not info.missing)


BROKEN = {
    "another-name": (
        "class Adapter(NumpyAdapter):\n    pass",
        "calls itself 'numpy'",
        'Set name = "another-name"',
    ),
    "no-adapter": ("Adapter = dict", "gives a dict, which is no isomorph.Adapter", "the adapter's class"),
    "raises": ("Adapter = 1 / 0", "ZeroDivisionError: division by zero (", "pip install --force-reinstall"),
}


def package(folder: Path, distribution: str, name: str, source: str) -> None:
    """Write what pip leaves of a package with one backend, without a framework."""
    module = f"backend_of_{distribution}"
    (folder / f"{module}.py").write_text(f"from isomorph.backends.numpy import NumpyAdapter\n\n{source}\n")
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[isomorph.backends]\n{name} = {module}:Adapter\n")


def why_broken(folder: Path, name: str) -> str:
    program = (
        f"import isomorph\ntry:\n    isomorph.backend({name!r})\n"
        "except isomorph.errors.BackendBrokenError as error:\n    print(error)"
    )
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_entry_point_is_broken_and_says_what_to_do(name: str, tmp_path: Path) -> None:
    source, why, advice = BROKEN[name]
    package(tmp_path, "third", name, source)
    said = why_broken(tmp_path, name)
    assert why in said
    assert advice in said
    assert name != "raises" or "backend_of_third.py, line 3" in said


def test_a_name_registered_twice_is_nobodys(tmp_path: Path) -> None:
    package(tmp_path, "third", "numpy", 'class Adapter(NumpyAdapter):\n    name = "numpy"')
    said = why_broken(tmp_path, "numpy")
    assert "isomorph (isomorph.backends.numpy:NumpyAdapter)" in said
    assert "third (backend_of_third:Adapter)" in said


def test_a_capital_letter_makes_no_other_backend(tmp_path: Path) -> None:
    package(tmp_path, "third", "MyLib", 'class Adapter(NumpyAdapter):\n    name = "MyLib"')
    assert why_broken(tmp_path, "mylib") == why_broken(tmp_path, "MyLib") == ""

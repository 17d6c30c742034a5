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

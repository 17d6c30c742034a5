"""Each backend's `conformance.toml`: what it lacks is refused, what it does not deny works."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from typing import Any

import numpy as np
import pytest

import isomorph
from isomorph import errors, nn, ops
from isomorph.conformance.cases.layers import PLAIN, in_format, input_for
from isomorph.conformance.data import array
from isomorph.conformance.profile import QUESTIONS
from isomorph.conformance.worker.build import module

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

CORE = {"Dense", "Sequential", "ModuleList", "ModuleDict"}
LAYERS = {name for name in nn.__all__ if issubclass(getattr(nn, name), nn.Layer) and name != "Layer"}
FLOATS = ("float64", "float16", "bfloat16")
X = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")


def profile_of(backend: str) -> dict[str, Any]:
    folder = resources.files(type(isomorph.backend(backend)).__module__.rpartition(".")[0])
    return tomllib.loads((folder / "conformance.toml").read_text())


@pytest.fixture
def profile(backend: str) -> dict[str, Any]:
    return profile_of(backend)


def refused(capability, call):
    with pytest.raises(errors.NotSupportedError) as caught:
        call()
    assert caught.value.capability == capability


def test_what_it_lacks_has_reasons(profile):
    lacks = profile["profile"]["lacks"]
    assert set(lacks) <= set(QUESTIONS)
    assert all(reason.strip() for reason in lacks.values())


def test_native_objects_are_claimed_for_every_layer(backend, profile):
    table, layers = isomorph.backend(backend).table, {name: getattr(nn, name) for name in LAYERS}
    # In the table, or composed from a forward of its own.
    had = {name for name, kind in layers.items() if kind in table or kind.forward is not nn.Layer.forward}
    assert set(profile["native"]) == had - CORE | {"Dense"}


@pytest.mark.parametrize("dtype", FLOATS)
def test_types(backend, profile, dtype):
    net = nn.Sequential(nn.Conv2d(3, 2, activation="gelu"), nn.BatchNorm(), nn.Flatten(), nn.Dense(2))
    net.initialize(seed=1).to(backend)
    images = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype("float32")
    net(images)
    before = {name: parameter.numpy() for name, parameter in net.state().items()}
    if f"dtype.{dtype}" in profile["profile"]["lacks"]:
        refused(f"dtype.{dtype}", lambda: net.to(dtype=dtype))
        assert net.dtype == "float32"
        dtype = "float32"
    else:
        net.to(dtype=dtype)
        assert isomorph.backend(backend).to_numpy(net(images)).dtype.name == dtype
    for name, parameter in net.parameters().items():
        np.testing.assert_array_equal(parameter.numpy(), before[name].astype(parameter.numpy().dtype))
        assert parameter.numpy().dtype.name == dtype


def test_gradients(backend, profile):
    net = nn.Dense(2).initialize(seed=1).to(backend)
    if "gradients" not in profile["profile"]["lacks"]:
        np.testing.assert_allclose(net.gradients(ops.sum, X)["bias"], [2, 2])
    else:
        refused("gradients", lambda: net.gradients(ops.sum, X))


def test_compile(backend, profile):
    net = nn.Dense(2).initialize(seed=1).to(backend)
    expected = isomorph.backend(backend).to_numpy(net(X))
    if "compile" not in profile["profile"]["lacks"]:
        net.to(compile=True)
    else:
        native = net.native
        refused("compile", lambda: net.to(compile=True))
        assert net.native is native
    np.testing.assert_allclose(isomorph.backend(backend).to_numpy(net(X)), expected, atol=1e-6)
    for compile in (None, False):
        net.to(compile=compile)(X)


def test_variables(backend, profile):
    net = nn.Dense(2).to(backend)
    net(X)
    if "variables" not in profile["profile"]["lacks"]:
        net.variables = net.variables
    else:
        refused("variables", lambda: net.variables)
        refused("variables", lambda: setattr(net, "variables", {}))


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("name", sorted(LAYERS - CORE | {"Dense"}))
def test_natives(backend, profile, name, data_format):
    spec, shape = PLAIN[name]
    layer = module(spec, []).to(backend, data_format=data_format)
    claim, binding = profile["native"][name], layer._isomorph.binding
    is_a = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(layer.native).__mro__}
    assert claim["class"] in is_a
    listed = binding.adapter.native_parameters(binding, layer)
    assert all(shape is None or shape == () for shape in listed.values())
    layer(array(input_for(spec, in_format(shape, data_format))))
    assert list(binding.adapter.native_parameters(binding, layer)) == claim["parameters"]
    assert claim["class"] in {f"{kind.__module__}.{kind.__qualname__}" for kind in type(layer.native).__mro__}


def test_environment_is_one_that_the_backend_runs_in(backend, profile):
    program = f"""
import numpy, os
from isomorph import nn
net = nn.Dense(2).to({backend!r})
net(numpy.ones((2, 3), "float32"))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        env={**os.environ, **profile.get("environment", {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

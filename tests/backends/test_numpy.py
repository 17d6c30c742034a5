"""What is peculiar to NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from small_nets import MLP

from isomorph import errors, nn, ops

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")


def refused(capability, match, call):
    with pytest.raises(errors.NotSupportedError, match=match) as caught:
        call()
    assert (caught.value.backend, caught.value.capability) == ("numpy", capability)


def test_compile_is_refused_and_changes_nothing():
    net = MLP().initialize(seed=1).to("numpy")
    expected, native = net(X), net.native
    refused("compile", "compile=None or False", lambda: net.to(compile=True))
    refused("compile", "compile", lambda: net.to("numpy", compile=True, dtype="float64"))
    assert net.native is native
    assert (net.dtype, net.backend) == ("float32", "numpy")
    np.testing.assert_array_equal(net(X), expected)
    for compile in (None, False):
        np.testing.assert_array_equal(net.to(compile=compile)(X), expected)


def test_options_wait_for_a_backend():
    net = MLP().to(compile=True)
    refused("compile", "compile", lambda: net.to("numpy"))
    refused("compile", "compile", lambda: net(X))
    assert net.backend is None
    assert net.to("numpy", compile=None)(X).shape == (2, 10)


def test_bfloat16_is_refused_and_changes_nothing():
    net = MLP().initialize(seed=1).to("numpy")
    expected = net(X)
    refused("dtype.bfloat16", "float16, float32 or float64", lambda: net.to(dtype="bfloat16"))
    refused("dtype.bfloat16", "bfloat16", lambda: MLP().to("numpy", dtype="bfloat16"))
    assert (net.dtype, net.hidden.weight.dtype) == ("float32", "float32")
    np.testing.assert_array_equal(net(X), expected)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_types_are_kept_through_every_layer(dtype):
    net = nn.Sequential(
        nn.Conv2d(3, 2), nn.BatchNorm(), nn.AvgPool2d(2), nn.Flatten(), nn.GELU(), nn.LayerNorm()
    )
    output = net.to("numpy", dtype=dtype)(np.ones((2, 3, 5, 5)))
    assert output.dtype == dtype
    assert {value.dtype for value in vars(net.native[1]).values() if isinstance(value, np.ndarray)} == {
        np.dtype(dtype)
    }


def test_gradients_name_what_to_do():
    net = MLP().to("numpy")
    net(X)
    refused("gradients", r'forward only.*\n.*to\("torch"\)', lambda: net.gradients(ops.sum, X))
    refused("gradients", "forward only", lambda: net.hidden.weight.grad)


def test_variables_are_refused():
    refused("variables", "native module", lambda: MLP().to("numpy").variables)


def test_an_array_that_no_parameter_is_shows():
    net = nn.Dense(3).to("numpy")
    binding = net._isomorph.binding
    net.native.extra = np.zeros(4)
    assert binding.adapter.native_parameters(binding, net) == {"weight": None, "bias": None, "extra": (4,)}

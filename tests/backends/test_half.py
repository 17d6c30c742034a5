"""Half types reduced in float32: values of hundreds, long axes; `axis=()`. NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph import nn, ops, to_numpy

# Squares of hundreds are beyond float16, and so are sums of hundreds over a long axis.
HUNDREDS = np.random.default_rng(0).standard_normal((4, 8)) * 300 + 100
LONG = np.random.default_rng(1).uniform(0.5, 1.5, (2, 20000))
CENTRED = np.concatenate([LONG * 20, -LONG * 20 + 0.01], 1)
IMAGE = np.random.default_rng(2).standard_normal((3, 4, 5, 5)) * 300 + 100
LAYERS = {
    "LayerNorm": (lambda: nn.LayerNorm(), HUNDREDS),
    "BatchNorm": (lambda: nn.BatchNorm(), HUNDREDS),
    "GroupNorm": (lambda: nn.GroupNorm(2), HUNDREDS),
    "Softmax": (lambda: nn.Softmax(), LONG),
    "AvgPool2d": (lambda: nn.AvgPool2d(5), IMAGE),
    "GlobalAvgPool2d": (lambda: nn.GlobalAvgPool2d(), IMAGE),
    "mean": (lambda: Along(ops.mean), CENTRED),
    "sum": (lambda: Along(ops.sum), CENTRED),
    "softmax": (lambda: Along(ops.softmax), LONG),
    "log_softmax": (lambda: Along(ops.log_softmax), LONG),
}


class Along(nn.Module):
    def __init__(self, function, axis=-1):
        super().__init__()
        self.function, self.axis = function, axis

    def forward(self, x):
        return self.function(x, axis=self.axis)


@pytest.fixture(params=["numpy", "torch"])
def one(request, expected):
    if request.param not in expected:
        pytest.skip(f"{request.param} is not asked")
    return request.param


@pytest.mark.parametrize("name", LAYERS)
def test_half_types_are_reduced_in_float32(one, name):
    make, x = LAYERS[name]
    rounded = x.astype("float16")
    want = to_numpy(make().initialize(seed=0).to("numpy", dtype="float64")(rounded.astype("float64")))
    got = to_numpy(make().initialize(seed=0).to(one, dtype="float16")(rounded))
    assert got.dtype == "float16"
    np.testing.assert_allclose(got.astype("float64"), want, rtol=2e-3, atol=1e-3 * min(abs(want).max(), 1.0))


@pytest.mark.parametrize("function", [ops.sum, ops.mean, ops.max])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_no_axes_reduce_nothing(one, function, dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    y = to_numpy(Along(function, ()).to(one)(x))
    np.testing.assert_array_equal(y, x)
    if function is ops.sum and dtype == "int32":
        assert y.dtype == "int64"

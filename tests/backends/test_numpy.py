"""What is peculiar to NumPy."""

from __future__ import annotations

import copy
import pickle
import threading

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


class Moving(nn.Module):
    """Buffers of its own and of a child's that each call updates; lists; a layer by keyword."""

    def __init__(self):
        super().__init__()
        self.mean, self.count = nn.Buffer((3,)), 0.0
        self.gains = {"type": nn.Parameter((3,)), "left": nn.Parameter((3,))}
        self.body = nn.Sequential(nn.Dense(3), nn.BatchNorm(in_features=3), nn.Flatten(), nn.GELU())

    def forward(self, x):
        before = self.mean
        y = self.body(x) * self.gains["type"] + self.gains["left"]
        self.mean.update(self.mean * 0.5 + ops.mean(y, 0))
        self.mean.update(self.mean + 1.0)
        self.body[1].running_mean.update(self.body[1].running_mean + 1.0)
        return before + 0.0, y * self.mean


def test_a_forward_updates_buffers():
    net, expected = Moving().initialize(seed=0).to("numpy"), np.zeros(3, "float32")
    for _ in range(3):
        array = net.native.mean
        before, output = net(X)
        np.testing.assert_array_equal(before, expected)
        expected = net.mean.numpy()
        assert net.native.mean is array
        assert type(output) is type(before) is np.ndarray
    assert expected.min() > 0.9
    assert net.body[1].running_mean.numpy().min() > 0.9


def test_threads_update_buffers_one_after_the_other():
    net = Moving().initialize(seed=0).to("numpy")
    net(X)
    threads = [threading.Thread(target=lambda: [net(X) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.native.mean.places == ()
    alone = Moving().initialize(seed=0).to("numpy")
    for _ in range(81):
        alone(X)
    np.testing.assert_allclose(net.mean.numpy(), alone.mean.numpy(), rtol=1e-5)


def test_a_failed_call_updates_no_buffer():
    class Late(Moving):
        def forward(self, x):
            y = super().forward(x)
            if isinstance(x, np.ndarray) and x.sum() > 1e5:
                raise RuntimeError("late")
            return y

    net = Late().initialize(seed=0).to("numpy")
    net(X)
    expected = net.mean.numpy()
    with pytest.raises(errors.NativeCallError, match="late"):
        net(X + 1e6)
    np.testing.assert_array_equal(net.mean.numpy(), expected)


COPIES = {
    "pickle": lambda native: pickle.loads(pickle.dumps(native)),
    "deep": copy.deepcopy,
    "flat": copy.copy,
}


@pytest.mark.parametrize("is_ready", [False, True], ids=["deferred", "ready"])
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_natives_are_copied(copied, is_ready):
    net = Moving().initialize(seed=0).to("numpy").eval()
    if is_ready:
        net(X)
    twin = copied(net.native)
    assert isinstance(twin, Moving)
    assert (twin.body[0].weight is None) is not is_ready
    if is_ready:
        expected = copy.deepcopy(net)(X)[1]
        np.testing.assert_array_equal(twin(X)[1], expected)


def test_a_copied_convolution_holds_no_description():
    net = nn.Sequential(nn.Conv2d(3, 2, padding="same"), nn.AvgPool2d(2)).to("numpy")
    x = np.ones((2, 3, 4, 4), "float32")
    expected = net(x)
    data = pickle.dumps(net.native)
    np.testing.assert_array_equal(pickle.loads(data)(x), expected)
    assert data.count(net[0].weight.numpy().tobytes()) == 1


def test_nets_of_one_class_have_one_native_class():
    assert type(Moving().to("numpy").native) is type(Moving().to("numpy").native)


@pytest.mark.parametrize("call", [lambda net: net(x=X), lambda net: net.native(x=X)], ids=["net", "native"])
def test_layers_are_called_by_keyword(call):
    class ByName(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.body = nn.Dense(3), nn.Sequential(nn.BatchNorm())

        def forward(self, x):
            return self.body(x=self.hidden(x=x))

    net = ByName().to("numpy").eval()
    np.testing.assert_array_equal(call(net) if net(X) is not None else None, net(X))

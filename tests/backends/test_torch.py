"""What is peculiar to PyTorch."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch
from function_table import TABLE
from small_nets import MLP

from isomorph import init, nn, ops

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")


class Net(nn.Module):
    """Every kind of layer whose lazy class is ours, in one net."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 3, stride=2, padding="same", activation="relu")
        self.norm = nn.BatchNorm()
        self.flat = nn.Flatten()
        self.layer_norm = nn.LayerNorm()
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.out = nn.Dense(3)

    def build(self, shape):
        self.gain.shape = (3,)

    def forward(self, x):
        return self.out(self.layer_norm(self.flat(self.norm(self.conv(x))))) * self.gain


IMAGES = np.random.default_rng(0).standard_normal((2, 3, 7, 5)).astype("float32")


def test_deferred_native_is_lazy():
    native = MLP().to("torch").native
    assert isinstance(native.hidden, torch.nn.LazyLinear)
    assert isinstance(native.hidden.weight, torch.nn.UninitializedParameter)


def test_materialized_native_is_plain():
    net = MLP().to("torch")
    net(X)
    assert type(net.native.out) is torch.nn.Linear
    assert isinstance(net.native.hidden, torch.nn.Linear)
    assert net.native.hidden.in_features == 20
    assert list(net.native.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]


@pytest.mark.parametrize(("make", "x"), [(MLP, X), (Net, IMAGES)], ids=["mlp", "net"])
def test_native_called_first_gives_the_same(make, x):
    expected = make().initialize(seed=4).to("torch")(x)
    net = make().initialize(seed=4).to("torch")
    output = net.native(torch.from_numpy(x))
    torch.testing.assert_close(output, expected)
    assert all(str(parameter.state) == "ready" for parameter in net.parameters().values())
    torch.testing.assert_close(net(x) if make is MLP else net.eval()(x), net.native(torch.from_numpy(x)))


def test_materializing_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Net().to("torch")(IMAGES)
    assert torch.equal(torch.get_rng_state(), before)


def test_optimizer_made_before_data_keeps_its_parameters():
    net = MLP().to("torch")
    optimizer = torch.optim.SGD(net.native.parameters(), lr=0.1)
    before = net(X).detach()
    ops.sum(net(X)).backward()
    optimizer.step()
    assert not torch.equal(net(X), before)


def test_state_dict_loads_into_a_deferred_net():
    trained, fresh = MLP().to("torch"), MLP().to("torch")
    expected = trained(X)
    fresh.native.load_state_dict(trained.native.state_dict())
    assert fresh.hidden.weight.shape == (256, 20)
    torch.testing.assert_close(fresh(X), expected)
    assert type(fresh.native.out) is torch.nn.Linear


def test_export_and_compile_agree_with_eager():
    net = Net().to("torch").eval()
    x = torch.from_numpy(IMAGES)
    expected = net(x)
    torch.testing.assert_close(torch.export.export(net.native, (x,)).module()(x), expected)
    torch.testing.assert_close(torch.compile(net.native)(x), expected)


def test_compile_option():
    net = MLP().to("torch")
    expected = net(X)
    torch.testing.assert_close(net.to(compile=True)(X), expected)


def test_hooks_and_deepcopy_of_the_native():
    net = MLP().to("torch")
    net(X)
    seen = []
    handle = net.native.out.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    net(X)
    handle.remove()
    assert seen == [(2, 10)]
    torch.testing.assert_close(copy.deepcopy(net.native)(torch.from_numpy(X)), net(X))


def test_grad_is_the_native_one():
    net = MLP().to("torch")
    assert net(X) is not None
    assert net.out.bias.grad is None
    ops.sum(net(X)).backward()
    np.testing.assert_array_equal(net.out.bias.grad, np.full(10, 2, "float32"))


def test_description_is_hidden_from_the_native():
    native = MLP().to("torch").native
    assert not hasattr(native, "initialize")
    assert not hasattr(native, "summary")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype):
    net = MLP().initialize(seed=1).to("torch", dtype=dtype)
    output = net(X)
    assert output.dtype == getattr(torch, dtype)
    reference = MLP().initialize(seed=1)(X)
    np.testing.assert_allclose(output.detach().float().numpy(), reference, atol=0.05)


@pytest.mark.parametrize("name", TABLE)
def test_functions_under_dynamo_without_a_graph_break(name):
    function, arrays, expected = TABLE[name]
    compiled = torch.compile(function, backend="eager", fullgraph=True)
    output = compiled(*(torch.from_numpy(array) for array in arrays))
    np.testing.assert_allclose(output.numpy(), np.asarray(expected(*arrays)), rtol=2e-5, atol=2e-6)


class Two(nn.Module):
    """A net of a user's own class."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Dense(5), nn.Dense(3)

    def forward(self, x):
        return self.out(ops.relu(self.hidden(x)))


@pytest.mark.parametrize("make", [Two, lambda: nn.Sequential(nn.Dense(3), nn.ReLU())], ids=["own", "row"])
def test_the_tenth_net_is_compiled_too(make):
    codes = {Two.forward.__code__, torch.nn.Sequential.forward.__code__, torch.nn.Linear.forward.__code__}
    met = []

    def note(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            met.append(frame.f_code.co_name)

    for _ in range(10):
        net = make().initialize(seed=0).to("torch", compile=True)
        net(X), net(X)
        sys.setprofile(note)
        net(X)
        sys.setprofile(None)
    assert met == []


def test_batch_norm_is_settled_before_a_compiled_call():
    net = Net().to("torch", compile=True).eval()
    net(IMAGES)
    assert type(net.native.norm) is torch.nn.BatchNorm2d


def test_state_dict_with_statistics_loads_before_the_first_data():
    trained, fresh = Net().to("torch"), Net().to("torch")
    trained(IMAGES)
    trained.eval()
    expected = trained(IMAGES)
    fresh.native.load_state_dict(trained.native.state_dict())
    torch.testing.assert_close(fresh.eval()(IMAGES), expected)


def test_a_composite_is_traced_by_fx():
    class Traced(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Dense(3)

        def forward(self, x):
            return ops.softmax(ops.reshape(ops.relu(self.hidden(x)), (-1, 3)))

    net = Traced().initialize(seed=0).to("torch")
    expected = net(X)
    torch.testing.assert_close(torch.fx.symbolic_trace(net.native)(torch.from_numpy(X)), expected)

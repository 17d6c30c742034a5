"""What is peculiar to MXNet."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from small_nets import MLP

import isomorph
from isomorph import errors, init, nn, ops

isomorph.backend("mxnet")  # MXNet 1.9.1 imports on today's NumPy with the adapter's help only

import mxnet as mx  # noqa: E402
from mxnet import autograd, gluon, npx  # noqa: E402

from isomorph.backends.mxnet import framework  # noqa: E402
from isomorph.backends.mxnet.nn import dense  # noqa: E402

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 7, 5)).astype("float32")
COMPILE = pytest.mark.parametrize("compile", [None, True, False])


class Net(nn.Module):
    """Layers of several kinds, and a parameter of its own."""

    def __init__(self, padding="same"):
        super().__init__()
        self.conv = nn.Conv2d(5, 3, stride=2, padding=padding, activation="relu")
        self.norm = nn.BatchNorm()
        self.flat = nn.Flatten()
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.out = nn.Dense(3)

    def build(self, shape):
        self.gain.shape = (3,)

    def forward(self, x):
        return self.out(self.flat(self.norm(self.conv(x)))) * self.gain


@pytest.fixture
def np_mode():
    """What a user of `mx.np` arrays has set."""
    npx.set_np()
    yield
    npx.reset_np()


def close(actual, expected, tolerance=2e-5):
    as_numpy = [y.asnumpy() if isinstance(y, mx.nd.NDArray) else np.asarray(y) for y in (actual, expected)]
    np.testing.assert_allclose(*as_numpy, rtol=tolerance, atol=tolerance)


def array(values):
    return mx.np.array(values, dtype=values.dtype)


# Native classes and Gluon's own deferral.


@pytest.mark.parametrize(
    ("layer", "x", "kind"),
    [
        (lambda: nn.Dense(3), X, dense.Dense),
        (lambda: nn.Conv2d(3, 3, padding=1), IMAGES, gluon.nn.Conv2D),
        (lambda: nn.Conv2d(3, 3, padding="same"), IMAGES, gluon.nn.Conv2D),
        (lambda: nn.MaxPool2d(2), IMAGES, gluon.nn.MaxPool2D),
        (lambda: nn.AvgPool2d(2), IMAGES, gluon.nn.AvgPool2D),
        (lambda: nn.LayerNorm(bias=False), X, gluon.nn.LayerNorm),
        (lambda: nn.Flatten(), IMAGES, gluon.nn.Flatten),
        (lambda: nn.ReLU(), X, gluon.nn.Activation),
    ],
)
def test_native_is_gluons_own_class(layer, x, kind):
    net = layer().to("mxnet")
    net(x)
    assert isinstance(net.native, kind)
    assert type(net.native).__name__ == kind.__name__


def test_native_is_deferred_by_gluon():
    native = MLP().to("mxnet").native
    assert isinstance(native, gluon.HybridBlock)
    assert all(parameter._deferred_init for parameter in native.collect_params().values())
    with pytest.raises(gluon.parameter.DeferredInitializationError):
        native.hidden.weight.data()


@pytest.mark.parametrize("user_initializes", [False, True])
@pytest.mark.parametrize(
    ("make", "x", "hybrid"),
    [(MLP, X, False), (MLP, X, True), (Net, IMAGES, False), (lambda: Net(padding=1), IMAGES, True)],
    ids=["mlp", "mlp-hybrid", "net", "net-hybrid"],
)
def test_native_called_first_gives_the_same(make, x, hybrid, user_initializes, np_mode):
    expected = make().initialize(seed=4).to("mxnet").eval()(x)
    net = make().initialize(seed=4).to("mxnet").eval()
    if user_initializes:
        net.native.initialize(mx.init.Xavier())
    if hybrid:
        net.native.hybridize()
    close(net.native(array(x)), expected)
    assert all(str(parameter.state) == "ready" for parameter in net.parameters().values())
    close(net(x), expected)


def test_channels_last_native_called_first_gives_the_same(np_mode):
    x = np.moveaxis(IMAGES, 1, -1).copy()
    expected = Net().initialize(seed=4).to("mxnet", data_format="channels_last").eval()(x)
    net = Net().initialize(seed=4).to("mxnet", data_format="channels_last").eval()
    close(net.native(array(x)), expected)


def test_materializing_draws_no_random_numbers(np_mode):
    def drawn():
        return mx.np.random.uniform(size=3).asnumpy().tolist()

    mx.random.seed(0)
    expected = drawn()
    mx.random.seed(0)
    Net().to("mxnet").eval()(IMAGES)
    assert drawn() == expected


def test_two_nets_have_parameters_of_different_names():
    first, second = MLP().to("mxnet").native, MLP().to("mxnet").native
    assert not first.collect_params().keys() & second.collect_params().keys()
    assert [name.endswith("out_bias") for name in first.collect_params(".*bias")] == [False, True]


# Gluon's own tools.


@COMPILE
def test_trainer_updates_the_net(compile, np_mode):
    net = MLP().initialize(seed=1).to("mxnet", compile=compile)
    trainer = gluon.Trainer(net.native.collect_params(), "sgd", {"learning_rate": 0.1})
    net(X)
    before = net.out.bias.numpy().copy()
    with autograd.record():
        loss = ops.sum(net(X))
    loss.backward()
    trainer.step(1)
    np.testing.assert_array_equal(net.out.bias.grad, np.full(10, 2, "float32"))
    close(net.out.bias.numpy(), before - 0.2)


def test_parameters_saved_by_gluon_load_into_a_deferred_net(tmp_path, np_mode):
    trained, fresh = MLP().to("mxnet"), MLP().to("mxnet")
    expected = trained(X)
    trained.native.save_parameters(str(tmp_path / "net.params"))
    saved = npx.load(str(tmp_path / "net.params"))
    assert sorted(saved) == ["hidden.bias", "hidden.weight", "out.bias", "out.weight"]
    fresh.native.load_parameters(str(tmp_path / "net.params"))
    assert fresh.hidden.weight.shape == (256, 20)
    close(fresh(X), expected)


def test_hybridized_native_is_exported(tmp_path, np_mode):
    net = MLP().to("mxnet")
    expected = net(X)
    net.native.hybridize(static_alloc=True)
    close(net.native(array(X)), expected)
    net.native.export(str(tmp_path / "net"))
    block = gluon.SymbolBlock.imports(
        str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
    )
    close(block(array(X)), expected)


def test_hooks_and_values_set_natively_are_seen(np_mode):
    net = MLP().to("mxnet", compile=False)
    net(X)
    seen = []
    handle = net.native.out.register_forward_hook(lambda block, inputs, output: seen.append(output.shape))
    before = net(X)
    handle.detach()
    net.native.out.bias.set_data(net.native.out.bias.data() + 1)
    close(net(X), before + 1)
    close(net.to(compile=True)(X), before + 1)
    assert seen == [(2, 10)]


def test_a_parameter_frozen_natively_has_no_gradient():
    net = MLP().to("mxnet")
    net(X)
    net.native.hidden.weight.grad_req = "null"
    found = net.gradients(ops.sum, X)
    assert "hidden.weight" not in found
    assert found["hidden.bias"].any()
    assert found["out.weight"].any()


# Modes of the process.


@pytest.mark.parametrize("legacy", [True, False])
@COMPILE
def test_np_mode_and_autograd_are_left_as_they_were(legacy, compile):
    (npx.reset_np if legacy else npx.set_np)()
    try:
        before = mx.util.is_np_array(), mx.util.is_np_shape()
        with autograd.record(train_mode=False):
            net = Net().to("mxnet", compile=compile)
            net(IMAGES)
            assert (autograd.is_recording(), autograd.is_training()) == (True, False)
        net.gradients(ops.sum, IMAGES)
        with pytest.raises(errors.ShapeMismatchError):
            net(IMAGES[:, :2])
        assert (mx.util.is_np_array(), mx.util.is_np_shape()) == before == (not legacy, not legacy)
    finally:
        npx.reset_np()


@COMPILE
def test_legacy_arrays_are_accepted(compile):
    net = MLP().to("mxnet", compile=compile)
    output = net(mx.nd.array(X))
    assert isinstance(output, mx.np.ndarray)
    close(output, net(X))


def test_a_net_takes_mxnet_from_a_legacy_array():
    net = MLP()
    net(mx.nd.array(X))
    assert net.backend == "mxnet"


def test_import_leaves_numpy_and_logging_as_they_were():
    program = """
import logging, numpy
before = dict(vars(numpy))
import isomorph
net = isomorph.nn.Dense(3).to("mxnet")
net(numpy.ones((2, 5), "float32"))
new = {name for name in vars(numpy).keys() - before.keys() if type(vars(numpy)[name]).__name__ != "module"}
assert not new and all(vars(numpy)[name] is value for name, value in before.items()), new
assert not logging.getLogger().handlers
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Bound calls.


class Late(nn.Layer):
    """A layer whose native block fails only when it is computed."""

    def infer_shapes(self, x):
        return x


@COMPILE
def test_asynchronous_failure_is_raised_by_its_own_call(compile, monkeypatch):
    def lowering(layer, binding):
        with framework.np_mode():
            block = gluon.nn.Conv2D(2, 1, layout="NHWC", in_channels=5)  # not on the CPU, in 1.9.1
            block.initialize()
            return block

    monkeypatch.setitem(isomorph.backend("mxnet").table, Late, (lowering, {}))
    net = nn.Sequential(Late()).to("mxnet", compile=compile)
    with pytest.raises(errors.IsomorphError, match="MXNetError"):
        net(IMAGES)
    mx.nd.waitall()
    MLP().to("mxnet")(X)


class Counted(nn.Module):
    def __init__(self, function=ops.tanh):
        super().__init__()
        self.out = nn.Dense(3)
        self.function = function
        self.traced = []

    def forward(self, x):
        if type(x).__module__.startswith("mxnet.symbol"):
            self.traced.append(1)
        return self.function(self.out(x))


@pytest.mark.parametrize(("compile", "traces"), [(None, 1), (True, 1), (False, 0)])
def test_one_trace_serves_every_batch_size(compile, traces):
    net = Counted().to("mxnet", compile=compile)
    for batch in (2, 3, 5):
        assert net(np.ones((batch, 4), "float32")).shape == (batch, 3)
    assert len(net.native.traced) == traces


def test_forward_without_symbols_runs_eagerly_or_says_so():
    def function(y):
        return y[:, None][:, 0]

    net = Counted(function).to("mxnet")
    y = net(X)
    close(y, X @ net.out.weight.numpy().T + net.out.bias.numpy())
    with pytest.raises(errors.LayerNotSupportedError, match="compile=None or False"):
        net.to(compile=True)(X)


@COMPILE
def test_nested_outputs_and_keywords(compile):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Dense(3)

        def forward(self, x, scale=None, *, shift):
            y = self.out(x) + shift
            return {"y": y, "more": [y * 2, (y if scale is None else y * scale,)]}

    net = Nested().initialize(seed=2)
    expected = net(X, shift=X[:, :3])
    found = net.to("mxnet", compile=compile)(X, shift=X[:, :3])
    close(found["y"], expected["y"])
    close(found["more"][1][0], expected["more"][1][0])
    close(net(X, X[:, 3:6], shift=X[:, :3])["more"][1][0], expected["y"] * X[:, 3:6], 1e-4)


@COMPILE
@pytest.mark.parametrize("size", [(7, 5), (8, 5)])
def test_same_padding_follows_the_size(compile, size):
    x = np.random.default_rng(1).standard_normal((2, 3, *size)).astype("float32")
    net = nn.Conv2d(4, 3, stride=2, padding="same").initialize(seed=1)
    expected = net(x)
    net.to("mxnet", compile=compile)(IMAGES)
    close(net(x), expected)


def test_same_padding_under_hybridize(np_mode):
    net = Net().initialize(seed=1).to("mxnet").eval()
    native = gluon.nn.HybridSequential()
    native.add(net.native)
    expected = [net(IMAGES), net(IMAGES[:1])]
    net.native.hybridize()
    close(net.native(array(IMAGES)), expected[0])
    close(net.native(array(IMAGES[:1])), expected[1])
    native.hybridize()
    with pytest.raises(errors.ForwardError, match=r"Hybridize net\.native itself"):
        native(array(IMAGES))


@COMPILE
def test_modes_are_each_modules_own(compile):
    net = nn.Sequential(nn.BatchNorm(), nn.Dropout(0.5), nn.BatchNorm()).to("mxnet", compile=compile)
    net[1].eval()
    net[2].eval()
    outputs = [net(X) for _ in range(2)]
    close(*outputs)
    assert net[0].running_mean.numpy().any()
    assert not net[2].running_mean.numpy().any()
    net[1].train()
    assert (net(X).asnumpy() == 0).any()


@pytest.mark.parametrize("name", ["params", "name", "prefix", "hybridize", "_children", "gain"])
@COMPILE
def test_names_that_gluon_uses_are_the_users_in_forward(name, compile):
    class Collides(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)
            setattr(self, name, nn.Dense(4))
            self.weight = nn.Parameter((3,), init=init.Normal())

        def forward(self, x):
            return self.fc(getattr(self, name)(x)) * self.weight

    net = Collides().initialize(seed=1)
    expected = net(X)
    close(net.to("mxnet", compile=compile)(X), expected)
    assert len(net.native.collect_params().keys()) == 5


def test_methods_that_gluon_has_too_are_the_users_in_forward():
    class Collides(MLP):
        scope = 3

        def cast(self, x):
            return x * self.scope

        def forward(self, x):
            return self.cast(super().forward(x))

    net = Collides().initialize(seed=1)
    expected = net(X)
    close(net.to("mxnet")(X), expected)


def test_description_is_hidden_from_the_native():
    native = MLP().to("mxnet").native
    assert native.initialize.__func__ is gluon.Block.initialize
    assert not hasattr(native, "infer")


# Any inputs, outputs and parameters, in a bound call and in the native's own.


def native_of(net, how):
    """Return how a ready net is called: bound, compiled or not, or as Gluon's users do."""
    if how == "native":
        return net.native
    if how == "hybridized":
        net.native.hybridize()
        return net.native
    return net.to(compile=how)


WAYS = [None, False, True, "native", "hybridized"]
EVERY_WAY = pytest.mark.parametrize("how", WAYS)


def tensors(value):
    """Return a nested value with NumPy's arrays as MXNet's."""
    if isinstance(value, np.ndarray):
        return array(value)
    if isinstance(value, dict):
        return {name: tensors(each) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(tensors, value))
    return type(value)(map(tensors, value)) if isinstance(value, (list, tuple)) else value


class Pair(NamedTuple):
    left: object
    right: object


@dataclasses.dataclass
class Output:
    main: object
    parts: tuple


class Flexible(nn.Module):
    """A net that takes whatever it is given."""

    def __init__(self):
        super().__init__()
        self.out = nn.Dense(3)

    def forward(self, x, other=None, *, scale=1.0, flag=False):
        if isinstance(x, dict):
            x = x["a"] + x["b"][0]
        elif isinstance(x, (tuple, list)):
            x = x[0] - x[1]
        y = self.out(x=x) * scale
        if other is not None:
            y = y + other
        return Output(y, (y * 2 if flag else y * 3, {"n": None, "y": [y]}))


CALLS = [
    ((X,), {}),
    ((X, None), {"scale": 2.0}),
    ((X, None), {"scale": 2}),
    ((X, X[:, :3]), {"flag": True}),
    ((X,), {"other": X[:, 3:6], "flag": 1}),
    (({"a": X, "b": [X + 1]},), {}),
    (([X, X * 2], X[:, :3]), {}),
    ((Pair(X, X + 1),), {"scale": 0.5}),
    ((X[0],), {}),
    ((np.stack([X, X]),), {"flag": True}),
]


@EVERY_WAY
def test_any_arguments_and_outputs(how, np_mode):
    reference = Flexible().initialize(seed=3).to("numpy")
    net = Flexible().initialize(seed=3).to("mxnet")
    net(X)
    call = native_of(net, how)
    for inputs, named in CALLS + CALLS:
        expected, found = reference(*inputs, **named), call(*tensors(inputs), **tensors(named))
        assert type(found).__qualname__ == "Output"
        close(found.main, expected.main)
        close(found.parts[0], expected.parts[0])
        assert found.parts[1]["n"] is None
        close(found.parts[1]["y"][0], expected.main)


@EVERY_WAY
def test_gradients_reach_parameters_through_nested_values(how, np_mode):
    net = Flexible().initialize(seed=3).to("mxnet")
    net(X)
    call = native_of(net, how)
    for _ in range(2):
        with autograd.record():
            loss = call({"a": array(X), "b": [array(X)]}, flag=True).parts[0].sum()
        loss.backward()
        close(net.out.weight.grad, np.tile(4 * X.sum(0), (3, 1)), 1e-4)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Dense(3)

    def forward(self, x, unused):
        return self.out(x)


@pytest.mark.filterwarnings("ignore:The .* input to HybridBlock is not used")
@pytest.mark.parametrize("how", [None, False, True, "native", "hybridized"])
def test_an_unused_input(how, np_mode):
    expected = Unused().initialize(seed=1).to("numpy")(X, X)
    net = Unused().initialize(seed=1).to("mxnet")
    for _ in range(2):
        close(native_of(net, how)(array(X), array(X)), expected)


class Reading(nn.Module):
    """A net that reads what its parts hold, before and after they are called."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Dense(6)
        self.blocks = nn.Sequential(nn.LayerNorm(), nn.Sequential(nn.BatchNorm(), nn.ReLU()))
        self.gains = {"a": nn.Parameter((6,), init=init.Uniform()), "params": nn.Parameter((6,))}
        self.shifts = [nn.Parameter((6,), init=init.Uniform())]
        self.table = nn.Embedding(6, 20)

    def forward(self, x):
        first = self.encode(x)
        again = ops.matmul(x, ops.permute_dims(self.encode.weight, (1, 0)))
        h = self.blocks(first) * self.blocks[0].weight + again * self.blocks[1][0].bias
        h = h * self.gains["a"] + self.gains["params"] + self.blocks[1][0].running_mean
        return ops.matmul(h + self.shifts[0], self.table.weight)


class Early(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Dense(6, in_features=20)

    def forward(self, x):
        y = ops.matmul(x, ops.permute_dims(self.encode.weight, (1, 0)))
        return y * self.encode(x)


@pytest.mark.parametrize(
    ("how", "training"),
    # Hybridized, Gluon's batch norm moves its statistics in the backward pass: a declared deviation.
    [*((how, False) for how in WAYS), *((how, True) for how in WAYS[:-1])],
)
def test_parts_parameters_in_a_forward(how, training, np_mode):
    reference = Reading().initialize(seed=1).to("numpy").train(training)
    net = Reading().initialize(seed=1).to("mxnet").train(training)
    expected = [reference(X), reference(X)]
    net.infer((None, 20))
    with autograd.record() if training else autograd.predict_mode():
        call = native_of(net, how)
        found = [call(array(X)), call(array(X))]
    close(found[0], expected[0], 1e-4)
    close(found[1], expected[1], 1e-4)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_part_read_before_its_call_by_a_deferred_native(hybrid, np_mode):
    native = Early().initialize(seed=1).to("mxnet").native
    native.hybridize(hybrid)
    close(native(array(X)), Early().initialize(seed=1).to("numpy")(X))


@EVERY_WAY
def test_gradients_of_a_tied_weight_sum(how, np_mode):
    class TiedNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.Dense(6, bias=False)

        def forward(self, x):
            return ops.matmul(self.encode(x), self.encode.weight)

    net = TiedNet().initialize(seed=1).to("mxnet")
    net(X)
    weight, ones = net.encode.weight.numpy(), np.ones_like(X)
    with autograd.record():
        loss = native_of(net, how)(array(X)).sum()
    loss.backward()
    close(net.encode.weight.grad, weight @ ones.T @ X + weight @ X.T @ ones, 1e-4)


class Norm(nn.Module):
    """Batch normalization as books write it by hand."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer((20,))
        self.steps = nn.Buffer((), dtype="float32")

    def forward(self, x):
        if self.training:
            mean = ops.mean(x, 0)
            self.mean.update(self.mean * 0.9 + mean * 0.1)
            self.mean.update(self.mean + np.ones(20, "float32"))
            self.steps.update(self.steps + 1)
            return (x - mean) * self.mean
        return x - self.mean


class Normed(nn.Module):
    def __init__(self, function=None):
        super().__init__()
        self.norm = Norm()
        self.out = nn.Dense(3)
        self.function = function

    def forward(self, x):
        y = self.out(self.norm(self.norm(x))) + ops.sum(self.norm.mean)
        return y if self.function is None else self.function(y)


@EVERY_WAY
def test_buffers_that_a_forward_updates(how, np_mode):
    net = Normed().initialize(seed=1).to("mxnet").eval()
    net(X)
    net.train()
    weight, bias, running = net.out.weight.numpy(), net.out.bias.numpy(), np.zeros(20)
    call = native_of(net, how)
    for _ in range(3):
        with autograd.record():
            found = call(array(X))
        y = X
        for _ in range(2):
            mean = y.mean(0)
            running = running * 0.9 + mean * 0.1 + 1
            y = (y - mean) * running
        close(found, y @ weight.T + bias + running.sum(), 1e-4)
        close(net.norm.mean.numpy(), running)
    assert net.norm.steps.numpy() == 6
    found.backward()
    net.eval()
    close(call(array(X)), (X - 2 * running) @ weight.T + bias + running.sum(), 1e-4)
    assert net.norm.steps.numpy() == 6


@pytest.mark.parametrize("how", [None, False, True, "native"])
@pytest.mark.parametrize("steps", [0, 1])
def test_updates_of_a_failed_call_are_undone(how, steps, np_mode):
    def function(y):
        if fails:
            raise ValueError("on purpose")
        return y

    fails = False
    net = Normed(function).initialize(seed=1).to("mxnet")
    net.infer((None, 20))
    call = native_of(net, how)
    for _ in range(steps):
        with autograd.record():
            call(array(X))
    before = net.norm.mean.numpy() if steps else None
    net.function, fails = function, True
    net.to("mxnet", compile=True).to("mxnet", compile=how if how != "native" else None)
    with pytest.raises((ValueError, errors.IsomorphError)), autograd.record():
        call(array(X))
    if steps:
        np.testing.assert_array_equal(net.norm.mean.numpy(), before)
    fails = False
    with autograd.record():
        call(array(X))
    assert net.norm.steps.numpy() == 2 * (steps + 1)


def test_gradients_through_a_buffer_see_what_the_forward_saw(np_mode):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Dense(20)
            self.scale = nn.Buffer((20,), init=init.Ones())

        def forward(self, x):
            y = self.out(x) * self.scale
            self.scale.update(self.scale + 1)
            return y

    for compile in (None, False):
        net = Scaled().initialize(seed=1).to("mxnet", compile=compile)
        with autograd.record():
            loss = net(X).sum()
        loss.backward()
        close(net.out.bias.grad, np.full(20, 2, "float32"))
        close(net.scale.numpy(), np.full(20, 2, "float32"))


def in_place(y):
    y += np.ones(3, "float32")
    y *= 2
    return y


@EVERY_WAY
@pytest.mark.parametrize(
    "function",
    [
        lambda y: y * np.array([1.0, 2.0, 3.0], "float32"),
        lambda y: np.array([1.0, 2.0, 3.0]) - y,
        lambda y: y @ np.ones((3, 2)),
        lambda y: np.ones((2, 2), "float32") @ y,
        lambda y: np.array([1, 2, 3]) / (y * y + 1),
        lambda y: y ** np.array(2) + np.float64(3),
        lambda y: ops.where(y > np.zeros(3, "float32"), y, np.full(3, -1.0)),
        lambda y: ops.maximum(np.zeros(3), y) + ops.add(y, np.ones(3, "float32")),
        lambda y: ops.concat([y, np.ones((2, 1), "float32")], 1) + ops.matmul(y, np.ones((3, 4))),
        lambda y: ops.einsum("ij,jk->ik", y, np.ones((3, 4), "float32")),
        lambda y: in_place(y + 1),
    ],
)
def test_numpys_arrays_beside_tensors(how, function, np_mode):
    expected = Counted(function).initialize(seed=1).to("numpy")(X)
    net = Counted(function).initialize(seed=1).to("mxnet")
    net(X)
    call = native_of(net, how)
    for _ in range(2):
        with autograd.record():
            found = call(array(X))
        close(found, expected, 1e-4)
        assert found.dtype == np.float32
    found.backward()


def test_mxnets_tensors_are_as_they_were_elsewhere(np_mode):
    for operation in (lambda: array(X) * X, lambda: X * array(X), lambda: len(mx.sym.var("x").shape)):
        with pytest.raises((TypeError, AttributeError)):
            operation()


@EVERY_WAY
@pytest.mark.parametrize(
    "function",
    [
        lambda y: y * (1.0 if y.shape[0] == 2 else 10.0),
        lambda y: y / len(y),
        lambda y: ops.stack([row * i for i, row in enumerate(y)]),
        lambda y: y[-1] * y.ndim + y[0],
        lambda y: ops.reshape(y, (y.shape[0], -1)) if y.shape[1] == 3 else y,
        lambda y: ops.flatten(y, -2) * ops.shape(y)[0],
        lambda y: y * 2 if y.shape == (2, 3) else y,
        lambda y: y * {(2, 3): 5}.get(y.shape, 3),
        lambda y: y * (7 if 2 in y.shape else 1) + sum(y.shape),
        lambda y: y * len((9, *y.shape)) + sum((y.shape, (1,)), (1,))[1] + y.shape[-2],
        lambda y: ops.reshape(ops.reshape(y, y.shape[::-1]), y.shape) * y.shape[:1][0],
        lambda y: y * int(str(y.shape)[1]) + max(y.shape) + y.shape.count(2) + next(iter(y.shape)),
    ],
)
def test_sizes_that_a_forward_asks_for(how, function, np_mode):
    reference = Counted(function).initialize(seed=1).to("numpy")
    net = Counted(function).initialize(seed=1).to("mxnet")
    net(X)
    call = native_of(net, how)
    for x in (X, np.concatenate([X, X]), X[:1], X):
        close(call(array(x)), reference(x), 1e-4)


@COMPILE
def test_sizes_that_a_forward_returns(compile):
    net = Counted(lambda y: (y, y.shape, {"n": len(y), "rest": y.shape[1:]})).to("mxnet", compile=compile)
    for batch in (2, 3, 2):
        _, shape, more = net(np.ones((batch, 4), "float32"))
        assert (shape, more) == ((batch, 3), {"n": batch, "rest": (3,)})
        assert type(shape) is tuple


def test_sizes_behind_the_batch_leave_its_size_open():
    net = Counted(lambda y: ops.reshape(y, (-1, *y.shape[1:])) * y.shape[1] * y.shape[-1] * y.ndim)
    net.to("mxnet")
    for batch in (2, 3, 5):
        assert net(np.ones((batch, 4), "float32")).shape == (batch, 3)
    assert len(net.native.traced) == 1


def test_graphs_are_bounded():
    net = Counted(lambda y: y * y.shape[0]).to("mxnet")
    for size in range(1, 90):
        net(np.ones((size, 4), "float32"))
    (binding,) = {id(net._isomorph.binding): net._isomorph.binding}.values()
    assert len(binding.memory["graphs"]) <= 64
    net.native.hybridize()
    npx.set_np()
    for size in range(1, 90):
        net.native(mx.np.ones((size, 4)))
    npx.reset_np()
    assert len(net.native.isomorph_graphs) <= 64


@pytest.mark.parametrize("kind", ["pickle", "deepcopy"])
@pytest.mark.parametrize("ready", [True, False])
def test_natives_are_copied(kind, ready, np_mode):
    def made():
        return Copied().initialize(seed=3).to("mxnet").eval()

    net = made()
    trainer = gluon.Trainer(net.native.collect_params(), "sgd", {"learning_rate": 0.1})
    if ready:
        net(IMAGES)
        with autograd.record():
            net(IMAGES).sum().backward()
        trainer.step(1)
    twin = pickle.loads(pickle.dumps(net.native)) if kind == "pickle" else copy.deepcopy(net.native)
    assert type(twin) is type(net.native)
    close(twin(array(IMAGES)), net(IMAGES))
    twin.hybridize()
    close(twin(array(IMAGES)), net(IMAGES))
    kept, before = net.out.bias.numpy(), twin.out.bias.data().asnumpy()
    trainer = gluon.Trainer(twin.collect_params(), "sgd", {"learning_rate": 0.1})
    with autograd.record():
        twin(array(IMAGES)).sum().backward()
    trainer.step(1)
    np.testing.assert_array_equal(net.out.bias.numpy(), kept)
    assert (twin.out.bias.data().asnumpy() != before).all()


class Copied(Net):
    """A net of most kinds of layers, for copies: a module's class can be found by its name."""

    def __init__(self):
        super().__init__()
        self.more = nn.Sequential(nn.LayerNorm(affine=False), nn.Softmax(), nn.Dropout(0.5), nn.LeakyReLU())
        self.heads = {"a": nn.Dense(4, activation="silu"), "hybridize": nn.Dense(2)}
        self.gains = [nn.Parameter((2,), init=init.Ones())]

    def forward(self, x):
        y = self.heads["hybridize"](self.heads["a"](self.more(super().forward(x))))
        return y * self.gains[0]


class Scale(nn.Layer):
    """A layer of someone else's, with a lowering of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter((None, 2), role="weight")

    def infer_shapes(self, x, shift=None):
        self.weight.shape = (x.shape[-1], 2)
        return x


class NativeScale(gluon.HybridBlock):
    """As Gluon's users write blocks; it looks at its own parameter too."""

    def __init__(self, layer, binding):
        super().__init__()
        self.kernel = self.params.get("kernel", shape=(2, 0), allow_deferred_init=True)

    def hybrid_forward(self, F, x, shift=None, *, kernel):  # noqa: N803
        assert self.kernel.name.endswith("kernel")
        y = x * kernel[0] + kernel[1]
        return y if shift is None else y + shift


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scale()
        self.out = nn.Dense(3)

    def forward(self, x):
        y = self.out(self.scale(x=x))
        weight = ops.permute_dims(self.scale.weight, (1, 0))
        return y + self.out(x * weight[0] + weight[1])


@EVERY_WAY
@pytest.mark.parametrize("first", [True, False])
def test_a_lowering_of_someone_elses(how, first, np_mode, monkeypatch):
    table = isomorph.backend("mxnet").table
    monkeypatch.setitem(table, Scale, (NativeScale, {"weight": ("kernel", (1, 0))}))
    net = Scaled().initialize(seed=1).to("mxnet")
    if not first or how not in ("native", "hybridized"):
        net(X)
    y = native_of(net, how)(array(X))
    weight = net.scale.weight.numpy()
    assert weight.shape == (20, 2)
    once = (X * weight[:, 0] + weight[:, 1]) @ net.out.weight.numpy().T + net.out.bias.numpy()
    close(y, 2 * once, 1e-4)
    assert net.scale.native.kernel is net.scale.weight.native


@pytest.mark.parametrize(
    "lowering",
    [lambda layer, binding: lambda x: x, lambda layer, binding: gluon.nn.Activation("relu")],
    ids=["no-block", "no-parameter"],
)
def test_a_lowering_that_gluon_cannot_hold(lowering, monkeypatch):
    monkeypatch.setitem(isomorph.backend("mxnet").table, Scale, (lowering, {}))
    with pytest.raises(errors.LayerNotSupportedError, match=r"gluon\.HybridBlock"):
        Scale().to("mxnet")


class Centered(nn.Layer):
    """A layer that no backend lowers: composed of its forward."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter((None,), init=init.Uniform())

    def infer_shapes(self, x):
        self.shift.shape = (x.shape[-1],)
        return x

    def forward(self, x):
        groups = ops.reshape(x, (x.shape[0], 2, -1))
        groups = groups - ops.mean(groups, -1, keepdims=True)
        return ops.reshape(groups, x.shape) + self.shift


@EVERY_WAY
@pytest.mark.parametrize("deferred", [True, False])
def test_a_composed_layer(how, deferred, np_mode):
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.centered = Centered()

        def forward(self, x):
            return self.centered(x=x) * self.centered.shift

    expected = [Around().initialize(seed=1).to("numpy")(x) for x in (X, X[:1])]
    net = Around().initialize(seed=1).to("mxnet")
    if not deferred or how not in ("native", "hybridized"):
        net(X)
    call = native_of(net, how)
    for x, y in zip((X, X[:1], X), (*expected, expected[0])):
        close(call(array(x)), y, 1e-4)


def test_a_graph_of_one_mode_is_not_exported_in_training(tmp_path, np_mode):
    net = Norm().to("mxnet")
    net(X)
    net.native.hybridize()
    with autograd.record():
        net.native(array(X))
    with pytest.raises(errors.ForwardError, match="once outside of autograd"):
        net.native.export(str(tmp_path / "net"))
    expected = net.native(array(X))
    net.native.export(str(tmp_path / "net"))
    block = gluon.SymbolBlock.imports(
        str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
    )
    close(block(array(X)), expected)


@COMPILE
def test_scalar_parameters_are_set(compile):
    net = Norm().to("mxnet", compile=compile)
    net(X)
    net(X)
    assert net.steps.numpy() == 2
    net.steps.set(7.0)
    net(X)
    assert net.steps.numpy() == 8


@EVERY_WAY
def test_a_replaced_attribute_or_forward_is_seen(how, np_mode):
    class Times(nn.Module):
        def __init__(self):
            super().__init__()
            self.times = 2.0

        def forward(self, x):
            return x * self.times

    net = Times().to("mxnet")
    net(X)
    call = native_of(net, how)
    close(call(array(X)), 2 * X)
    net.times = 3.0
    close(call(array(X)), 3 * X)
    Times.forward = lambda self, x: x + self.times
    close(call(array(X)), X + 3)


@pytest.mark.parametrize("how", [None, False])
def test_a_bound_call_leaves_what_its_user_hybridized_alone(how, np_mode):
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm())).to("mxnet", compile=how)
    net(X)
    net.native.hybridize()
    net[0].eval()
    before = net[1][0].running_var.numpy()
    net(X)
    close(net[1][0].running_var.numpy(), before * 0.9 + 0.1 * X.var(0, ddof=1))


def test_layers_called_by_a_wrong_keyword():
    net = Counted().to("mxnet")
    net(X)
    with pytest.raises(errors.ForwardError, match="Dense takes"):
        net.native.out(y=array(X))


# Types and devices.


def test_float64_keeps_its_precision():
    net = nn.Sequential(
        nn.Dense(8, activation="gelu"), nn.LeakyReLU(), nn.LayerNorm(affine=False)
    ).initialize(seed=1)
    net.to("numpy", dtype="float64")
    expected = net(X.astype("float64"))
    output = net.to("mxnet")(X.astype("float64"))
    assert output.dtype == np.float64
    close(output, expected, 1e-12)


@pytest.mark.parametrize(
    "layer", [lambda: nn.BatchNorm(affine=False), lambda: nn.LayerNorm(bias=False)], ids=["batch", "layer"]
)
def test_what_a_norm_does_not_learn_has_the_nets_type(layer):
    expected = layer().to("numpy", dtype="float64")(X)
    close(layer().to("mxnet", dtype="float64")(X), expected, 1e-11)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_type_without_products_is_refused(dtype):
    with pytest.raises(errors.NotSupportedError, match=f"{dtype} on cpu"):
        MLP().to("mxnet", dtype=dtype)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
@COMPILE
def test_every_integer_type_is_an_index(dtype, compile):
    net = nn.Embedding(11, 3).initialize(seed=1)
    ids = np.array([[0, 10], [3, 1]], dtype)
    expected = net(ids)
    close(net.to("mxnet", compile=compile)(ids), expected)


@pytest.mark.parametrize("device", ["tpu", "gpu(99)", "cpu:x"])
def test_unknown_device(device):
    with pytest.raises(errors.InvalidArgumentError, match="device"):
        MLP().to("mxnet", device=device)


def test_a_type_that_mxnet_lacks_is_named():
    with pytest.raises(errors.NotSupportedError, match="float32") as caught:
        ops.astype(array(X), "int16")
    assert caught.value.capability == "dtype.int16"


# Declared deviations: each is there, and no greater than declared.


def test_deviation_index_outside_the_table():
    net = nn.Embedding(11, 3).to("mxnet")
    output = net(np.array([-1, 11]))
    np.testing.assert_array_equal(output.asnumpy(), net.weight.numpy()[[0, 10]])


def test_deviation_running_variance_of_a_hybridized_native(np_mode):
    def variance(train):
        net = nn.BatchNorm().to("mxnet").eval()
        net(X)
        train(net)
        return net.running_var.numpy()

    def bound(net):
        net.train()(X)

    def hybridized(net):
        net.native.hybridize()
        with autograd.record():
            y = net.native(array(X))
        np.testing.assert_array_equal(net.running_var.numpy(), 1)
        y.backward()
        mx.nd.waitall()

    close((variance(hybridized) - 0.9) * 2, variance(bound) - 0.9, 1e-6)


def test_deviation_log_softmax():
    x = (10 * np.random.default_rng(0).standard_normal((640, 5))).clip(-30, 30).astype("float32")
    shifted = x.astype("float64") - x.max(-1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    off = np.abs(
        nn.Dense(5, "log_softmax", weight_init=identity, bias=False).to("mxnet")(x).asnumpy() - expected
    ).max()
    assert 1e-6 < off < 1e-5


def identity(name, shape, dtype, generator):
    return np.eye(*shape, dtype="float32")


@COMPILE
def test_deviation_empty_batch(compile, np_mode):
    net = MLP().to("mxnet", compile=compile)
    assert net(X[:0]).shape == (0, 10)
    net(X)
    assert net(X[:0]).shape == (0, 10)
    with pytest.raises(mx.MXNetError):
        net.native(array(X[:0])).wait_to_read()
    assert not any(each.any() for each in net.gradients(ops.sum, X[:0]).values())
    close(net(X), net.native(array(X)))

"""What a forward means on JAX: parameters, buffers and arguments of any kind, eager, compiled and in Flax."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from small_nets import MLP

from isomorph import errors, init, nn, ops
from isomorph.adapter import flatten
from isomorph.backends.jax import JaxAdapter, leaf

X = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
KEY = jax.random.key(7)
COMPILED = pytest.mark.parametrize("compile", [None, False], ids=["jit", "eager"])


def assert_close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=2e-5, atol=2e-5)


# Parameters of children.


class Reads(nn.Module):
    """Reads its children's parameters, before and after it calls them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.BatchNorm()
        self.dense = nn.Dense(4, in_features=4)
        self.blocks = [nn.Dense(4, in_features=4, bias=False), nn.Conv2d(2, 3, in_channels=1)]
        self.inner = nn.Sequential(nn.Dense(4, in_features=4))

    def forward(self, x):
        before = ops.sum(self.dense.weight[0]) + ops.sum(self.inner[0].weight[:, 1])
        y = self.dense(self.norm(x)) + ops.sum(self.blocks[1].weight[:, :, 0, 2])
        assert self.blocks[0].bias is None
        y = ops.matmul(self.blocks[0](self.inner(y)), ops.permute_dims(self.embed.weight, (1, 0)))
        return y * before + ops.sum(self.norm.running_mean * self.norm.running_var) + self.dense.bias[1]


class TiedReads(nn.Module):
    """Reads a weight where it lies otherwise than in its own layer, and where it was made."""

    def __init__(self):
        super().__init__()
        self.out = nn.Dense(7, in_features=4)
        self.embed = nn.Embedding(7, 4)
        self.embed.weight = self.out.weight

    def forward(self, x):
        y = self.out(x)
        return ops.matmul(y, self.embed.weight) + ops.sum(self.out.weight[:3])


@COMPILED
@pytest.mark.parametrize("make", [Reads, TiedReads])
@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_parameters_of_children_are_canonical(make, compile, train):
    nets = [make().initialize(seed=1).train(train).to(name, compile=compile) for name in ("jax", "numpy")]
    assert_close(*(net(X) for net in nets))


@pytest.mark.parametrize("make", [Reads, TiedReads])
def test_parameters_of_children_in_flax_own_init(make):
    net = make().initialize(seed=1).to("jax")
    found = net.native.init(KEY, X)
    traced = jax.jit(net.native.init)(KEY, X)
    net.eval()(X)
    for path, value in jax.tree_util.tree_leaves_with_path(found):
        expected = net.variables
        for key in path:
            expected = expected[key.key]
        assert_close(value, expected)
    assert jax.tree.map(jnp.shape, traced) == jax.tree.map(jnp.shape, found)


@pytest.mark.parametrize("make", [Reads, TiedReads])
def test_gradients_flow_through_parameters_of_children(make):
    net = make().initialize(seed=1).to("jax").eval()
    expected = net.gradients(lambda y: ops.sum(y * y), X)
    found = jax.grad(lambda v: (net.native.apply(v, X) ** 2).sum())(net.variables)
    step, path = 1e-2, "dense.bias" if make is Reads else "out.bias"
    values = net.parameters()[path].numpy()
    losses = []
    for sign in (1, -1):
        net.parameters()[path].set(values + sign * step * np.eye(len(values), dtype="float32")[1])
        losses.append(float((net(X) ** 2).sum()))
    slope = (losses[0] - losses[1]) / (2 * step)
    np.testing.assert_allclose(expected[path][1], slope, rtol=1e-2)
    name = path.partition(".")[0]
    np.testing.assert_allclose(found["params"][name]["bias"][1], slope, rtol=1e-2)


def test_buffers_carry_no_gradient():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm(in_features=4)
            self.own = nn.Buffer((4,), init=init.Ones())

        def forward(self, x):
            return self.norm(x) + self.norm.running_mean * self.own

    net = Net().to("jax")
    net(X)
    gradient = jax.grad(lambda v: net.native.apply(v, X, mutable=["batch_stats"])[0].sum())(net.variables)
    assert not np.asarray(gradient["batch_stats"]["norm"]["mean"]).any()
    assert not np.asarray(gradient["buffers"]["own"]).any()


def test_a_parameter_outside_a_call_is_our_error():
    net = MLP().to("jax")
    with pytest.raises(errors.StructureError, match=r"hidden\.weight .*\n.*net\.variables"):
        _ = net.native.hidden.weight


# Buffers.


class Counting(nn.Module):
    """Normalizes by hand, as books do, and counts its calls whatever the mode."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer((4,))
        self.calls = nn.Buffer((1,))
        self.norm = nn.BatchNorm()
        self.dense = nn.Dense(2)

    def forward(self, x):
        y = self.norm(x)
        self.calls.update(self.calls + 1.0)
        if self.training:
            self.mean.update(self.mean * 0.5 + 0.5 * ops.mean(x, axis=0))
            self.norm.running_mean.update(self.norm.running_mean * 2.0)
            self.mean.update(self.mean + 1.0)
        return self.dense(y - self.mean) * ops.relu(self.calls) + ops.concat([self.calls, self.mean[:1]], 0)


def counted(compile, modes):
    net = Counting().initialize(seed=1).to("jax", compile=compile)
    for mode in modes:
        net.train(mode)(X)
    return net


@COMPILED
@pytest.mark.parametrize("modes", [[True, True], [False, False], [True, False, True]], ids=str)
def test_updates_of_buffers_are_kept(compile, modes):
    net = counted(compile, modes)
    mean, running = np.zeros(4), np.zeros(4)
    for mode in modes:
        if mode:
            mean = mean * 0.5 + 0.5 * X.mean(0) + 1
            running = 2 * (0.9 * running + 0.1 * X.mean(0))
    assert net.calls.numpy() == len(modes)
    assert_close(net.mean.numpy(), mean)
    assert_close(net.norm.running_mean.numpy(), running)


def test_updates_are_seen_in_the_same_call():
    compiled, eager = (counted(compile, [True]) for compile in (None, False))
    assert_close(compiled(X), eager(X))
    assert_close(compiled.eval()(X), eager.eval()(X))


@COMPILED
def test_a_failed_call_updates_nothing(compile):
    class Net(Counting):
        def forward(self, x, fails=False):
            y = super().forward(x)
            if fails and isinstance(x, jax.Array):
                raise ValueError("no")
            return y

    net = Net().to("jax", compile=compile)
    net(X)
    before = {path: buffer.numpy() for path, buffer in net.buffers().items()}
    with pytest.raises(errors.NativeCallError):
        net(X, fails=True)
    for path, buffer in net.buffers().items():
        np.testing.assert_array_equal(buffer.numpy(), before[path])


def test_flax_returns_updates_of_buffers():
    net = counted(None, [True])
    apply = jax.jit(net.native.apply, static_argnames="mutable")
    _, changes = apply(net.variables, X, mutable=("batch_stats", "buffers"))
    net(X)
    assert_close(changes["buffers"]["mean"], net.mean.numpy())
    assert_close(changes["batch_stats"]["norm"]["mean"], net.norm.running_mean.numpy())
    first = net.native.init(KEY, X)
    assert not np.asarray(first["buffers"]["calls"]).any()


def test_flax_init_makes_what_a_call_does_not_use():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.gain = nn.Buffer((1,)), nn.Parameter((None,))

        def build(self, shape):
            self.gain.shape = shape[-1:]

        def forward(self, x):
            if self.training:
                self.seen.update(self.seen + 1.0)
            return x

    shapes = jax.eval_shape(Net().to("jax").native.init, KEY, X)
    assert jax.tree.map(lambda a: a.shape, shapes) == {"buffers": {"seen": (1,)}, "params": {"gain": (4,)}}


@pytest.mark.parametrize(("transform", "train"), [(jax.jit, True), (jax.jit, False), (jax.vmap, True)])
def test_updates_under_a_transformation_are_our_error(transform, train):
    net = counted(None, [True]).train(train)
    before = net.calls.numpy()
    with pytest.raises(errors.StructureError, match=r"mutable=\["):
        transform(lambda x: net(x))(jnp.stack([X, X]) if transform is jax.vmap else jnp.asarray(X))
    assert net.calls.numpy() == before


@pytest.mark.parametrize(
    "compute",
    [
        lambda b, x: b + x,
        lambda b, x: x - b,
        lambda b, x: ops.matmul(x, b),
        lambda b, x: x @ b,
        lambda b, x: ops.where(b > 0, x, b),
        lambda b, x: np.ones(4, "float32") * b + x,
        lambda b, x: ops.stack([b, b * b], 0)[:, None] + x,
        lambda b, x: ops.einsum("i,bi->b", b, x),
        lambda b, x: -b + abs(b) ** 2 / 3 + ops.astype(b, "float32") + x + b.shape[0],
        lambda b, x: b,
    ],
    ids=lambda _: "",
)
@COMPILED
def test_a_buffer_under_update_is_any_operand(compute, compile):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.buffer = nn.Buffer((4,), init=init.Uniform())

        def forward(self, x):
            self.buffer.update(self.buffer + 1.0)
            return compute(self.buffer, x)

    net = Net().initialize(seed=0).to("jax", compile=compile)
    net.apply_init(X)
    expected = compute(net.buffer.numpy() + 1, jnp.asarray(X))
    y = net(X)
    assert isinstance(y, jax.Array)
    assert_close(y, expected)


# Calls.


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Record:
    z: Any
    a: Any
    k: int = 3


class Anything(nn.Module):
    """Takes and returns values of any kind."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(2)

    def forward(self, x, flag=None, *, variables=None, scale=1.0):
        if isinstance(x, Record):
            return {"z": self.fc(x.z) * x.k, "a": Record(self.fc(x.a), x, "q"), 1: None, "s": "text"}
        if isinstance(x, Pair):
            return Pair(self.fc(x.a), [self.fc(x.b), (1, 2.5)])
        if isinstance(x, dict):
            return {key: self.fc(value) * (i + 1) for i, (key, value) in enumerate(x.items())}
        y = self.fc(x) * scale
        y = y + 100 if flag is True else y + 10 if flag == 1 and type(flag) is float else y
        return (y if variables is None else y + variables), x.shape[0]


ARGUMENTS = [
    ((X,), {}),
    ((X, True), {}),
    ((X, 1), {}),
    ((X, 1.0), {}),
    ((X, None), {"scale": 2.0}),
    ((X,), {"variables": X[:, :2]}),
    ((X,), {"scale": 2.0, "variables": X[:, :2], "flag": True}),
    (({"b": X, "a": X + 1},), {}),
    (({"a": X, "b": X + 1},), {}),
    (({1: X, "a": X + 1},), {}),
    ((Pair(X, X + 1),), {}),
    ((Record(X, X + 1),), {}),
    ((Record(X, X + 1, 4),), {}),
    ((X[:2], True), {}),
    ((X, "text"), {}),
    ((X, {1, 2}), {}),
    ((X, object()), {}),
]


@COMPILED
def test_arguments_and_outputs_of_any_kind(compile):
    net = Anything().initialize(seed=0).to("jax", compile=compile)
    reference = Anything().initialize(seed=0).to("numpy")
    for inputs, named in ARGUMENTS * 2:
        parts = [flatten(each(*inputs, **named), lambda v: hasattr(v, "dtype")) for each in (net, reference)]
        (found, structure), (expected, same) = parts
        assert structure == same
        for one, other in zip(found, expected):
            assert isinstance(one, jax.Array)
            assert_close(one, other)


def traces(*calls):
    """Return how often a forward is traced by calls of a net."""
    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)

        def forward(self, x, other=None, *, mask=None, flag=False):
            if isinstance(x, jax.Array) or (isinstance(x, dict) and isinstance(x["a"], jax.Array)):
                seen.append(flag)
            y = self.fc(x["a"] if isinstance(x, dict) else x)
            return y if mask is None else y * mask

    net = Net().to("jax")
    for inputs, named in calls:
        net(*inputs, **named)
    return len(seen)


def test_gradients_with_arguments_of_any_kind():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(2)

        def forward(self, pair, flags, scale):
            return {"z": self.fc(pair["b"]) * scale + len(flags), "a": "text"}

    net = Net().initialize(seed=0).to("jax")
    found = net.gradients(lambda y: ops.sum(y["z"]), {"b": X, "a": X}, {1, 2}, 3.0)
    assert_close(found["fc.bias"], [9.0, 9.0])


@pytest.mark.parametrize(
    "call",
    [
        ((X,), {}),
        ((X, X), {}),
        ((X,), {"mask": X[:, :3]}),
        ((X, None), {"flag": True}),
        ((X, 2), {}),
        (({"a": X, "b": [X, None]},), {}),
        (({"b": X, "a": X, "k": 1},), {}),
    ],
    ids=str,
)
def test_a_later_call_starts_no_trace(call):
    assert traces(*[call] * 4) == 1


def test_compiled_calls_are_bounded(monkeypatch):
    monkeypatch.setattr("isomorph.backends.jax.state._RUNNERS", 3)
    net = Anything().initialize(seed=0).to("jax")
    outputs = [np.asarray(net(X, number)[0]) for number in (*range(6), True, 0)]
    assert len(net._isomorph.binding.memory["state"].runners) == 3
    assert_close(outputs[-2], outputs[-1] + 100)


@COMPILED
def test_layers_by_keyword(compile):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.flat = nn.Conv2d(4, 2, activation="relu"), nn.BatchNorm(), nn.Flatten()
            self.drop, self.pool, self.last = nn.Dropout(0.5), nn.MaxPool2d(2, 1), nn.Sequential(nn.Dense(5))
            self.norms, self.act = nn.LayerNorm(), nn.GELU()

        def forward(self, x):
            x = self.flat(x=self.pool(x=self.norm(x=self.conv(x=x))))
            return self.last(x=self.act(x=self.norms(x=self.drop(x=x))))

    images = np.random.default_rng(0).standard_normal((2, 3, 5, 6)).astype("float32")
    nets = [Net().initialize(seed=2).eval().to(name, compile=compile) for name in ("jax", "numpy")]
    assert_close(*(net(images) for net in nets))
    indices = np.array([[1, 2]])
    nets = [nn.Embedding(3, 2).initialize(seed=2).to(name) for name in ("jax", "numpy")]
    assert_close(*(net(x=indices) for net in nets))


# Kinds of modules.


@dataclasses.dataclass
class Head(nn.Module):
    units: int
    names: list[str] = dataclasses.field(default_factory=list)
    inner: Any = None

    def __post_init__(self):
        super().__init__()
        self.fc = nn.Dense(self.units)
        self.inner = nn.Dense(2)

    def forward(self, x):
        return self.inner(self.fc(x)) * self.units * len(self.names)


class Slotted(nn.Module):
    __slots__ = ("factor",)

    def __init__(self):
        super().__init__()
        self.factor = 3.0
        self.fc = nn.Dense(2)

    def forward(self, x):
        return self.fc(x) * self.factor


class Gains(nn.Module):
    """Parameters in a list and a dict."""

    def __init__(self):
        super().__init__()
        self.gains = {"a": nn.Parameter((4,), init=init.Uniform()), "b": nn.Parameter((4,))}
        self.shifts = [nn.Parameter((4,), init=init.Normal()) for _ in range(2)]

    def forward(self, x):
        for gain, shift in zip(self.gains.values(), self.shifts):
            x = x * gain + shift
        return x * self.gains["a"] + self.shifts[-1] + len(self.shifts)


class Scaled(nn.Layer):
    """A layer of one's own without a lowering: composed of its forward."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter((None,), role="scale", init=init.Uniform())

    def infer_shapes(self, x):
        self.weight.shape = (x.shape[-1],)
        return x

    def forward(self, x):
        return x * self.weight


KINDS = [
    pytest.param(lambda: Head(5, ["a"]), id="dataclass"),
    pytest.param(Slotted, id="slots"),
    pytest.param(Gains, id="parameters"),
    pytest.param(lambda: nn.Sequential(Scaled(), nn.Dense(2), Scaled()), id="composed"),
]


@COMPILED
@pytest.mark.parametrize("make", KINDS)
def test_kinds_of_modules(make, compile):
    net, reference = (make().initialize(seed=3).to(name, compile=compile) for name in ("jax", "numpy"))
    assert_close(net(X), reference(X))
    found = net.native.init(KEY, X)
    assert jax.tree.structure(found) == jax.tree.structure(net.variables)
    assert_close(net.native.apply(found, X), reference(X))
    assert net.native == net.native.clone()
    assert hash(net.native) == hash(net.native.clone())


class Power(nn.Layer):
    """A layer of one's own with a lowering: a power of each channel, drawn anew in training."""

    draws = True

    def __init__(self, drawn=False):
        super().__init__()
        self.weight, self.count = nn.Parameter((None, 2), init=init.Uniform()), nn.Buffer((1,))
        self.drawn = drawn

    def infer_shapes(self, x):
        self.weight.shape = (x.shape[-1], 2)
        return x


class LinenPower(linen.Module):
    weight_init: Callable[..., Any]
    count_init: Callable[..., Any]
    drawn: bool = False
    param_dtype: Any = jnp.float32

    @linen.compact
    def __call__(self, x):
        weight = self.param("kernel", self.weight_init, (2, x.shape[-1]), self.param_dtype)
        count = self.variable("buffers", "count", lambda: self.count_init(self.make_rng("params"), (1,)))
        if self.drawn and self.has_rng("dropout"):
            x = x + jax.random.normal(self.make_rng("dropout"), x.shape)
        return x * weight[0] + weight[1] + count.value


@JaxAdapter.lowers(Power, weight=("kernel", (1, 0)))
def power(layer, binding):
    fields = {"drawn": layer.drawn}
    return leaf(LinenPower, layer, binding, fields, weight_init="weight", count_init="count")


class AroundPower(nn.Module):
    def __init__(self):
        super().__init__()
        self.power, self.again = Power(), Power()
        self.again.weight = self.power.weight

    def forward(self, x):
        y = self.again(self.power(x))
        return y * self.power.weight[:, 1] + ops.sum(self.again.count)


def test_a_layer_of_ones_own_with_a_lowering():
    net = AroundPower().initialize(seed=1).to("jax")
    assert net.power.weight.shape == (None, 2)
    y = net(X)
    weight = net.power.weight.numpy()
    assert_close(y, ((X * weight[:, 0] + weight[:, 1]) * weight[:, 0] + weight[:, 1]) * weight[:, 1])
    found = net.native.init(KEY, X)
    assert_close(found["params"]["power"]["kernel"], weight.T)
    assert "again" not in found["params"]
    assert isinstance(net.power.native, LinenPower)


def test_a_layer_of_ones_own_draws_anew():
    net = nn.Sequential(Power(drawn=True)).initialize(seed=1).to("jax")
    assert np.abs(np.asarray(net(X)) - np.asarray(net(X))).max() > 0.1
    assert_close(net.eval()(X), net(X))


def test_a_lowering_that_makes_no_such_variable_is_our_error():
    class Wrong(Power):
        pass

    @JaxAdapter.lowers(Wrong)
    def wrong(layer, binding):
        return power(layer, binding)

    net = Wrong().to("jax")
    with pytest.raises(errors.IsomorphError, match="params/weight"):
        net(X)


def test_a_lowering_that_returns_no_linen_module_is_our_error():
    class Other(Power):
        pass

    @JaxAdapter.lowers(Other)
    def other(layer, binding):
        return lambda x: x

    with pytest.raises(errors.IsomorphError, match=r"linen\.Module"):
        nn.Sequential(Other()).to("jax")(X)


# Copies.


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp, self.last = MLP(), nn.Sequential(nn.Dense(4), nn.ReLU())
        self.heads = {"a b": nn.Dense(4, activation="relu")}
        self.norm = nn.BatchNorm()

    def forward(self, x):
        return self.mlp(self.norm(self.heads["a b"](self.last(x))))


@pytest.mark.parametrize("way", [lambda n: pickle.loads(pickle.dumps(n)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize(
    "part",
    [
        lambda net: net,
        lambda net: net.mlp,
        lambda net: net.last,
        lambda net: net.last[0],
        lambda net: net.last[1],
        lambda net: net.heads["a b"],
    ],
    ids=["net", "composite", "sequential", "dense", "function", "item"],
)
def test_copies_of_natives_compute_the_same(part, way):
    net = Deep().initialize(seed=1).to("jax").eval()
    net(X)
    native = part(net).native
    twin = way(native)
    variables = native.init(KEY, X)
    assert jax.tree.structure(twin.init(KEY, X)) == jax.tree.structure(variables)
    assert_close(twin.apply(variables, X), native.apply(variables, X))


def test_a_pickled_native_has_the_nets_initial_values():
    net = Deep().initialize(seed=1).to("jax").eval()
    net(X)
    twin = pickle.loads(pickle.dumps(net.native))
    jax.tree.map(assert_close, twin.init(KEY, X), net.variables)


def test_a_pickled_law_draws_the_same():
    net = MLP().initialize(seed=1).to("jax")
    law = net.native.out.kernel_init
    twin = pickle.loads(pickle.dumps(law))
    net(X)
    assert_close(twin(KEY, (256, 10)), net.variables["params"]["out"]["kernel"])

"""What is peculiar to JAX and Flax."""

from __future__ import annotations

import copy
import subprocess
import sys
import textwrap

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen
from small_nets import MLP

import isomorph
from isomorph import errors, init, nn, ops

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")
IMAGES = np.random.default_rng(0).standard_normal((4, 3, 7, 5)).astype("float32")
TOKENS = np.array([[1, 4, 10]])
KEY = jax.random.key(7)


class Net(nn.Module):
    """Every kind of native layer of ours, a parameter of the user's, state, and dropout."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 3, stride=2, padding="same", activation="relu")
        self.norm = nn.BatchNorm()
        self.flat = nn.Flatten()
        self.drop = nn.Dropout(0.5)
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.heads = {"a": nn.Dense(3), "b": nn.Dense(3)}
        self.factor = 0.5

    def build(self, shape):
        self.gain.shape = (3,)

    def forward(self, x):
        x = self.drop(self.flat(self.norm(self.conv(x))))
        return (self.heads["a"](x) + self.heads["b"](x)) * self.gain * self.factor


class Tied(nn.Module):
    """A weight of two layers, and a user's parameter that is a layer's weight too."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.out = nn.Dense(11)
        self.out.weight = self.embed.weight
        self.scale = nn.Parameter((5, 11), init=init.Normal())
        self.also = nn.Dense(5, bias=False)
        self.also.weight = self.scale

    def forward(self, x):
        return ops.matmul(self.also(self.out(self.embed(x))), self.scale)


MODELS = [
    pytest.param(MLP, X, id="mlp"),
    pytest.param(Net, IMAGES, id="net"),
    pytest.param(Tied, TOKENS, id="tied"),
]


def ready(make=MLP, x=X, **options):
    net = make().initialize(seed=4).to("jax", **options)
    net(x)
    return net


def assert_trees_equal(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


# The native module.


def test_native_is_a_linen_module_of_linen_layers():
    native = MLP().to("jax").native
    assert isinstance(native, linen.Module)
    assert isinstance(native, MLP)
    assert isinstance(native.out, linen.Dense)
    assert isinstance(native.hidden, linen.Dense)
    assert isinstance(nn.Conv2d(3, 3).to("jax", data_format="channels_last").native, linen.Conv)
    assert isinstance(nn.LayerNorm().to("jax").native, linen.LayerNorm)


def test_variables_lie_as_flax_names_them():
    variables = ready(Net, IMAGES).variables
    assert set(variables) == {"params", "batch_stats"}
    assert set(variables["params"]) == {"conv", "norm", "heads_a", "heads_b", "gain"}
    assert variables["params"]["conv"]["kernel"].shape == (3, 3, 3, 5)
    assert set(variables["batch_stats"]["norm"]) == {"mean", "var"}


@pytest.mark.parametrize(("make", "x"), MODELS)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_native_init_gives_our_values(make, x, compiled):
    expected = ready(lambda: make().eval(), x).variables
    net = make().initialize(seed=4).to("jax")
    before = repr(net.parameters())
    found = (jax.jit(net.native.init) if compiled else net.native.init)(KEY, x)
    assert_trees_equal(found, expected)
    assert repr(net.parameters()) == before
    net.variables = found
    np.testing.assert_allclose(net.eval()(x), net.native.apply(found, x), rtol=1e-5, atol=1e-6)


def test_native_init_takes_other_sizes_than_the_net_met():
    net = ready()
    found = net.native.init(KEY, jnp.zeros((1, 7)))
    assert found["params"]["hidden"]["kernel"].shape == (7, 256)
    assert net.hidden.weight.shape == (256, 20)


@pytest.mark.parametrize("infer", [False, True], ids=["eval_shape", "infer"])
def test_shapes_alone_draw_nothing(infer):
    def law(name, shape, dtype, generator):
        raise AssertionError("drawn")

    net = MLP().initialize(law).to("jax")
    if infer:
        net.infer((2, 20))
    else:
        shapes = jax.eval_shape(net.native.init, KEY, X)
        assert shapes["params"]["hidden"]["kernel"].shape == (20, 256)
        assert str(net.hidden.weight.state) == "declared"


@pytest.mark.parametrize(("make", "x"), MODELS)
def test_apply_jit_and_bound_call_agree(make, x):
    net = ready(make, x).eval()
    expected = net(x)
    np.testing.assert_allclose(net.native.apply(net.variables, x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(net.native.apply)(net.variables, x), expected, rtol=1e-5, atol=1e-6)


def test_native_inside_another_linen_module():
    net = ready(Tied, TOKENS)

    class Outer(linen.Module):
        inner: linen.Module

        def __call__(self, x):
            return self.inner(x)

    outer = Outer(net.native)
    variables = outer.init(KEY, TOKENS)
    assert_trees_equal(variables["params"]["inner"], net.variables["params"])
    np.testing.assert_allclose(outer.apply(variables, TOKENS), net(TOKENS), rtol=1e-5)


def test_tied_parameters_are_one_leaf_and_get_one_gradient():
    net = ready(Tied, TOKENS)
    params = net.variables["params"]
    assert "kernel" not in params["out"]
    assert "scale" not in params
    assert params["also"]["kernel"].shape == (11, 5)
    gradient = jax.grad(lambda v: net.native.apply(v, TOKENS).sum())(net.variables)
    expected = net.gradients(ops.sum, TOKENS)["embed.weight"]
    np.testing.assert_allclose(gradient["params"]["embed"]["embedding"], expected, rtol=1e-5)


def test_tabulate_names_the_layers():
    table = (
        Net()
        .to("jax")
        .native.tabulate(
            KEY, IMAGES, console_kwargs={"width": 250, "force_terminal": False, "color_system": None}
        )
    )
    for text in ("conv", "heads_a", "Net", "Dense", "float32[4,3,7,5]", "batch_stats"):
        assert text in table


def test_intermediates_can_be_captured():
    net = ready()
    _, state = net.native.apply(net.variables, X, capture_intermediates=True)
    assert state["intermediates"]["hidden"]["__call__"][0].shape == (2, 256)
    assert "__call__" in state["intermediates"]


def test_copies_of_the_native():
    net = ready(Net, IMAGES).eval()
    for twin in (copy.deepcopy(net.native), net.native.clone()):
        np.testing.assert_allclose(twin.apply(net.variables, IMAGES), net(IMAGES), rtol=1e-5, atol=1e-6)
    assert net.native.clone() == net.native != ready(Net, IMAGES).native


def test_description_is_hidden_from_the_native():
    native = MLP().to("jax").native
    assert not hasattr(native, "initialize")
    assert not hasattr(native, "summary")


# Variables.


def test_variables_of_a_net_that_waits_can_be_given_back():
    net = nn.Sequential(nn.Dense(3, in_features=20), nn.Dense(2)).to("jax").initialize(seed=0)
    before = net[0].weight.numpy()
    net.variables = net.variables
    np.testing.assert_array_equal(net[0].weight.numpy(), before)
    assert not net[1].weight.is_ready
    assert net(X).shape == (2, 2)


def test_variables_handed_out_stay_as_they_are():
    net = ready()
    before = net.variables
    kept = np.array(before["params"]["out"]["bias"])
    net.out.bias[:] = 5.0
    np.testing.assert_array_equal(before["params"]["out"]["bias"], kept)
    assert (np.asarray(net.variables["params"]["out"]["bias"]) == 5).all()


@pytest.mark.parametrize("frozen", [False, True])
def test_assigned_variables_are_the_nets(frozen):
    trained, fresh = ready(), MLP().to("jax")
    fresh.variables = flax.core.freeze(trained.variables) if frozen else trained.variables
    assert fresh.hidden.weight.shape == (256, 20)
    np.testing.assert_array_equal(fresh(X), trained(X))
    np.testing.assert_array_equal(fresh.hidden.weight.numpy(), trained.hidden.weight.numpy())


def test_one_collection_can_be_assigned():
    net = ready()
    net.variables = {"params": jax.tree.map(jnp.zeros_like, net.variables["params"])}
    assert not np.asarray(net(X)).any()


def test_a_collection_more_can_be_assigned():
    net = ready().eval()
    expected = net(X)
    net.variables = {**net.variables, "cache": {"a": jnp.ones(1)}, "params": net.variables["params"]}
    for _ in range(2):
        np.testing.assert_array_equal(net(X), expected)
    assert "cache" in net.variables


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (lambda p: {"hidden": p["hidden"]}, errors.StructureError, r"no params/out/"),
        (lambda p: {**p, "out": {**p["out"], "bias": jnp.zeros(9)}}, errors.ShapeMismatchError, r"out\.bias"),
        (
            lambda p: {**p, "out": {**p["out"], "bias": jnp.zeros(10, "float16")}},
            errors.DTypeMismatchError,
            r"out\.bias.*float32.*float16",
        ),
        (lambda p: {**p, "out": 3}, errors.StructureError, "no params/out/"),
    ],
    ids=["missing", "shape", "dtype", "leaf"],
)
def test_wrong_variables_change_nothing(spoil, error, text):
    net = ready()
    before = net.variables
    with pytest.raises(error, match=text):
        net.variables = {"params": spoil(before["params"])}
    assert net.variables is before


def test_variables_that_are_no_tree():
    with pytest.raises(errors.InvalidArgumentError, match="a mapping"):
        ready().variables = 3


# Modes.


def test_native_trains_as_flaxs_arguments_ask():
    net = ready(Net, IMAGES)
    apply, variables = jax.jit(net.native.apply, static_argnames="mutable"), net.variables
    rngs = {"dropout": KEY}
    quiet = apply(variables, IMAGES)
    loud, updates = apply(variables, IMAGES, rngs=rngs, mutable=("batch_stats",))
    assert set(updates) == {"batch_stats"}
    assert (updates["batch_stats"]["norm"]["mean"] != variables["batch_stats"]["norm"]["mean"]).any()
    assert (loud != quiet).any()
    np.testing.assert_array_equal(loud, apply(variables, IMAGES, rngs=rngs, mutable=("batch_stats",))[0])
    np.testing.assert_allclose(quiet, net.eval()(IMAGES), rtol=1e-5, atol=1e-6)


def test_bound_call_in_training_equals_flaxs():
    net = nn.Sequential(nn.Dense(5), nn.BatchNorm(), nn.Dense(3)).to("jax")
    net.apply_init(X)
    expected, updates = net.native.apply(net.variables, X, mutable=["batch_stats"])
    np.testing.assert_allclose(net(X), expected, rtol=1e-5, atol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        net.variables["batch_stats"],
        updates["batch_stats"],
    )


def test_a_frozen_part_keeps_its_statistics():
    net = ready(lambda: nn.Sequential(nn.BatchNorm(), nn.BatchNorm()))
    net[0].eval()
    before = net.variables["batch_stats"]
    net(X)
    _, native = net.native.apply(net.variables, X, mutable=["batch_stats"])
    for after in (net.variables, native):
        assert_trees_equal(after["batch_stats"]["layers_0"], before["layers_0"])
        assert (after["batch_stats"]["layers_1"]["var"] != before["layers_1"]["var"]).any()


def test_only_one_part_trains():
    net = ready(lambda: nn.Sequential(nn.BatchNorm(), nn.BatchNorm()))
    net.eval()
    net[1].train()
    before = net.variables["batch_stats"]
    net(X)
    assert_trees_equal(net.variables["batch_stats"]["layers_0"], before["layers_0"])
    assert (net.variables["batch_stats"]["layers_1"]["var"] != before["layers_1"]["var"]).any()


def test_training_statistics_under_a_transformation_is_our_error():
    net = ready(lambda: nn.Sequential(nn.BatchNorm(), nn.Dense(3)))
    with pytest.raises(errors.StructureError, match="mutable"):
        jax.jit(net)(jnp.asarray(X))
    with pytest.raises(errors.StructureError, match="mutable"):
        jax.jit(lambda y: net(X) + y)(1.0)
    np.testing.assert_allclose(jax.jit(net.eval())(jnp.asarray(X)), net(X), rtol=1e-5, atol=1e-6)


def test_dropout_follows_the_seed():
    outputs = [np.asarray(ready(lambda: nn.Dropout(0.5))(X)) for _ in range(2)]
    np.testing.assert_array_equal(*outputs)


# JAX's own tools.


@pytest.mark.parametrize("make", [MLP, Net], ids=["mlp", "net"])
def test_optax_training_loop(make):
    x = X if make is MLP else IMAGES
    net = ready(make, x)
    targets = jnp.arange(len(x)) % 3
    optimizer = optax.adam(1e-2)

    @jax.jit
    def step(variables, state, key):
        def loss(params):
            logits, updates = net.native.apply(
                {**variables, "params": params}, x, mutable=["batch_stats"], rngs={"dropout": key}
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), updates

        (value, updates), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        change, state = optimizer.update(gradients, state)
        params = optax.apply_updates(variables["params"], change)
        return {**variables, **updates, "params": params}, state, value

    variables, state = net.variables, optimizer.init(net.variables["params"])
    losses = []
    for key in jax.random.split(KEY, 30):
        variables, state, value = step(variables, state, key)
        losses.append(float(value))
    assert losses[-1] < 0.7 * losses[0]
    net.variables = variables
    np.testing.assert_allclose(net.eval()(x), net.native.apply(variables, x), rtol=1e-5, atol=1e-6)


def test_grad_and_vmap_through_the_net():
    net = ready().eval()
    x = jnp.asarray(X)
    gradient = jax.grad(lambda x: net(x).sum())(x)
    assert gradient.shape == x.shape
    np.testing.assert_allclose(jax.vmap(net)(x[:, None])[:, 0], net(x), rtol=1e-4, atol=1e-5)


def test_own_random_numbers_are_nobodys_business():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    ready(Net, IMAGES)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# The bound call.


def forwards(**options):
    """Return a net on JAX and the list of batch sizes its forward was run for."""
    seen = []

    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)

        def forward(self, x):
            if isinstance(x, jax.Array):
                seen.append(x.shape[0])
            return self.fc(x)

    net = Noting().to("jax", **options).eval()
    net(X)
    return net, seen


@pytest.mark.parametrize(("compile", "count"), [(None, 1), (True, 1), (False, 3)])
def test_forward_runs_once_when_compiled(compile, count):
    net, seen = forwards(compile=compile)
    net(X)
    net(jnp.asarray(X))
    assert seen == [2] * count


def test_a_mode_seen_before_is_not_traced_again():
    net, seen = forwards()
    net.train()(X)
    net.eval()(X)
    net.train()(X)
    assert len(seen) == 2


def test_new_values_are_not_traced_again():
    net, seen = forwards()
    net.fc.bias[:] = 1.0
    net(X)
    net.variables = jax.tree.map(jnp.zeros_like, net.variables)
    net(X)
    assert seen == [2]


@pytest.mark.parametrize("compile", [None, False])
def test_arguments_of_any_kind(compile):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)

        def forward(self, pair, scale=1.0, flag=False):
            y = self.fc(pair["a"]) * scale
            return (y, pair["b"]) if flag else y

    net = Net().to("jax", compile=compile).initialize(seed=0)
    a = jnp.asarray(X)
    pair = {"a": a, "b": a}
    net.variables = {"params": {"fc": {"kernel": jnp.ones((20, 3)), "bias": jnp.zeros(3)}}}
    y, b = net(pair, scale=2.0, flag=True)
    np.testing.assert_allclose(y, 2 * net(pair), rtol=1e-6)
    np.testing.assert_array_equal(b, X)


def test_the_callers_array_may_be_reused():
    net = ready(lambda: nn.Flatten())
    x = X.copy()
    y = net(x)
    x[:] = 0
    np.testing.assert_array_equal(y, X)


# Names.


@pytest.mark.parametrize("name", ["name", "scope", "apply", "setup", "param"])
def test_names_that_flax_needs_are_refused(name):
    net = MLP()
    setattr(net, name, nn.Dense(3) if name == "apply" else "mine")
    with pytest.raises(errors.LayerNotSupportedError, match=f"{name!r}"):
        net.to("jax")
    assert net.backend is None


def test_methods_that_would_hide_flaxs_are_refused():
    class Net(MLP):
        def bind(self, x):
            return x

    with pytest.raises(errors.LayerNotSupportedError, match="'bind'"):
        Net().to("jax")


def test_names_that_flax_would_make_equal():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks_0 = nn.Dense(4)
            self.blocks = [nn.Dense(4), nn.Dense(4)]
            self.blocks_1 = nn.Parameter((4,))
            self.heads = {"a": nn.Dense(4)}
            self.heads_a = nn.Dense(3)

        def forward(self, x):
            x = self.blocks[1](self.blocks[0](self.blocks_0(x))) * self.blocks_1
            return self.heads_a(self.heads["a"](x))

    net = Net().initialize(seed=1).to("jax")
    np.testing.assert_allclose(net(X), Net().initialize(seed=1).to("numpy")(X), rtol=1e-4, atol=1e-5)
    assert_trees_equal(net.native.init(KEY, X), net.variables)


def test_names_that_are_no_identifiers():
    class Stack(nn.ModuleDict):
        def forward(self, x):
            return self["my layer"](x) + self["my-layer"](x) + self["class"](x)

    def make():
        return Stack({name: nn.Dense(4) for name in ("my layer", "my-layer", "class")}).initialize(seed=1)

    np.testing.assert_allclose(make().to("jax")(X), make().to("numpy")(X), rtol=1e-4, atol=1e-5)


def test_attributes_are_the_users_own():
    class Net(MLP):
        kind = "class"

        def __init__(self):
            super().__init__()
            self.kind, self.sizes, self.table = "own", [1, 2], np.arange(3)

        def forward(self, x):
            assert self.kind == "own"
            assert type(self.sizes) is list
            return super().forward(x) + self.table[2]

    np.testing.assert_allclose(ready(Net)(X), np.asarray(ready()(X)) + 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "make", [lambda: nn.ModuleList([nn.Dense(3)]), lambda: nn.ModuleDict({"0": nn.Dense(3)})]
)
def test_a_net_that_is_a_container(make):
    net = make().to("jax")
    layer = next(iter(net.children().values()))
    assert layer(X).shape == (2, 3)
    assert net.variables["params"]


# Types, devices, deviations.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtypes(dtype):
    net = Net().initialize(seed=1).to("jax", dtype=dtype)
    assert net(IMAGES).dtype == dtype
    assert {leaf.dtype.name for leaf in jax.tree.leaves(net.variables)} == {dtype}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(net.native.init(KEY, IMAGES))} == {dtype}
    reference = Net().initialize(seed=1).eval()(IMAGES)
    fresh = Net().initialize(seed=1).to("jax", dtype=dtype).eval()
    np.testing.assert_allclose(np.asarray(fresh(IMAGES), "float32"), reference, atol=0.05)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "count_include_pad": False}])
def test_means_over_what_is_not_padding_keep_their_type(dtype, options):
    net = nn.AvgPool2d(3, stride=2, **options).to("jax", dtype=dtype)
    assert net(IMAGES).dtype == dtype


def test_float64_needs_x64():
    net = MLP().to("jax")
    with pytest.raises(errors.NotSupportedError, match="jax_enable_x64"):
        net.to(dtype="float64")
    assert net.dtype == "float32"
    with pytest.raises(errors.NotSupportedError, match="jax_enable_x64"):
        ops.astype(jnp.ones(3), "float64")


def test_float64_with_x64():
    program = """
        import jax, numpy
        jax.config.update("jax_enable_x64", True)
        from isomorph import nn, ops
        def make():
            parts = nn.Conv2d(4, 3), nn.BatchNorm(), nn.Flatten(), nn.Dense(3)
            return nn.Sequential(*parts).initialize(seed=1)
        def types(net):
            return {a.dtype.name for a in jax.tree.leaves(net.variables)}
        x = numpy.random.default_rng(0).standard_normal((4, 3, 5, 5))
        net, reference = make().to("jax", dtype="float64"), make().to("numpy", dtype="float64")
        numpy.testing.assert_allclose(net(x), reference(x), rtol=1e-12, atol=1e-12)
        assert types(net) == {"float64"}
        net.variables = net.native.init(jax.random.key(0), x)
        plain = make().to("jax")
        assert plain(x).dtype == "float32" and types(plain) == {"float32"}
        big = jax.numpy.asarray(numpy.array([2**40, 3]))
        assert big.dtype == "int64" and int(ops.max(big)) == 2**40 and ops.mean(big).dtype == "float32"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_devices():
    net = MLP().to("jax", device="cpu:0")
    assert net(X).devices() == {jax.devices("cpu")[0]}
    net = MLP().to("jax", device=jax.devices("cpu")[0])
    assert net(X).devices() == {jax.devices("cpu")[0]}
    for device in ("tpu9", "cpu:99", "cpu:x"):
        with pytest.raises(errors.InvalidArgumentError, match=r"jax\.Device"):
            MLP().to("jax", device=device)


def test_deviations_are_real_and_bounded():
    net = ready(lambda: nn.Embedding(5, 3), TOKENS % 5)
    table = net.weight.numpy()
    rows = np.asarray(net(np.array([[0, 4, -1, 5]])))[0]
    np.testing.assert_array_equal(rows[:3], table[[0, 4, 4]])
    assert np.isnan(rows[3]).all()
    adapter, options = isomorph.backend("jax"), net._isomorph.options
    whole = np.array([2**31 - 1, -(2**31), 7])
    assert adapter.from_numpy(whole, options).dtype == "int32"
    np.testing.assert_array_equal(adapter.from_numpy(whole, options), whole)

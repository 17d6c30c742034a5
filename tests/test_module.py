"""The tree of modules: paths, sharing, structure edits, modes, copies, inference."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

from isomorph import Adapter, TensorSpec, init, nn, ops
from isomorph.errors import ForwardError, ShapeMismatchError

X = np.random.default_rng(0).standard_normal((2, 5)).astype("float32")


class Net(nn.Module):
    """At module level, so that it pickles."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Dense(4)
        self.rows = [nn.Dense(4), nn.Dense(4)]
        self.nested = {"a": [nn.Dense(4)], "b": nn.ReLU()}
        self.tied = self.first

    def forward(self, x):
        x = self.first(x)
        for row in self.rows:
            x = row(x)
        return self.nested["b"](self.nested["a"][0](x))


PATHS = ["first", "rows.0", "rows.1", "nested.a.0"]


def test_paths() -> None:
    net = Net()
    assert list(net.parameters()) == [f"{path}.{name}" for path in PATHS for name in ("weight", "bias")]
    assert net.nested["a"][0].weight.name == "nested.a.0.weight"


def test_a_shared_module_is_listed_once_under_its_first_name() -> None:
    net = Net()
    assert net.tied is net.first
    assert net.tied.weight.name == "first.weight"
    assert "tied.weight" not in net.parameters()


def test_canonical_path_is_the_first_in_the_tree_whatever_was_assigned_first() -> None:
    shared = nn.Dense(3, in_features=3)
    late, early = nn.Sequential(shared), nn.Sequential(nn.ReLU(), shared)
    net = nn.Sequential(early, late)
    net[1].initialize(seed=0)
    assert list(net.parameters()) == ["0.1.weight", "0.1.bias"]
    assert shared.weight.name == "0.1.weight"
    np.testing.assert_array_equal(shared.weight.numpy(), shared.weight.draw())


def test_sharing_while_deferred_then_replaced() -> None:
    net = Net()
    net.first = nn.Dense(9)
    assert net.first.path == "first"
    assert "tied.weight" in net.parameters()


@pytest.mark.parametrize("edit", ["append", "replace", "delete", "insert", "attribute"])
def test_structure_edits_after_the_first_call(framework: Adapter, edit: str) -> None:
    net = nn.Sequential(nn.Dense(4), nn.ReLU(), nn.Dense(3)).to(framework.name).initialize(seed=0)
    net(X)
    kept = net[0].weight.numpy()
    if edit == "append":
        net.append(nn.Dense(7))
    elif edit == "replace":
        net[2] = nn.Dense(7)
    elif edit == "delete":
        del net[2]
    elif edit == "insert":
        net.insert(1, nn.Dense(6))
        net[3] = nn.Dense(7)
    else:
        net[2].weight = nn.Parameter((3, None), init=init.Ones())
    expected = copy.deepcopy(net).to("numpy")(X)
    np.testing.assert_allclose(framework.to_numpy(net(X)), expected, atol=1e-5)
    assert expected.shape[1] == {"delete": 4, "attribute": 3}.get(edit, 7)
    np.testing.assert_array_equal(net[0].weight.numpy(), kept)


def test_infer_is_symbolic_and_allocates_nothing() -> None:
    net = nn.Sequential(*[nn.Dense(12288) for _ in range(96)])
    tracemalloc.start()
    output = net.infer((None, 12288))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(output) == "TensorSpec((n, 12288))"
    assert peak < 10e6
    assert sum(p.shape.size for p in net.parameters().values()) > 14e9


def test_infer_draws_no_random_numbers() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    Net().initialize().infer((None, 5))
    assert (np.random.get_state()[1] == before).all()


def test_infer_that_fails_changes_nothing(backend: str) -> None:
    net = nn.Sequential(nn.Dense(4), nn.Dense(3, in_features=9)).to(backend)
    before = repr(net.state())
    with pytest.raises(ShapeMismatchError):
        net.infer((2, 5))
    assert repr(net.state()) == before


def test_infer_leaves_open_features_open() -> None:
    net = nn.Dense(4)
    assert str(net.infer((None, None))) == "TensorSpec((n, 4))"
    assert net.weight.shape == (4, None)


def test_infer_with_several_inputs_and_types() -> None:
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.dense = nn.Embedding(11, 3), nn.Dense(3)

        def forward(self, tokens, x):
            return self.embed(tokens), {"sum": ops.sum(self.dense(x), -1)}

    embedded, sums = Two().infer(TensorSpec((None, 7), "int64"), (None, 5))
    assert str(embedded) == "TensorSpec((n, 7, 3), float32)"
    assert str(sums["sum"].shape) == "(n,)"


def test_ten_thousand_layers(backend: str) -> None:
    count = 10_000 if backend in ("numpy", "torch") else 300
    net = nn.Sequential(*[nn.Dense(2) for _ in range(count)])
    net.infer((None, 2))
    assert net[-1].weight.shape == (2, 2)
    if backend != "numpy":
        return
    assert net.initialize(init.Constant(0.5))(np.ones((1, 2), "float32")).shape == (1, 2)


def test_modes_reach_every_module(framework: Adapter) -> None:
    net = nn.Sequential(nn.BatchNorm(), nn.Sequential(nn.Dropout(0.9))).to(framework.name)
    assert net.training
    assert not net.eval()[1][0].training
    np.testing.assert_allclose(framework.to_numpy(net(X)), X, rtol=1e-4)
    assert (net[0].running_mean.numpy() == 0).all()
    assert (framework.to_numpy(net.train()(X)) == 0).mean() > 0.5
    assert (net[0].running_mean.numpy() != 0).all()


def test_a_part_in_its_own_mode(framework: Adapter) -> None:
    net = nn.Sequential(nn.BatchNorm(), nn.BatchNorm()).to(framework.name)
    net[0].eval()
    net(X)
    assert (net[0].running_mean.numpy() == 0).all()
    assert (net[1].running_mean.numpy() != 0).any()


def test_training_is_seen_in_forward(framework: Adapter) -> None:
    class Doubles(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter((1,), init=init.Ones())

        def forward(self, x):
            return x * self.scale * (2.0 if self.training else 1.0)

    net = Doubles().to(framework.name)
    np.testing.assert_allclose(framework.to_numpy(net(X)), 2 * X, rtol=1e-6)
    np.testing.assert_allclose(framework.to_numpy(net.eval()(X)), X, rtol=1e-6)


@pytest.mark.parametrize("called", [False, True])
def test_pickle(called: bool) -> None:
    net = Net().initialize(init.Normal(0.1), seed=3)
    expected = copy.deepcopy(net)(X)
    if called:
        net(X)
    twin = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(twin(X), expected)
    assert twin.tied is twin.first
    assert list(twin.parameters()) == list(net.parameters())


def test_pickle_of_a_lowered_net_keeps_values(backend: str) -> None:
    net = Net().to(backend)
    net(X)
    twin = pickle.loads(pickle.dumps(net))
    for path, parameter in net.parameters().items():
        np.testing.assert_array_equal(twin.parameters()[path].numpy(), parameter.numpy())


@pytest.mark.parametrize("called", [False, True])
def test_deepcopy_before_and_after_data(called: bool) -> None:
    net = Net().initialize(seed=1)
    if called:
        net(X)
    twin = copy.deepcopy(net)
    assert twin.tied is twin.first
    np.testing.assert_array_equal(twin(X), net(X))
    assert twin.first.weight is not net.first.weight


def test_backend_comes_from_the_first_tensor(framework: Adapter) -> None:
    net = nn.Dense(3)
    output = net(framework.from_numpy(X, net._isomorph.options))
    assert net.backend == framework.name
    assert framework.owns(output)


def test_backend_comes_from_the_environment(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMORPH_BACKEND", backend)
    net = nn.Dense(3)
    net(X)
    assert net.backend == backend


def test_keyword_and_missing_inputs(framework: Adapter) -> None:
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x, scale=None, *, negate=False):
            y = self.dense(x)
            y = y if scale is None else y * scale
            return -y if negate else y

    net = Optional().to(framework.name, compile=False).initialize(seed=0)
    plain = framework.to_numpy(net(X))
    np.testing.assert_allclose(framework.to_numpy(net(X, None)), plain)
    scale = np.full((2, 1), 3, "float32")
    np.testing.assert_allclose(framework.to_numpy(net(X, scale=scale)), 3 * plain, rtol=1e-5)
    np.testing.assert_allclose(framework.to_numpy(net(x=X, negate=True)), -plain, rtol=1e-5)


def test_nested_outputs(framework: Adapter) -> None:
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x):
            y = self.dense(x)
            return {"y": y, "pair": (y, [x])}

    output = Nested().to(framework.name)(X)
    assert framework.to_numpy(output["y"]).shape == (2, 3)
    assert framework.to_numpy(output["pair"][1][0]).shape == (2, 5)


def test_repr_is_readable() -> None:
    net = nn.Sequential(nn.Dense(4, activation="relu"), nn.LeakyReLU())
    assert repr(net) == "Sequential(\n  (0): Dense(4, activation='relu')\n  (1): LeakyReLU()\n)"


def test_summary_changes_nothing() -> None:
    net = Net()
    before = repr(net.state())
    text = str(net.summary((None, 5)))
    assert "(n, 4)" in text
    assert repr(net.state()) == before


def test_float64(framework: Adapter) -> None:
    net = nn.Dense(3).initialize(seed=0)
    if framework.name == "jax":  # single precision unless the process says otherwise
        with pytest.raises(ValueError, match="jax_enable_x64"):
            net.to("jax", dtype="float64")
        return
    output = framework.to_numpy(net.to(framework.name, dtype="float64")(X.astype("float64")))
    assert output.dtype == np.float64


def test_infer_from_a_native_tensor(framework: Adapter) -> None:
    net = nn.Dense(3)
    spec = net.infer(framework.from_numpy(X, net._isomorph.options))
    assert spec == TensorSpec((2, 3), "float32")


def test_a_forward_of_unknown_tools_is_named() -> None:
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x):
            return np.tanh(self.dense(x))

    with pytest.raises((ForwardError, TypeError)):
        Foreign()(X)

"""The tree of modules: paths, sharing, structure edits, modes, copies, inference."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from isomorph import Adapter, TensorSpec, init, nn, ops
from isomorph.errors import (
    DTypeMismatchError,
    ForwardError,
    NotSupportedError,
    ShapeMismatchError,
    StructureError,
)

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
        with pytest.raises(NotSupportedError, match="jax_enable_x64"):
            net.to("jax", dtype="float64")
        return
    output = framework.to_numpy(net.to(framework.name, dtype="float64")(X.astype("float64")))
    assert output.dtype == np.float64


def test_infer_from_a_native_tensor(framework: Adapter) -> None:
    net = nn.Dense(3)
    spec = net.infer(framework.from_numpy(X, net._isomorph.options))
    assert spec.shape == (2, 3)


def test_a_forward_of_unknown_tools_is_named() -> None:
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x):
            return np.tanh(self.dense(x))

    with pytest.raises((ForwardError, TypeError)):
        Foreign()(X)


class Scaled(nn.Module):
    """A plain attribute that forward reads."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.factor = nn.Dense(1), 1.0

    def forward(self, x):
        return self.dense(x) * self.factor


def test_a_plain_attribute_changed_after_the_first_call(framework: Adapter) -> None:
    net = Scaled().to(framework.name)
    before = framework.to_numpy(net(X))
    net.factor = 3.0
    np.testing.assert_allclose(framework.to_numpy(net(X)), 3 * before, rtol=1e-5)


def test_a_plain_attribute_leaves_native_parameters_in_place() -> None:
    net = Scaled().to("torch")
    net(X)
    before = net.dense.weight.native
    net.factor = 3.0
    net.to(compile=False)
    net(X)
    assert net.dense.weight.native is before


def test_a_removed_part_keeps_its_values(framework: Adapter) -> None:
    net = nn.Sequential(nn.Dense(3), nn.Dense(4)).to(framework.name)
    net(X)
    old, values = net[1], net[1].weight.numpy()
    net[1] = nn.Dense(5)
    net(X)
    native = net.native
    np.testing.assert_array_equal(old.weight.numpy(), values)
    assert nn.Sequential(old)(np.ones((2, 3), "float32")).shape == (2, 4)
    assert net.native is native


def test_a_law_that_returns_one_array_twice_does_not_tie(backend: str) -> None:
    class Identity(init.Law):
        def __init__(self):
            self.eye = np.eye(5, dtype="float32")

        def __call__(self, name, shape, dtype, generator):
            return self.eye

    net = nn.Sequential(nn.Dense(5), nn.Dense(5)).to(backend).initialize(Identity())
    net(X)
    net[0].weight[0, 0] = 42
    assert net[1].weight.numpy()[0, 0] == 1


def test_an_attribute_assigned_in_forward_is_refused(backend: str) -> None:
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.calls = nn.Dense(3), 0

        def forward(self, x):
            self.calls = self.calls + 1
            return self.dense(x)

    net = Counts().to(backend)
    for _ in range(2):
        with pytest.raises(StructureError, match=r"forward assigns self\.calls"):
            net(X)
    assert (net.calls, net.dense.weight.shape) == (0, (3, None))


def test_a_subclass_of_an_activation_is_that_activation(framework: Adapter) -> None:
    class Tanh(nn.ReLU):
        pass

    np.testing.assert_array_equal(framework.to_numpy(Tanh().to(framework.name)(X)), np.maximum(X, 0))


def test_masks_by_comparison(framework: Adapter) -> None:
    class Mask(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2)

        def forward(self, tokens):
            mask = tokens != 0
            return self.dense(ops.astype(mask, "float32")), ops.sum(mask, -1)

    _, counts = Mask().to(framework.name)(np.array([[5, 6, 0], [1, 0, 0]]))
    np.testing.assert_array_equal(framework.to_numpy(counts), [2, 1])


def test_keywords_reach_a_dry_run() -> None:
    class Flips(nn.Module):
        def forward(self, x, flip=False):
            return ops.permute_dims(x, (1, 0)) if flip else x

    assert Flips()(TensorSpec((2, 3)), flip=True).shape == (3, 2)


def test_flattening_by_hand_with_an_open_batch() -> None:
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2)

        def forward(self, x):
            return self.dense(ops.reshape(x, (x.shape[0], -1)))

    net = Flat()
    net.infer((None, 4, 5))
    assert net.dense.weight.shape == (2, 20)


def test_numpy_integers_are_sizes() -> None:
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(1)

        def forward(self, x):
            return self.dense(ops.reshape(x, (x.shape[0], np.prod(x.shape[1:]))))

    assert Flat()(np.ones((2, 4, 5), "float32")).shape == (2, 1)


def test_a_branch_on_an_open_size_is_named() -> None:
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.shape[1] > 4 else -x

    with pytest.raises(ForwardError, match="left open"):
        Branch().infer((2, None))


def test_modules_appended_to_a_list_that_was_empty(framework: Adapter) -> None:
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = []
            self.rows.append(nn.Dense(3))

        def forward(self, x):
            for row in self.rows:
                x = row(x)
            return x

    net = Late().to(framework.name).initialize(init.Ones())
    assert list(net.parameters()) == ["rows.0.weight", "rows.0.bias"]
    np.testing.assert_allclose(framework.to_numpy(net(X))[:, 0], X.sum(1), rtol=1e-5)


def test_first_calls_on_several_threads(framework: Adapter) -> None:
    net = nn.Sequential(*(nn.Dense(8, "relu") for _ in range(5))).initialize(seed=0)
    expected = copy.deepcopy(net).to("numpy")(X)
    net.to(framework.name)
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda _: framework.to_numpy(net(X)), range(8)))
    for output in outputs:
        np.testing.assert_allclose(output, expected, atol=1e-5)


def test_failed_gradients_change_nothing(backend: str) -> None:
    net = nn.Sequential(nn.Dense(3)).to(backend)
    with pytest.raises((ZeroDivisionError, NotImplementedError)):
        net.gradients(lambda y: 1 / 0, X)
    assert str(net[0].weight.state) == "declared"


def test_a_failed_first_call_binds_no_backend() -> None:
    net = nn.Sequential(nn.Dense(2, in_features=7))
    with pytest.raises(ShapeMismatchError):
        net(X)
    assert net.backend is None


def test_a_failed_apply_init_changes_nothing() -> None:
    def law(name, shape, dtype, generator):
        raise ValueError

    net = nn.Sequential(nn.Dense(3))
    with pytest.raises(ValueError, match="law"):
        net.apply_init((2, 5), law)
    assert net[0].weight.shape == (3, None)


def test_a_batch_of_one_in_training_after_larger_ones(backend: str) -> None:
    net = nn.Sequential(nn.BatchNorm()).to(backend)
    net(X)
    before = net[0].running_mean.numpy()
    with pytest.raises(ShapeMismatchError, match="more than 1"):
        net(X[:1])
    np.testing.assert_array_equal(net[0].running_mean.numpy(), before)


def test_two_whole_nets_do_not_take_a_shared_part_from_each_other() -> None:
    net = nn.Sequential(nn.Dense(4)).to("numpy", dtype="float64")
    net(X)
    with pytest.raises(RuntimeError, match="shared with"):
        nn.Sequential(net[0])(X)
    assert net[0].dtype == "float64"
    assert net[0].weight.dtype == "float64"


def test_a_failed_call_after_an_edit_leaves_no_trace(framework: Adapter) -> None:
    net = nn.Sequential(nn.ReLU(), nn.Dense(3)).to(framework.name).initialize(init.Constant(0.5))
    net.append(nn.ReLU())
    with pytest.raises(DTypeMismatchError):
        net(np.ones((2, 5), "int32"))
    output = net(np.ones((2, 5), "float32"))
    np.testing.assert_allclose(framework.to_numpy(output), np.full((2, 3), 2.5), rtol=1e-5)
    np.testing.assert_array_equal(net[1].weight.numpy(), np.full((3, 5), 0.5))


def test_a_new_part_called_alone_is_on_the_backend_of_its_net(framework: Adapter) -> None:
    net = nn.Sequential(nn.Dense(3)).to(framework.name)
    net(X)
    net.append(nn.Dense(2))
    assert framework.owns(net[1](np.ones((2, 3), "float32")))
    assert net.backend == framework.name

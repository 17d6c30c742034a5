"""The three stories of the chapters on deferred and parameter initialization, on every backend."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from isomorph import Adapter, init, nn
from isomorph.errors import DeferredInitializationError, ShapeMismatchError

X = np.random.default_rng(0).uniform(size=(2, 20)).astype("float32")


def mlp(**options) -> nn.Sequential:
    return nn.Sequential(nn.Dense(256, activation="relu", **options), nn.Dense(10))


class Counting(init.Law):
    """A law that notes each parameter it is asked for."""

    def __init__(self) -> None:
        self.calls = []

    def __call__(self, name, shape, dtype, generator):
        self.calls.append((name, shape))
        return generator.standard_normal(shape, dtype)


# Story 1: an MLP without input sizes.


def test_unknown_sizes_are_listed(backend: str) -> None:
    net = mlp().to(backend)
    assert str(net[0].weight.shape) == "(256, ?)"
    assert "0.weight  (256, ?)  float32  declared" in repr(net.parameters())


@pytest.mark.parametrize("requested", [False, True])
def test_reading_too_early_is_our_error(backend: str, requested: bool) -> None:
    net = mlp().to(backend)
    if requested:
        net.initialize()
    with pytest.raises(DeferredInitializationError, match=r"0\.weight has no value.*\(256, \?\)") as caught:
        net[0].weight.numpy()
    assert caught.value.path == "0.weight"
    for read in (lambda: net[0].weight.native, lambda: net[0].weight.grad):
        with pytest.raises(DeferredInitializationError):
            read()
    with pytest.raises(DeferredInitializationError, match=r"waits for 0\.weight"):
        net[0].bias.numpy()


def test_initialize_alone_changes_no_value(backend: str) -> None:
    net = mlp().to(backend)
    before = repr(net.parameters())
    net.initialize()
    assert repr(net.parameters()) == before
    assert all(parameter.is_requested for parameter in net.parameters().values())


def test_data_gives_shapes(backend: str) -> None:
    net = mlp().to(backend).initialize()
    net(X)
    shapes = [tuple(parameter.shape) for parameter in net.parameters().values()]
    assert shapes == [(256, 20), (256,), (10, 256), (10,)]


def test_law_is_called_once_on_the_first_data(backend: str) -> None:
    law = Counting()
    net = mlp().to(backend).initialize(law)
    assert law.calls == []
    net(X)
    assert law.calls == [("0.weight", (256, 20)), ("1.weight", (10, 256))]
    net(X)
    assert len(law.calls) == 2


def test_force_initializes_again_at_once(backend: str) -> None:
    law = Counting()
    net = mlp().to(backend).initialize(law)
    net(X)
    net.initialize(law, force=True, seed=1)
    assert [name for name, _ in law.calls] == ["0.weight", "1.weight"] * 2


def test_initialize_again_warns_and_keeps_values(backend: str) -> None:
    net = mlp().to(backend)
    net(X)
    before = net[0].weight.numpy()
    with pytest.warns(UserWarning, match="4 of 4 parameters .* keep their values"):
        net.initialize(init.Constant(1))
    np.testing.assert_array_equal(net[0].weight.numpy(), before)


def test_known_sizes_initialize_at_once(backend: str) -> None:
    law = Counting()
    net = nn.Sequential(nn.Dense(256, in_features=20), nn.Dense(10, in_features=256)).to(backend)
    net.initialize(law)
    assert len(law.calls) == 2
    assert net[1].weight.numpy().shape == (10, 256)


@pytest.mark.parametrize("inputs", [X, (X,)], ids=["array", "tuple"])
def test_apply_init(backend: str, inputs) -> None:
    net = mlp().to(backend).apply_init(inputs, init.Constant(2))
    assert (net[1].weight.numpy() == 2).all()
    assert (net[1].bias.numpy() == 0).all()


def test_apply_init_without_a_law_gives_default_values(backend: str) -> None:
    net = mlp().to(backend).apply_init(X)
    bound = 1 / 20**0.5
    assert 0.9 * bound < np.abs(net[0].weight.numpy()).max() <= bound


# Story 2: sizes given in part, wrongly, or changed.


def test_only_the_first_size_given(backend: str) -> None:
    net = mlp(in_features=20).to(backend).initialize(seed=0)
    states = [str(parameter.state) for parameter in net.parameters().values()]
    assert states == ["ready", "ready", "declared", "shaped"]
    net(X)
    assert net[1].weight.shape == (10, 256)


def test_mismatched_sizes_name_the_layer(backend: str) -> None:
    net = nn.Sequential(nn.Dense(256), nn.Dense(10, in_features=255)).to(backend)
    with pytest.raises(ShapeMismatchError, match="1 expects input features: 255, received 256") as caught:
        net(X)
    assert (caught.value.path, caught.value.expected, caught.value.received) == ("1", 255, 256)
    assert str(net[0].weight.state) == "declared"


def test_another_batch_size_is_fine(backend: str, framework: Adapter) -> None:
    net = mlp().to(backend)
    first = framework.to_numpy(net(X))
    second = framework.to_numpy(net(np.concatenate([X, X, X])))
    np.testing.assert_allclose(second[2:4], first, atol=1e-6)


def test_another_feature_size_is_an_error_and_alters_nothing(backend: str, framework: Adapter) -> None:
    net = nn.Sequential(nn.BatchNorm(), nn.Dense(4)).to(backend)
    net(X)
    before = {path: parameter.numpy() for path, parameter in net.state().items()}
    for wrong in (X[:, :7], framework.from_numpy(X[:, :7].copy(), net._isomorph.options)):
        with pytest.raises(ShapeMismatchError, match=r"20, received 7"):
            net(wrong)
    for path, parameter in net.state().items():
        np.testing.assert_array_equal(parameter.numpy(), before[path])
    assert framework.to_numpy(net(X)).shape == (2, 4)


def test_tied_layer_with_inputs_of_several_shapes(backend: str, framework: Adapter) -> None:
    shared = nn.Dense(5)
    net = nn.ModuleDict({"a": shared, "b": shared})

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers_by_name = net

        def forward(self, x, y):
            return self.layers_by_name["a"](x), self.layers_by_name["b"](y)

    twice = Twice().to(backend)
    short, long = twice(X, np.ones((2, 3, 20), "float32"))
    assert framework.to_numpy(short).shape == (2, 5)
    assert framework.to_numpy(long).shape == (2, 3, 5)
    assert len(twice.parameters()) == 2


# Story 3: laws.


def test_normal_weights_and_zero_biases(backend: str) -> None:
    net = mlp().to(backend)
    net(X)
    net.initialize(init.Normal(0.01), force=True, seed=0)
    assert 0.009 < net[0].weight.numpy().std() < 0.011
    assert (net[0].bias.numpy() == 0).all()


def test_constant(backend: str) -> None:
    net = mlp().to(backend).initialize(init.Constant(1))
    net(X)
    assert (net[0].weight.numpy() == 1).all()
    assert (net[0].bias.numpy() == 0).all()


def test_another_law_for_each_layer(backend: str) -> None:
    net = mlp().to(backend)
    net(X)
    net[0].weight.initialize(init.Xavier(), force=True, seed=1)
    net[1].initialize(init.Constant(42), force=True)
    bound = (6 / (256 + 20)) ** 0.5
    assert 0.9 * bound < np.abs(net[0].weight.numpy()).max() <= bound
    assert (net[1].weight.numpy() == 42).all()


def strange(name, shape, dtype, generator):
    """Zero with probability 1/2, else uniform in ±[5, 10]."""
    values = generator.uniform(-10, 10, shape)
    return (values * (np.abs(values) >= 5)).astype(dtype)


def test_custom_law_replaces_all_others_when_forced(backend: str) -> None:
    net = mlp().to(backend)
    net(X)
    net[1].initialize(init.Constant(42), force=True)
    net.initialize(strange, force=True, seed=3)
    for weight in (net[0].weight.numpy(), net[1].weight.numpy()):
        size = np.abs(weight[weight != 0])
        assert 0.45 < (weight == 0).mean() < 0.55
        assert size.min() >= 5
        assert size.max() <= 10


def test_values_set_directly(backend: str, framework: Adapter) -> None:
    net = mlp().to(backend).initialize(init.Constant(1))
    net(X)
    net[0].weight[:] += 1
    net[0].weight[0, 0] = 42
    expected = np.full((256, 20), 2, "float32")
    expected[0, 0] = 42
    np.testing.assert_array_equal(net[0].weight.numpy(), expected)
    hidden = np.maximum(X @ expected.T, 0)
    np.testing.assert_allclose(framework.to_numpy(net(X))[:, 0], hidden.sum(1), rtol=1e-5)


def test_no_warning_on_the_usual_way(backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = mlp().initialize(seed=0).to(backend)
        net(X)
        net(X)

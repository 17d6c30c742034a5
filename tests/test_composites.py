"""User models with everything at once, lowered to genuine native modules."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from isomorph import Adapter, init, nn, ops


class Block(nn.Module):
    """A base class whose forward a subclass calls, through a helper method."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.fc = nn.Dense(units)

    def forward(self, x):
        return self.helper(x)

    def helper(self, x):
        return ops.tanh(self.fc(x))


class Gain(nn.Module):
    """A user's own layer: a parameter of unknown size and a build hook."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter((None,), init=init.Uniform(0.5, 1.5))

    def build(self, shape):
        self.gain.shape = (shape[-1],)

    def forward(self, x):
        return x * self.gain


class Residual(Block):
    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.scale = Gain()

    def forward(self, x):
        return x + self.scale(super().forward(x))


class Composite(nn.Module):
    """Lists, dicts and a tied layer, sizes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Dense(7, activation="relu")
        self.blocks = [Residual(7) for _ in range(2)]
        self.heads = {"a": nn.Dense(3), "b": nn.Dense(5)}
        self.shared = nn.Dense(7)
        self.again = self.shared
        self.factor = 0.5

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = self.again(self.shared(x)) * self.factor
        return ops.concat([self.heads["a"](x), self.heads["b"](x)], axis=-1)


class TiedParameters(nn.Module):
    """One parameter in two layers of different kinds: a language model's input and output."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.out = nn.Dense(11, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(self.embed(x))


X = np.random.default_rng(5).standard_normal((2, 13)).astype("float32")


def test_composite_agrees_with_reference(framework: Adapter) -> None:
    expected = Composite().initialize(seed=1).to("numpy")(X)
    net = Composite().initialize(seed=1).to(framework.name)
    np.testing.assert_allclose(framework.to_numpy(net(X)), expected, atol=1e-5)


def test_composite_native_is_the_users_class(framework: Adapter) -> None:
    net = Composite().to(framework.name)
    assert isinstance(net.native, Composite)
    net(X)
    assert isinstance(net.native, Composite)


def test_composite_parameters_have_the_same_paths(framework: Adapter) -> None:
    net = Composite().to(framework.name)
    before = list(net.parameters())
    net(X)
    assert list(net.parameters()) == before
    assert "again.weight" not in before
    assert net.again.weight is net.shared.weight


def test_tied_parameter(framework: Adapter) -> None:
    tokens = np.array([[1, 4, 10]])
    expected = TiedParameters().initialize(seed=2).to("numpy")(tokens)
    net = TiedParameters().initialize(seed=2).to(framework.name)
    np.testing.assert_allclose(framework.to_numpy(net(tokens)), expected, atol=1e-5)
    assert list(net.parameters()) == ["embed.weight"]
    net.embed.weight[:] = 1.0
    np.testing.assert_allclose(framework.to_numpy(net(tokens)), np.full((1, 3, 11), 5.0), rtol=1e-6)


def test_values_survive_a_move_and_back(framework: Adapter) -> None:
    net = Composite().initialize(seed=1).to("numpy")
    expected = net(X)
    values = {path: parameter.numpy() for path, parameter in net.parameters().items()}
    net.to(framework.name)
    np.testing.assert_allclose(framework.to_numpy(net(X)), expected, atol=1e-5)
    net.to("numpy")
    for path, parameter in net.parameters().items():
        np.testing.assert_array_equal(parameter.numpy(), values[path])


def test_deepcopy_is_independent(framework: Adapter) -> None:
    net = Composite().initialize(seed=1).to(framework.name)
    before = framework.to_numpy(net(X))
    twin = copy.deepcopy(net)
    assert twin.backend == framework.name
    twin.stem.weight[:] = 0.0
    np.testing.assert_array_equal(framework.to_numpy(net(X)), before)
    assert (framework.to_numpy(twin(X)) != before).any()


def test_submodule_can_be_called_alone(framework: Adapter) -> None:
    net = Composite().initialize(seed=1).to(framework.name)
    net(X)
    expected = np.maximum(X @ net.stem.weight.numpy().T + net.stem.bias.numpy(), 0)
    np.testing.assert_allclose(framework.to_numpy(net.stem(X)), expected, atol=1e-5)


@pytest.mark.parametrize("lazy", [True, False])
def test_initial_values_are_bit_identical(framework: Adapter, lazy: bool) -> None:
    net, reference = Composite(), Composite().initialize(seed=9)
    reference(X)
    if lazy:
        net.to(framework.name).initialize(seed=9)
    else:
        net.apply_init(X, seed=9)
        net.to(framework.name)
    net(X)
    for path, parameter in reference.parameters().items():
        np.testing.assert_array_equal(net.parameters()[path].numpy(), parameter.numpy())


@pytest.mark.parametrize("is_called", [True, False], ids=["called", "left"])
def test_gradients_of_what_no_parameter_reaches_are_zero(framework: Adapter, is_called: bool) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Dense(3, in_features=13)

        def forward(self, x):
            if is_called:
                self.unused(x)
            return ops.relu(x) if is_called else x

    net = Idle().to(framework.name)
    if framework.name == "numpy":
        with pytest.raises(NotImplementedError, match="forward only"):
            net.gradients(ops.sum, X)
        return
    found = net.gradients(ops.sum, X)
    assert {path: value.shape for path, value in found.items()} == {
        "unused.weight": (3, X.shape[-1]),
        "unused.bias": (3,),
    }
    assert not any(value.any() for value in found.values())


def test_gradients_agree_with_finite_differences(framework: Adapter) -> None:
    if framework.name == "numpy":
        with pytest.raises(NotImplementedError, match="forward only"):
            Composite().to("numpy").gradients(ops.sum, X)
        return
    net = Composite().initialize(seed=1).to(framework.name)
    found = net.gradients(lambda y: ops.sum(ops.square(y)), X)
    twin = Composite().initialize(seed=1).to("numpy", dtype="float64")
    twin(X)
    for path in ("stem.weight", "blocks.1.scale.gain", "shared.bias", "heads.b.weight"):
        parameter = twin.parameters()[path]
        index = (0,) * len(parameter.shape)
        losses = []
        for step in (1e-5, -2e-5):
            parameter[index] += step
            losses.append(float((twin(X) ** 2).sum()))
        parameter[index] += 1e-5
        slope = (losses[0] - losses[1]) / 2e-5
        np.testing.assert_allclose(found[path][index], slope, rtol=2e-3, atol=1e-4)
    assert set(found) == set(net.parameters())

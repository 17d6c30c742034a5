"""Parameters on every backend: states, values set early and late, in-place edits, sharing."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph import Adapter, init, nn, ops
from isomorph.errors import DeferredInitializationError, ShapeMismatchError, StructureError

X = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
W = np.random.default_rng(1).standard_normal((5, 3)).astype("float32")


def test_states_follow_what_is_known() -> None:
    layer = nn.Dense(5)
    states = [str(layer.weight.state)]
    layer.infer((None, 3))
    states.append(str(layer.weight.state))
    layer.initialize()
    states.append(str(layer.weight.state))
    assert states == ["declared", "shaped", "ready"]


def test_a_value_set_early_gives_the_shape_and_is_kept(framework: Adapter) -> None:
    net = nn.Dense(5).to(framework.name).initialize(init.Constant(7))
    net.weight.set(W)
    assert net.weight.shape == (5, 3)
    np.testing.assert_array_equal(net.weight.numpy(), W)
    np.testing.assert_allclose(framework.to_numpy(net(X)), X @ W.T, atol=1e-5)
    assert (net.bias.numpy() == 0).all()


def test_values_set_early_are_in_the_native_module_at_once(framework: Adapter) -> None:
    net = nn.Sequential(nn.Dense(5), nn.Dense(2)).to(framework.name)
    net[0].weight.set(W)
    net[0].bias.set(np.arange(5.0))
    listed = framework.native_parameters(net._isomorph.binding, net)
    assert sum(shape is not None for shape in listed.values()) == 2
    np.testing.assert_array_equal(net[0].bias.numpy(), np.arange(5.0))


def test_values_of_a_norm_that_contradict_each_other_are_refused(backend: str) -> None:
    for make in (nn.LayerNorm, nn.BatchNorm):
        net = nn.Sequential(make()).to(backend)
        net[0].bias.set(np.ones(8))
        with pytest.raises(
            ShapeMismatchError, match=r"0\.weight expects values of shape \(8,\), received \(7,\)"
        ):
            net[0].weight.set(np.ones(7))
        assert (net[0].weight.shape, net[0].weight.is_ready) == ((None,), False)
        net[0].weight.set(np.ones(8))
        assert net(np.ones((2, 8), "float32")).shape == (2, 8)


def test_a_bias_set_before_its_weight_is_known(framework: Adapter) -> None:
    net = nn.Dense(5).to(framework.name).initialize(init.Constant(0))
    net.bias.set(np.arange(5.0))
    np.testing.assert_array_equal(net.bias.numpy(), np.arange(5))
    np.testing.assert_allclose(framework.to_numpy(net(X))[0], np.arange(5))


def test_a_value_set_early_that_does_not_fit_the_data(backend: str) -> None:
    net = nn.Dense(5).to(backend)
    net.weight.set(W[:, :2])
    with pytest.raises(ShapeMismatchError, match="2, received 3"):
        net(X)
    np.testing.assert_array_equal(net.weight.numpy(), W[:, :2])


def test_numpy_is_a_copy(backend: str) -> None:
    net = nn.Dense(5).to(backend)
    net(X)
    before = net.weight.numpy()
    net.weight.numpy()[:] = 9
    np.testing.assert_array_equal(net.weight.numpy(), before)


def test_set_keeps_no_hold_of_the_array(backend: str) -> None:
    net = nn.Dense(5).to(backend)
    net(X)
    values = W.copy()
    net.weight.set(values)
    values[:] = 9
    np.testing.assert_array_equal(net.weight.numpy(), W)


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: p.__setitem__(slice(None), p[:] + 1),
        lambda p: p.__setitem__((0, 0), 42),
        lambda p: p.__setitem__((slice(1, 3), -1), [7, 8]),
        lambda p: p.__setitem__(p.numpy() > 0, 0),
    ],
)
def test_edits_in_place_are_numpys(framework: Adapter, edit) -> None:
    net = nn.Dense(5, bias=False).to(framework.name)
    net(X)
    net.weight.set(W)
    expected = W.copy()

    class Plain:
        def numpy(self):
            return expected

        def __getitem__(self, index):
            return expected[index]

        def __setitem__(self, index, value):
            expected[index] = value

    edit(net.weight)
    edit(Plain())
    np.testing.assert_array_equal(net.weight.numpy(), expected)
    np.testing.assert_allclose(framework.to_numpy(net(X)), X @ expected.T, atol=1e-5)


def test_an_edit_that_does_not_fit_changes_nothing(backend: str) -> None:
    net = nn.Dense(5).to(backend)
    net(X)
    before = net.weight.numpy()
    with pytest.raises(ValueError, match="broadcast"):
        net.weight[:] = np.ones(4)
    np.testing.assert_array_equal(net.weight.numpy(), before)


def test_as_array(backend: str) -> None:
    net = nn.Dense(5).to(backend)
    net(X)
    np.testing.assert_array_equal(np.asarray(net.weight), net.weight.numpy())


def test_arithmetic_outside_a_forward_is_an_error() -> None:
    with pytest.raises(StructureError, match=r"weight\.numpy\(\)"):
        nn.Dense(5).weight + 1


class Tied(nn.Module):
    """Two layers of unknown size with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Dense(3), nn.Dense(3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(ops.tanh(self.first(x)))


def test_a_bias_beside_a_tied_weight(framework: Adapter) -> None:
    net = nn.Sequential(nn.Dense(3), nn.Dense(3))
    net[1].weight = net[0].weight
    net.to(framework.name).initialize(seed=0)
    assert framework.to_numpy(net(X)).shape == (2, 3)
    assert np.abs(net[1].bias.numpy()).max() <= 3**-0.5


@pytest.mark.parametrize("reverse", [False, True])
def test_a_parameter_tied_while_deferred(framework: Adapter, reverse: bool) -> None:
    class Order(Tied):
        def forward(self, x):
            return self.first(self.second(x)) if reverse else super().forward(x)

    net = Order().to(framework.name).initialize(seed=0)
    assert list(net.parameters()) == ["first.weight", "first.bias"]
    with pytest.raises(DeferredInitializationError):
        net.second.weight.numpy()
    output = framework.to_numpy(net(X))
    w, b = net.first.weight.numpy(), net.first.bias.numpy()
    expected = (X @ w.T) @ w.T + b if reverse else np.tanh(X @ w.T + b) @ w.T
    np.testing.assert_allclose(output, expected, atol=1e-5)
    net.second.weight[:] = 0.0
    assert (net.first.weight.numpy() == 0).all()


def test_gradient_of_a_tied_parameter_is_the_sum_of_both_uses(framework: Adapter) -> None:
    if framework.name == "numpy":
        return
    net = Tied().to(framework.name).initialize(seed=0)
    found = net.gradients(ops.sum, X)["first.weight"]
    w, b = net.first.weight.numpy().astype("f8"), net.first.bias.numpy().astype("f8")

    def loss(weight):
        return (np.tanh(X @ weight.T + b) @ weight.T).sum()

    numeric = np.zeros_like(w)
    for index in np.ndindex(*w.shape):
        step = np.zeros_like(w)
        step[index] = 1e-5
        numeric[index] = (loss(w + step) - loss(w - step)) / 2e-5
    np.testing.assert_allclose(found, numeric, rtol=1e-3, atol=1e-4)


def test_tied_parameters_of_different_sizes_are_refused(backend: str) -> None:
    net = Tied().to(backend)
    net.first.weight.set(np.ones((3, 7)))
    with pytest.raises(ShapeMismatchError):
        net(np.ones((2, 7), "float32"))

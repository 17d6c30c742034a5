"""Frozen parameters: what each framework's own tools make of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from isomorph import nn, ops

X = np.random.default_rng(0).standard_normal((4, 5)).astype("float32")


def two_layers(backend: str) -> nn.Module:
    return nn.Sequential(nn.Dense(7, "tanh"), nn.Dense(3)).initialize(seed=1).to(backend)


def trained_by_torch(net: nn.Module) -> None:
    import torch

    optimizer = torch.optim.SGD(net.native.parameters(), lr=0.1)  # before data
    net(X).square().sum().backward()
    optimizer.step()


def trained_by_tensorflow(net: nn.Module) -> None:
    net.native.compile("sgd", "mse")
    net.native.fit(X, np.zeros((4, 3), "float32"), epochs=1, verbose=0)


@contextmanager
def numpy_mode() -> Iterator[None]:
    """Native Gluon calls need MXNet's NumPy mode."""
    from mxnet import npx

    npx.set_np()
    yield
    npx.reset_np()


def trained_by_mxnet(net: nn.Module) -> None:
    from mxnet import autograd, gluon

    with numpy_mode():
        trainer = gluon.Trainer(net.native.collect_params(), "sgd", {"learning_rate": 0.1})
        with autograd.record():
            loss = ops.sum(net(X) ** 2)
        loss.backward()
        trainer.step(1)


TRAINED = {"torch": trained_by_torch, "tensorflow": trained_by_tensorflow, "mxnet": trained_by_mxnet}
# Linen's modules have no word for it: docs/training.md shows how optax is told.
frozen_natively = pytest.mark.parametrize("own", TRAINED)
WHEN = ("before data", "with values")


def values(net: nn.Module) -> dict[str, Any]:
    return {path: parameter.numpy() for path, parameter in net.parameters().items()}


@pytest.mark.parametrize("when", WHEN)
@frozen_natively
def test_the_frameworks_own_training_leaves_frozen_parameters(own: str, when: str) -> None:
    net = two_layers(own)
    if when == "with values":
        net(X)
    net[0].weight.trainable = False
    before = values(net if net[0].weight.is_ready else two_layers(own).apply_init(X))
    TRAINED[own](net)
    moved = {path for path, value in values(net).items() if not np.array_equal(value, before[path])}
    assert moved == {"0.bias", "1.weight", "1.bias"}


@pytest.mark.parametrize("when", WHEN)
@frozen_natively
def test_thawed_parameters_are_trained(own: str, when: str) -> None:
    net = two_layers(own)
    net[0].weight.trainable = False
    if when == "with values":
        net(X)
    net[0].weight.trainable = True
    before = values(two_layers(own).apply_init(X))
    TRAINED[own](net)
    assert not np.array_equal(net[0].weight.numpy(), before["0.weight"])


def freeze_natively(own: str, native: Any) -> None:
    if own == "torch":
        native.requires_grad_(False)
    elif own == "tensorflow":
        native.trainable = False
    else:
        native.grad_req = "null"


@frozen_natively
def test_what_a_user_froze_natively_is_frozen(own: str) -> None:
    net = two_layers(own)
    net(X)
    freeze_natively(own, net[0].weight.native)
    assert not net[0].weight.trainable
    assert sorted(net.gradients(ops.sum, X)) == ["0.bias", "1.bias", "1.weight"]
    assert not net.to("numpy")[0].weight.trainable


@frozen_natively
def test_a_natively_frozen_layer_taken_out_stays_frozen(own: str) -> None:
    net = two_layers(own)
    net(X)
    layer = net[0]
    freeze_natively(own, layer.weight.native)
    net[0] = nn.Dense(7)
    assert not layer.weight.trainable


def test_keras_builds_frozen_variables() -> None:
    net = two_layers("tensorflow")
    net[0].weight.trainable = False
    net.native.build((None, 5))
    assert [weight.path.split("/")[-1] for weight in net.native.trainable_weights] == [
        "bias",
        "kernel",
        "bias",
    ]


def test_a_users_own_frozen_parameter_is_frozen(backend: str) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter((5,), role="scale")
            self.shift = nn.Parameter((5,), role="bias")

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.shift

    net = Scaled()
    net.scale.trainable = False
    net.to(backend)(X)
    assert (net.scale.trainable, net.shift.trainable) == (False, True)
    if backend != "numpy":
        assert list(net.gradients(ops.sum, X)) == ["shift"]


def test_what_gluon_hybridized_learns_behind_a_frozen_weight() -> None:
    import mxnet
    from mxnet import autograd

    net = two_layers("mxnet").apply_init(X)
    net.native.hybridize()
    with numpy_mode():
        x = mxnet.np.array(X)
        for is_trainable in (True, False):
            net[0].weight.trainable = is_trainable
            with autograd.record():
                loss = ops.sum(net.native(x) ** 2)
            loss.backward()
            assert net[0].bias.grad.any()
            net[0].bias.native.grad()[:] = 0


def test_the_summary_counts_frozen_elements() -> None:
    net = two_layers("numpy").apply_init(X)
    net[0].weight.trainable = False
    assert "total 66: 31 trainable, 35 not" in str(net.summary())

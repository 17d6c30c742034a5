"""Layers of one's own, lowered to PyTorch's modules in every way, wait for data."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import isomorph
from isomorph import errors, init, nn

T = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 20)).astype("float32"))


class Scale(nn.Layer):
    """Multiply each channel of the last axis by a learned number."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter((None,), init.Uniform(), role="scale")

    def infer_shapes(self, x):
        self.weight.shape = (x.shape[-1],)
        return x


class Composed(Scale):
    """The same, without an entry in a table."""

    def forward(self, x):
        return x * self.weight


class Own(Scale):
    """Lowered to a module whose parameter is None."""


class Ready(Scale):
    """Lowered to a module that has values already."""


class Lazy(Scale):
    """Lowered to a lazy class of PyTorch's."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter((None,), init.Uniform())
        self.mean, self.var = nn.Buffer((None,)), nn.Buffer((None,), init.Ones())

    def infer_shapes(self, x):
        for parameter in self.own_parameters().values():
            parameter.shape = (x.shape[1],)
        return x


class NativeScale(torch.nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        return x * self.weight


Torch = type(isomorph.backend("torch"))
Torch.lowers(Own)(lambda layer, binding: NativeScale())
Torch.lowers(Ready)(lambda layer, binding: NativeScale(torch.nn.Parameter(torch.ones(7))))
Torch.lowers(Lazy, mean="running_mean", var="running_var")(lambda layer, binding: torch.nn.LazyBatchNorm1d())


@pytest.mark.parametrize("kind", [Composed, Own, Ready, Lazy])
@pytest.mark.parametrize("first", ["net", "native", "copy"])
@pytest.mark.parametrize("around", [lambda layer: layer, lambda layer: nn.Sequential(nn.Dense(3), layer)])
def test_a_layer_of_ones_own_waits_for_data(kind, first, around):
    layer = kind()
    net = around(layer).initialize(seed=0).to("torch")
    assert any(map(torch.nn.parameter.is_lazy, net.native.parameters()))
    optimizer = torch.optim.SGD(net.native.parameters(), lr=0.1)
    if first == "copy":
        torch.testing.assert_close(copy.deepcopy(net.native)(T), net(T))
    elif first == "native":
        net.native(T)
    before = net(T).detach()
    assert (
        layer.weight.numpy().tolist()
        == around(kind())
        .initialize(seed=0)
        .to("torch")
        .apply_init(T)
        .parameters()[layer.weight.name]
        .numpy()
        .tolist()
    )
    net(T).square().sum().backward()
    optimizer.step()
    assert not torch.equal(net(T), before)
    assert not any(map(torch.nn.parameter.is_lazy, net.native.parameters()))


@pytest.mark.parametrize(
    ("native", "match"),
    [(object(), "returns object"), (type("N", (torch.nn.Module,), {"weight": None})(), "self.weight = None")],
)
def test_a_lowering_that_cannot_wait_is_refused(native, match):
    class Wrong(Scale):
        pass

    Torch.lowers(Wrong)(lambda layer, binding: native)
    with pytest.raises(errors.LayerNotSupportedError, match=match):
        Wrong().to("torch")

"""After a call that failed, PyTorch's modules are the same objects, and wait for data again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isomorph import errors, init, nn, ops

ROWS = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
GOOD, BAD = np.array([[1, 2]] * 3), np.full((3, 2), 11)


class Net(nn.Module):
    """An index beyond the table fails when values flow, behind every kind of parameter."""

    def __init__(self):
        super().__init__()
        self.hidden, self.norm, self.layer_norm = nn.Dense(5), nn.BatchNorm(), nn.LayerNorm()
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.table, self.out = nn.Embedding(10, 5), nn.Dense(2)

    def build(self, *shapes):
        self.gain.shape = (5,)

    def forward(self, index, x):
        h = self.layer_norm(self.norm(self.hidden(x))) * self.gain
        return self.out(h + ops.mean(self.table(index), 1))


@pytest.mark.parametrize("compile", [None, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_made_before_data_outlives_failed_calls(kind, compile):
    net, never_failed = (Net().initialize(seed=0).to("torch", compile=compile) for _ in range(2))
    before, optimizer = list(net.native.parameters()), kind(net.native.parameters(), lr=0.1)
    for width in (4, 7):
        with pytest.raises(errors.NativeCallError) as kept:
            net(BAD, np.ones((3, width), "float32"))
        assert net.hidden.weight.shape == (5, None)
        assert isinstance(net.native.hidden, torch.nn.LazyLinear)
    output = net(GOOD, ROWS)
    torch.testing.assert_close(output, never_failed(GOOD, ROWS))
    output.square().sum().backward()
    values = net.hidden.weight.numpy()
    optimizer.step()
    assert not np.array_equal(net.hidden.weight.numpy(), values)
    assert all(one is other for one, other in zip(before, net.native.parameters()))
    assert type(net.native.hidden) is torch.nn.Linear
    np.testing.assert_array_equal(net.norm.running_mean.numpy(), never_failed.norm.running_mean.numpy())
    assert kept.value.__cause__ is not None

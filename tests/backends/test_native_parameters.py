"""What each framework itself lists: nothing with memory before data, exactly its own after."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph
from isomorph import errors, nn

X = np.ones((2, 7), "float32")
IMAGES = np.ones((2, 3, 5, 5), "float32")
TOKENS = np.array([[1, 4]])


class Inner(nn.Module):
    """A parameter of its own, and a list."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter((None,))
        self.rows = [nn.Dense(5), nn.Dense(2, bias=False)]

    def build(self, shape):
        self.gain.shape = (2,)

    def forward(self, x):
        return self.rows[1](self.rows[0](x)) * self.gain


class Outer(nn.Module):
    """A tree of a composite and a sequence."""

    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.tail = nn.Sequential(nn.BatchNorm(), nn.Dense(3))

    def forward(self, x):
        return self.tail(self.inner(x))


LAYERS = {
    "Dense": (lambda: nn.Dense(5), X),
    "Conv2d": (lambda: nn.Conv2d(6, (2, 4), groups=3), IMAGES),
    "BatchNorm": (nn.BatchNorm, IMAGES),
    "Embedding": (lambda: nn.Embedding(11, 3), TOKENS),
}
AFTER = {
    "numpy": {
        "Dense": {"weight": (5, 7), "bias": (5,)},
        "Conv2d": {"weight": (6, 1, 2, 4), "bias": (6,)},
        "BatchNorm": {"weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,)},
        "Embedding": {"weight": (11, 3)},
    },
    "torch": {
        "Dense": {"weight": (5, 7), "bias": (5,)},
        "Conv2d": {"weight": (6, 1, 2, 4), "bias": (6,)},
        "BatchNorm": {
            "weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()
        },
        "Embedding": {"weight": (11, 3)},
    },
    "tensorflow": {
        "Dense": {"kernel": (7, 5), "bias": (5,)},
        "Conv2d": {"kernel": (2, 4, 1, 6), "bias": (6,)},
        "BatchNorm": {"gamma": (3,), "beta": (3,), "moving_mean": (3,), "moving_variance": (3,)},
        "Embedding": {"embeddings": (11, 3)},
    },
    "jax": {
        "Dense": {"params/kernel": (7, 5), "params/bias": (5,)},
        "Conv2d": {"params/kernel": (2, 4, 1, 6), "params/bias": (6,)},
        "BatchNorm": {
            "params/scale": (3,), "params/bias": (3,), "batch_stats/mean": (3,), "batch_stats/var": (3,)
        },
        "Embedding": {"params/embedding": (11, 3)},
    },
    "mxnet": {
        "Dense": {"weight": (5, 7), "bias": (5,)},
        "Conv2d": {"weight": (6, 1, 2, 4), "bias": (6,)},
        "BatchNorm": {"gamma": (3,), "beta": (3,), "running_mean": (3,), "running_var": (3,)},
        "Embedding": {"weight": (11, 3)},
    },
}  # fmt: skip
COMPOSITE = {
    "numpy": {
        "inner.gain": (2,), "inner.rows.0.weight": (5, 7), "inner.rows.0.bias": (5,),
        "inner.rows.1.weight": (2, 5), "tail.0.weight": (2,), "tail.0.bias": (2,),
        "tail.0.running_mean": (2,), "tail.0.running_var": (2,), "tail.1.weight": (3, 2), "tail.1.bias": (3,),
    },
    "torch": {
        "inner.gain": (2,), "inner.rows.0.weight": (5, 7), "inner.rows.0.bias": (5,),
        "inner.rows.1.weight": (2, 5), "tail.0.weight": (2,), "tail.0.bias": (2,),
        "tail.1.weight": (3, 2), "tail.1.bias": (3,), "tail.0.running_mean": (2,), "tail.0.running_var": (2,),
        "tail.0.num_batches_tracked": (),
    },
    "tensorflow": {
        "inner/gain": (2,), "inner.rows.0/kernel": (7, 5), "inner.rows.0/bias": (5,),
        "inner.rows.1/kernel": (5, 2), "tail.0/gamma": (2,), "tail.0/beta": (2,),
        "tail.0/moving_mean": (2,), "tail.0/moving_variance": (2,), "tail.1/kernel": (2, 3),
        "tail.1/bias": (3,),
    },
    "jax": {
        "params/inner/gain": (2,), "params/inner/rows_0/kernel": (7, 5), "params/inner/rows_0/bias": (5,),
        "params/inner/rows_1/kernel": (5, 2), "params/tail/layers_0/scale": (2,),
        "params/tail/layers_0/bias": (2,), "params/tail/layers_1/kernel": (2, 3),
        "params/tail/layers_1/bias": (3,), "batch_stats/tail/layers_0/mean": (2,),
        "batch_stats/tail/layers_0/var": (2,),
    },
    "mxnet": {
        "inner.gain": (2,), "inner.rows.0.weight": (5, 7), "inner.rows.0.bias": (5,),
        "inner.rows.1.weight": (2, 5), "tail.0.gamma": (2,), "tail.0.beta": (2,),
        "tail.0.running_mean": (2,), "tail.0.running_var": (2,), "tail.1.weight": (3, 2), "tail.1.bias": (3,),
    },
}  # fmt: skip
LISTS_BEFORE = {"numpy": True, "torch": True, "tensorflow": False, "jax": False, "mxnet": True}


def listed(module):
    binding = module.root._isomorph.binding
    return binding.adapter.native_parameters(binding, module)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer(backend, kind):
    make, x = LAYERS[kind]
    layer, expected = make().initialize(seed=1).to(backend), AFTER[backend][kind]
    if kind != "Embedding":  # its sizes are all known, so it has values at once
        # PyTorch's lazy batch norm, too, counts its batches from the beginning.
        nothing = {name: () if name == "num_batches_tracked" else None for name in expected}
        assert listed(layer) == (nothing if LISTS_BEFORE[backend] else {})
        layer.infer(x.shape)
        assert listed(layer) == (nothing if LISTS_BEFORE[backend] else {})
    layer(x)
    assert list(listed(layer).items()) == list(expected.items())


def test_what_nobody_asked_for_has_no_memory(backend):
    layer = nn.Embedding(11, 3).to(backend)
    assert set(listed(layer).values()) <= {None}


@pytest.mark.parametrize("native_first", [False, True], ids=["bound", "native"])
def test_a_composite_is_named_alike_every_time(backend, native_first):
    adapter = isomorph.backend(backend)
    if native_first and backend in ("numpy", "jax", "mxnet"):
        native_first = False  # these take their values by a call of the net's
    for _ in range(2):
        net = Outer().initialize(seed=1).to(backend)
        assert {shape for shape in listed(net).values() if shape != ()} <= {None}
        native_x = adapter.from_numpy(X, net._isomorph.options)
        (net.native if native_first else net)(native_x)
        assert listed(net) == COMPOSITE[backend]


def test_parts_of_a_composite(backend):
    net = Outer().to(backend)
    net(X)
    dense, norm = AFTER[backend]["Dense"], AFTER[backend]["BatchNorm"]
    assert listed(net.inner.rows[0]) == dense
    assert list(listed(net.tail[0])) == list(norm)
    first = set(listed(net.inner.rows).values())
    assert first == {*dense.values(), next(iter(listed(net.inner.rows[1]).values()))}


def test_a_backend_that_does_not_list_them():
    class Silent(type(isomorph.backend("numpy"))):
        native_parameters = isomorph.Adapter.native_parameters

    net = nn.Dense(3).to("numpy")
    with pytest.raises(errors.NotSupportedError, match=r"numpy.*native\.parameters.*\n") as caught:
        Silent().native_parameters(net._isomorph.binding, net)
    assert caught.value.capability == "native.parameters"

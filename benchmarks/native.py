"""The nets written by hand in each framework: what a bound call is measured against.

Each function returns {"mlp" or "cnn": {"eager" or "compiled": a call on one native tensor}}.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

Calls = dict[str, dict[str, Callable[[Any], Any]]]


def torch_calls() -> Calls:
    import torch
    from torch import nn

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = nn.Linear(20, 256), nn.Linear(256, 10)

        def forward(self, x):
            return self.out(torch.relu(self.hidden(x)))

    class CNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
            self.norm, self.pool, self.out = nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Linear(32 * 64, 10)

        def forward(self, x):
            x = self.pool(torch.relu(self.norm(self.first(x))))
            x = self.pool(torch.relu(self.second(x)))
            return self.out(torch.flatten(x, 1))

    nets = {"mlp": MLP().eval(), "cnn": CNN().eval()}
    return {name: {"eager": net, "compiled": torch.compile(net)} for name, net in nets.items()}


def tensorflow_calls() -> Calls:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf

    layers = keras.layers
    first = {"data_format": "channels_first"}
    mlp = [layers.Dense(256, activation="relu"), layers.Dense(10)]
    cnn = [
        layers.Conv2D(16, 3, padding="same", **first),
        layers.BatchNormalization(axis=1),
        layers.ReLU(),
        layers.MaxPooling2D(2, **first),
        layers.Conv2D(32, 3, padding="same", activation="relu", **first),
        layers.MaxPooling2D(2, **first),
        layers.Reshape((-1,)),
        layers.Dense(10),
    ]

    def net(parts, shape):
        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.parts = parts

            def call(self, x):
                for part in self.parts:
                    x = part(x)
                return x

        model = Model()
        model(tf.zeros((1, *shape)))
        spec = tf.TensorSpec((None, *shape))
        compiled = tf.function(lambda x: model(x, training=False), input_signature=[spec])
        return {"eager": lambda x: model(x, training=False), "compiled": compiled}

    return {"mlp": net(mlp, (20,)), "cnn": net(cnn, (3, 32, 32))}


def jax_calls() -> Calls:
    import jax
    import jax.numpy as jnp
    from flax import linen

    class MLP(linen.Module):
        def setup(self):
            self.hidden, self.out = linen.Dense(256), linen.Dense(10)

        def __call__(self, x):
            return self.out(linen.relu(self.hidden(x)))

    class CNN(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = jnp.moveaxis(x, 1, -1)
            x = linen.relu(linen.BatchNorm(use_running_average=True)(linen.Conv(16, (3, 3))(x)))
            x = linen.max_pool(x, (2, 2), (2, 2))
            x = linen.max_pool(linen.relu(linen.Conv(32, (3, 3))(x)), (2, 2), (2, 2))
            return linen.Dense(10)(x.reshape(x.shape[0], -1))

    def calls(net, shape):
        variables = net.init(jax.random.key(0), jnp.zeros((1, *shape)))
        compiled = jax.jit(net.apply)
        return {"eager": lambda x: net.apply(variables, x), "compiled": lambda x: compiled(variables, x)}

    return {"mlp": calls(MLP(), (20,)), "cnn": calls(CNN(), (3, 32, 32))}


def mxnet_calls() -> Calls:
    import isomorph

    isomorph.backend("mxnet")  # MXNet 1.9.1 imports on today's NumPy with the adapter's help only
    import mxnet as mx
    from mxnet import gluon, npx

    npx.set_np()
    nn = gluon.nn

    def net(parts, hybrid):
        model = nn.HybridSequential()
        model.add(*parts())
        model.initialize()
        if hybrid:
            model.hybridize(static_alloc=True, static_shape=True)

        def call(x):
            y = model(x)
            y.wait_to_read()
            return y

        return call

    def mlp():
        return nn.Dense(256, activation="relu"), nn.Dense(10)

    def cnn():
        return (
            nn.Conv2D(16, 3, padding=1),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(32, 3, padding=1, activation="relu"),
            nn.MaxPool2D(2),
            nn.Flatten(),
            nn.Dense(10),
        )

    del mx
    return {
        name: {"eager": net(parts, False), "compiled": net(parts, True)}
        for name, parts in (("mlp", mlp), ("cnn", cnn))
    }


def numpy_calls() -> Calls:
    import numpy as np

    generator = np.random.default_rng(0)
    w1, w2 = (generator.standard_normal(shape).astype("float32") for shape in ((256, 20), (10, 256)))
    b1, b2 = np.zeros(256, "float32"), np.zeros(10, "float32")

    def mlp(x):
        return np.maximum(x @ w1.T + b1, 0) @ w2.T + b2

    return {"mlp": {"eager": mlp}}


CALLS = {
    "numpy": numpy_calls,
    "torch": torch_calls,
    "tensorflow": tensorflow_calls,
    "jax": jax_calls,
    "mxnet": mxnet_calls,
}


def default_initialization(backend: str, sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with the framework's own default initial values."""
    if backend == "torch":
        import torch

        pairs = list(itertools.pairwise(sizes))
        return lambda: torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in pairs))
    if backend == "tensorflow":
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import keras

        def build():
            model = keras.Sequential([keras.layers.Dense(b) for b in sizes[1:]])
            model.build((None, sizes[0]))
            return model

        return build
    if backend == "jax":
        import jax
        import jax.numpy as jnp
        from flax import linen

        net = linen.Sequential([linen.Dense(b) for b in sizes[1:]])
        return lambda: jax.block_until_ready(net.init(jax.random.key(0), jnp.zeros((1, sizes[0]))))
    if backend == "mxnet":
        import isomorph

        isomorph.backend("mxnet")
        import mxnet as mx
        from mxnet.gluon import nn

        def initialize():
            net = nn.HybridSequential()
            net.add(*(nn.Dense(b, in_units=a) for a, b in itertools.pairwise(sizes)))
            net.initialize()
            mx.nd.waitall()
            return net

        return initialize
    import numpy as np

    def draw():
        generator = np.random.default_rng(0)
        return [generator.random((b, a), np.float32) for a, b in itertools.pairwise(sizes)]

    return draw

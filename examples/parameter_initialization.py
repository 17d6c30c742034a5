"""Parameter initialization: built-in laws, another one for each layer, a law of one's own.

python examples/parameter_initialization.py           # NumPy
ISOMORPH_BACKEND=jax python examples/parameter_initialization.py
"""

from __future__ import annotations

import numpy as np

from isomorph import init, nn

x = np.random.default_rng(0).uniform(size=(2, 4)).astype("float32")
net = nn.Sequential(nn.Dense(8, activation="relu"), nn.Dense(1))
net(x)

net.initialize(init.Normal(0.01), seed=0, force=True)
print("Normal weights, zero biases:", net[0].weight.numpy()[0], net[0].bias.numpy()[0])

net.initialize(init.Constant(1), force=True)
print("Constant:", net[0].weight.numpy()[0])

net[0].weight.initialize(init.Xavier(), force=True)
net[1].initialize(init.Constant(42), force=True)
print("Xavier in the first layer:", net[0].weight.numpy()[0])
print("42 in the second:", net[1].weight.numpy())


def strange(name, shape, dtype, generator):
    """Return zero with probability 1/2, else a number evenly from ±[5, 10]."""
    values = generator.uniform(-10, 10, shape)
    return values * (np.abs(values) >= 5)


net.initialize(strange, seed=0, force=True)
print("A law of one's own:", net[0].weight.numpy()[:2], sep="\n")

net.initialize({r".*bias": init.Ones(), r"0\..*": init.Uniform(-0.07, 0.07)}, force=True)
print("By pattern:", net[0].bias.numpy()[0], net[1].bias.numpy()[0])

net[0].weight[:] += 1
net[0].weight[0, 0] = 42
print("Values set directly:", net[0].weight.numpy()[0])

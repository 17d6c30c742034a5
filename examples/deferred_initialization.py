"""Deferred initialization: sizes appear when data does, and initialize alone changes nothing.

python examples/deferred_initialization.py            # NumPy
ISOMORPH_BACKEND=torch python examples/deferred_initialization.py
"""

from __future__ import annotations

import numpy as np

from isomorph import init, nn
from isomorph.errors import DeferredInitializationError, ShapeMismatchError

x = np.random.default_rng(0).uniform(size=(2, 20)).astype("float32")


class Noting(init.Law):
    """A normal law that says when it is called."""

    def __call__(self, name, shape, dtype, generator):
        print("  drawing", name, shape)
        return generator.standard_normal(shape, dtype) * 0.01


net = nn.Sequential(nn.Dense(256, activation="relu"), nn.Dense(10))
print("Declared, without input sizes:", net.parameters(), sep="\n")

try:
    net[0].weight.numpy()
except DeferredInitializationError as error:
    print("\nReading a value too early:", error, sep="\n")

net.initialize(Noting(), seed=0)
print("\nAfter initialize, which could draw nothing yet:", net.parameters(), sep="\n")

print("\nThe first data:")
net(x)
print(net.parameters())

print("\nThe second call draws nothing.")
net(x)

print("force=True draws at once:")
net.initialize(Noting(), force=True)

print("\nWith sizes given, initialize takes effect at once:")
known = nn.Sequential(nn.Dense(256, in_features=20, activation="relu"), nn.Dense(10, in_features=256))
known.initialize(Noting(), seed=0)

print("\nOnly the first size given:")
partly = nn.Sequential(nn.Dense(256, in_features=20), nn.Dense(10)).initialize(seed=0)
print(partly.parameters())

print("\nAnother batch size is fine:", tuple(net(np.concatenate([x, x])).shape))
try:
    net(x[:, :7])
except ShapeMismatchError as error:
    print("Another number of features is not:", error, sep="\n")

print("\napply_init infers and initializes in one go:")
dry = nn.Sequential(nn.Dense(256), nn.Dense(10)).apply_init(x, init.Constant(1))
print(dry.parameters())

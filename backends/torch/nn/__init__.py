"""The layers: PyTorch's own modules, or subclasses where those lack something.

Importing it fills the adapter's table, and its scripts.
"""

from ..adapter import TorchAdapter
from . import activations, containers, conv, dense, dropout, embedding, flatten, norm, pooling

__all__ = [
    "activations",
    "containers",
    "conv",
    "dense",
    "dropout",
    "embedding",
    "flatten",
    "norm",
    "pooling",
]

for _family in (activations, conv, dense, dropout, embedding, flatten, norm, pooling):
    TorchAdapter.scripts.update(_family.SCRIPTS)

"""The layers, one small class each: the formulas that every backend is held against.

Importing it fills the adapter's table.
"""

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

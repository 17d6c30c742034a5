"""Keras's layers by family; importing them fills the adapter's table."""

from ..adapter import TensorFlowAdapter
from . import activations, containers, conv, dense, dropout, embedding, flatten, norm, pooling

for _family in (activations, conv, dense, dropout, embedding, flatten, norm, pooling):
    TensorFlowAdapter.scripts.update(_family.SCRIPTS)

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

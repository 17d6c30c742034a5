"""The layers: Flax's own modules, or subclasses where those lack something."""

from ..adapter import JaxAdapter
from . import activations, containers, conv, dense, dropout, embedding, flatten, norm, pooling

_FAMILIES = (activations, conv, dense, dropout, embedding, flatten, norm, pooling)
JaxAdapter.scripts = {kind: row for family in _FAMILIES for kind, row in family.SCRIPTS.items()}

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

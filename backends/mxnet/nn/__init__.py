"""The layers by family: Gluon's own blocks, or subclasses where those lack something."""

from . import activations, containers, conv, dense, dropout, embedding, flatten, norm, pooling

__all__ = [
    "SCRIPTS",
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

SCRIPTS: dict[type, str] = {
    **activations.SCRIPTS,
    **conv.SCRIPTS,
    **dense.SCRIPTS,
    **dropout.SCRIPTS,
    **embedding.SCRIPTS,
    **flatten.SCRIPTS,
    **norm.SCRIPTS,
    **pooling.SCRIPTS,
}
"""What makes each layer in Gluon's own API, or computes it from x, for `Adapter.native_script`."""

"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import leaf
from ..values import plain

SCRIPTS = {nn.Embedding: "linen.Embed({num_embeddings}, {embedding_dim})"}


class Embed(linen.Embed):
    """`linen.Embed` whose argument has the layer's name."""

    def __call__(self, x: Any) -> Any:
        """Return the vectors at the indices."""
        return super().__call__(plain(x))


@JaxAdapter.lowers(nn.Embedding, weight="embedding")
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    fields = {"num_embeddings": layer.num_embeddings, "features": layer.embedding_dim}
    return leaf(Embed, layer, binding, fields, embedding_init="weight")

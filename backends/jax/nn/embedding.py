"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import laws, leaf

SCRIPTS = {nn.Embedding: "linen.Embed({num_embeddings}, {embedding_dim})"}


@JaxAdapter.lowers(nn.Embedding, weight="embedding")
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    sizes = {"num_embeddings": layer.num_embeddings, "features": layer.embedding_dim}
    return leaf(linen.Embed, layer, binding, laws(layer, binding, embedding_init="weight") | sizes)

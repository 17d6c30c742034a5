"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block
from ..framework import gluon

SCRIPTS: dict[type, str] = {nn.Embedding: "mx.gluon.nn.Embedding({num_embeddings}, {embedding_dim})"}


@MXNetAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    dtype = layer.weight._dtype or binding.options.dtype
    return block(gluon.nn.Embedding, layer, binding, layer.num_embeddings, layer.embedding_dim, dtype)

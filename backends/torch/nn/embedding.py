"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter

SCRIPTS = {nn.Embedding: "torch.nn.Embedding({num_embeddings}, {embedding_dim})"}


@TorchAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding; its table has no memory yet, and is not drawn here."""
    sizes = layer.num_embeddings, layer.embedding_dim
    return torch.nn.Embedding(*sizes, _weight=torch.empty(sizes, device="meta"))

"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TorchAdapter
from ..deferral import Deferred, declare, fill_later

SCRIPTS = {nn.Embedding: "torch.nn.Embedding({num_embeddings}, {embedding_dim})"}


class LazyEmbedding(Deferred, torch.nn.Embedding):
    """`torch.nn.Embedding` whose table is not drawn when it is made."""

    cls_to_become = torch.nn.Embedding

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Give the table its memory."""
        if self.has_uninitialized_params():  # type: ignore[misc]
            self.weight.materialize((self.num_embeddings, self.embedding_dim))  # type: ignore[attr-defined]
            self.reset_parameters()


@TorchAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    sizes = layer.num_embeddings, layer.embedding_dim
    native = LazyEmbedding(*sizes, _weight=torch.empty(sizes, device="meta"))
    declare(native, "weight", layer.weight, binding)
    return fill_later(native, layer, binding)

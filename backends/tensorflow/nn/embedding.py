"""Embedding."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import TensorFlowAdapter
from ..deferral import Deferred, common
from ..framework import keras, tf

SCRIPTS = {nn.Embedding: "keras.layers.Embedding({num_embeddings}, {embedding_dim}, dtype=dtype)"}


class Embedding(Deferred, keras.layers.Embedding):  # type: ignore[misc]
    """A `keras.layers.Embedding` that refuses negative indices, which Keras would wrap."""

    def call(self, inputs: Any) -> Any:
        indices = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, tf.int64)
        return tf.gather(tf.convert_to_tensor(self.embeddings), indices)


@TensorFlowAdapter.lowers(nn.Embedding, weight="embeddings")
def embedding(layer: nn.Embedding, binding: Binding) -> Embedding:
    """Lower Embedding."""
    sizes = (layer.num_embeddings, layer.embedding_dim)
    return Embedding(*sizes, embeddings_initializer="zeros", **common(layer, binding))

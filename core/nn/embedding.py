"""Lookup of learned vectors by index."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeMismatchError
from ..framework import Options
from ..init.laws import Normal
from ..parameter import Parameter
from ..tensor import FLOATS, TensorSpec
from .arguments import positive
from .module import Layer


class Embedding(Layer):
    """Replace each index by a learned vector: row ``index`` of the weight.

    Args:
        num_embeddings: Number of vectors.
        embedding_dim: Their length.
        weight_init: Law of the weight, standard normal by default as `torch.nn.Embedding`.

    Shapes: integers ``(batch, ...)`` to ``(batch, ..., embedding_dim)``; nothing is deferred.

    >>> nn.Embedding(10, 4)(numpy.array([[1, 2, 9]])).shape
    (1, 3, 4)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, weight_init: Any = None) -> None:
        super().__init__()
        self.num_embeddings = positive(self, "num_embeddings", num_embeddings)
        self.embedding_dim = positive(self, "embedding_dim", embedding_dim)
        self.weight = Parameter((self.num_embeddings, self.embedding_dim), weight_init)
        self.weight._default = Normal(1.0)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output."""
        if x.dtype in (*FLOATS, "bool"):
            raise DTypeMismatchError.at(
                self.label, "integer", x.dtype, "Indices are whole numbers; convert them to int64."
            )
        return TensorSpec((*x.shape, self.embedding_dim), self.dtype)

    def fitting_input(self, options: Options) -> tuple[int | None, ...]:
        return (1,)

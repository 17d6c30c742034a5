"""JAX: Flax linen modules, and their variables in one tree beside them."""

from . import layers
from .adapter import JaxAdapter

__all__ = ["JaxAdapter", "layers"]

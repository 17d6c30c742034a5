"""JAX: Flax linen modules, and their variables in one tree beside them."""

from . import nn
from .adapter import JaxAdapter

__all__ = ["JaxAdapter", "nn"]

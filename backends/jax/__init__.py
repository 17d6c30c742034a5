"""JAX: Flax linen modules, and their variables in one tree beside them."""

from . import nn
from .adapter import JaxAdapter
from .leaf import leaf

__all__ = ["JaxAdapter", "leaf", "nn"]

"""PyTorch: lazy modules while sizes are unknown, plain `torch.nn` modules after."""

from . import layers
from .adapter import TorchAdapter

__all__ = ["TorchAdapter", "layers"]

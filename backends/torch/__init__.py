"""PyTorch: lazy modules while sizes are unknown, plain `torch.nn` modules after."""

from . import nn
from .adapter import TorchAdapter

__all__ = ["TorchAdapter", "nn"]

"""PyTorch: lazy modules while sizes are unknown, plain `torch.nn` modules after."""

from . import nn
from .adapter import TorchAdapter
from .deferral import deferred

__all__ = ["TorchAdapter", "deferred", "nn"]

"""TensorFlow: Keras 3 models and layers, which build themselves when they meet data."""

from . import nn
from .adapter import TensorFlowAdapter

__all__ = ["TensorFlowAdapter", "nn"]

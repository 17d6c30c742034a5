"""TensorFlow: Keras 3 models and layers, which build themselves when they meet data."""

from . import layers, windows
from .adapter import TensorFlowAdapter

__all__ = ["TensorFlowAdapter", "layers", "windows"]

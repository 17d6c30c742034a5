"""Isomorph's backend for HIPS autograd: NumPy's functions, with gradients."""

from . import layers
from .adapter import AutogradAdapter

__all__ = ["AutogradAdapter", "layers"]

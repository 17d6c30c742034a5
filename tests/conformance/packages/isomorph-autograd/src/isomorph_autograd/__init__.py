"""Isomorph's backend for HIPS autograd: NumPy's functions, with gradients."""

from . import layers as layers
from .adapter import AutogradAdapter as AutogradAdapter

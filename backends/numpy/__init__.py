"""The reference backend: plain NumPy, forward only, written to be read.

The other backends are held against these formulas. It has no gradients and says so.
"""

from . import nn
from .adapter import NumpyAdapter

__all__ = ["NumpyAdapter", "nn"]

"""NumPy's formulas in a framework of its own: its tensors, names, layouts, errors and habits."""

from . import blocks
from .adapter import OddAdapter

__all__ = ["OddAdapter", "blocks"]

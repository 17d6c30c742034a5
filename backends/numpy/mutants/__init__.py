"""Faults of this backend, for the suite's own tests."""

from . import formulas, native, training

__all__ = ["formulas", "native", "training"]

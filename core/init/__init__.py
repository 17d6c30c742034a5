"""Initial laws: what a parameter's first values are drawn from.

A law is any callable ``law(name, shape, dtype, generator) -> array``: the parameter's dotted
path, its canonical shape, its data type's name and a `numpy.random.Generator` keyed by
(seed, path). The values are the same bit for bit on every backend.
"""

from .laws import Constant, Kaiming, Law, Normal, Ones, Uniform, Xavier, Zeros, fans
from .streams import draw, generator_for

__all__ = [
    "Constant",
    "Kaiming",
    "Law",
    "Normal",
    "Ones",
    "Uniform",
    "Xavier",
    "Zeros",
    "draw",
    "fans",
    "generator_for",
]

"""Isomorph: write a net once, without input sizes; get each framework's own module."""

from . import errors, init, nn, ops
from .adapter import Adapter, Deviation
from .registry import BackendInfo, available, backend
from .tensor import TensorSpec
from .version import __version__

__all__ = [
    "Adapter",
    "BackendInfo",
    "Deviation",
    "TensorSpec",
    "__version__",
    "available",
    "backend",

    "errors",
    "init",
    "nn",
    "ops",
]

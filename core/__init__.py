"""Isomorph: write a net once, without input sizes; get each framework's own module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import errors, init, nn, ops
    from .adapter import Adapter
    from .convert import to_numpy
    from .registry import BackendInfo, available, backend
    from .tensor import TensorSpec

__all__ = [
    "Adapter",
    "BackendInfo",
    "TensorSpec",
    "__version__",
    "available",
    "backend",
    "errors",
    "init",
    "nn",
    "ops",
    "to_numpy",
]

# Where each name lives; loaded on first use, so that `import isomorph` costs nothing.
_HOMES = {
    "Adapter": "adapter",
    "BackendInfo": "registry",
    "TensorSpec": "tensor",
    "available": "registry",
    "backend": "registry",
    "to_numpy": "convert",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

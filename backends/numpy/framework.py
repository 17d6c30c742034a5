"""Modules, which NumPy itself has none of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from isomorph import nn


class NumpyModule:
    """A callable that holds its parameters as attributes: None until they have values."""

    training = True

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(vars(self))})"


def settings_of(layer: nn.Layer) -> SimpleNamespace:
    """Return a layer's constructor arguments alone: a native module that is copied copies no description."""
    own = {name: value for name, value in vars(layer).items() if not isinstance(value, nn.Parameter)}
    own.pop("_isomorph")
    return SimpleNamespace(**own, spatial=getattr(layer, "spatial", 2))

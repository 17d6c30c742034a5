"""Compiled calls."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch


def compiled(native: Any) -> Callable[..., Any]:
    """Return a module's compiled call.

    PyTorch 2.13 counts compilations by code, and gives up at the ninth: the ninth net of one class, or
    the ninth of all nets whose call is PyTorch's own, would silently stay eager. This one is compiled
    apart from every other.
    """

    def call(*inputs: Any, **named: Any) -> Any:
        return native(*inputs, **named)

    own = FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
    return torch.compile(own)

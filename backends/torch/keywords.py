"""Inputs by name, for PyTorch's own layers, which name theirs otherwise."""

from __future__ import annotations

import inspect
from typing import Any

from isomorph import nn


class ByPosition:
    """A forward pre-hook that hands on by position what was given by name.

    The module stays of PyTorch's own class, which tools for it look for.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __call__(self, native: Any, inputs: tuple[Any, ...], named: dict[str, Any] | None = None) -> Any:
        """Return the inputs in order, and what has another name as it is; None where none has a name.

        Tools that put another module in this one's place may call it as a hook of positions alone.
        """
        if not named:
            return None
        rest = self.names[len(inputs) :]
        ordered = [named[name] for name in rest if name in named]
        return (*inputs, *ordered), {name: value for name, value in named.items() if name not in rest}


def take_by_position(native: Any, layer: nn.Module) -> ByPosition:
    """Let a native module take its inputs by the names that its layer's rule has for them."""
    for hook in native._forward_pre_hooks.values():
        if isinstance(hook, ByPosition):
            return hook
    rule = getattr(layer, "infer_shapes", layer.forward)
    hook = ByPosition(tuple(inspect.signature(rule).parameters))
    native.register_forward_pre_hook(hook, with_kwargs=True)
    return hook

"""How blocks are made: in np-mode, named by their path in the net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from .framework import gluon, np_mode


def prefix_of(binding: Binding, module: nn.Module) -> str:
    """Return a block's prefix: unique by Gluon's own counter, then the dotted path."""
    if "prefix" not in binding.memory:
        hint = type(binding.root).__name__.lower()
        binding.memory["prefix"] = gluon.block._BlockScope.create(None, None, hint)[0]
    path = module.path
    return binding.memory["prefix"] + (f"{path}_" if path else "")  # type: ignore[no-any-return]


def made(kind: type, layer: nn.Module, binding: Binding, *args: Any, **options: Any) -> Any:
    """Return a block made in np-mode, named by its path."""
    with np_mode():
        return kind(*args, prefix=prefix_of(binding, layer), **options)


def function_block(layer: nn.Module, binding: Binding, function: Callable[[Any], Any], name: str) -> Any:
    """Return a function as a block."""

    def call(F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return function(x)

    call.__name__ = name
    return made(gluon.nn.HybridLambda, layer, binding, call)

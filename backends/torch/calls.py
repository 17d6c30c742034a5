"""Bound calls, compiled or not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch

from isomorph import nn
from isomorph.adapter import Binding, Signature, Tree

from .keywords import take_by_position
from .state import updating


def bound_call(
    binding: Binding, module: nn.Module, signature: Signature, compile: bool
) -> Callable[..., Any]:
    """Return a module's call, what the pass of shapes told of it done.

    Classes are settled before the call: torch.compile would break its graph at the change.
    """
    native = binding.native(module)
    for key, inputs in binding.memory.get("inputs", {}).items():
        if hasattr(binding.natives[key], "become"):
            binding.natives[key].become(inputs[0].dim())
    for _, each in module.named_modules():
        inner = binding.natives[id(each)]
        by_name = each is module and not signature.is_flat
        if not isinstance(inner, Tree) and (by_name or id(each) in binding.memory["by_keyword"]):
            take_by_position(inner, each)
    call = compiled(binding, module, signature) if compile else native
    if not signature.updates:
        return call  # type: ignore[no-any-return]
    tied = [slots for slots in binding.slots.values() if isinstance(slots[0].parameter, nn.Buffer)]
    places = [tuple((slot.owner._buffers, slot.native_name) for slot in slots) for slots in tied]
    return updating(call, places, binding.memory.setdefault("updating", threading.RLock()))


def compiled(binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
    """Return a module's compiled call: one for each kind of arguments.

    PyTorch 2.13 counts compilations by code, and gives up at the ninth: the ninth net of one class,
    the ninth of all nets whose call is PyTorch's own, or the ninth kind of arguments would silently stay
    eager. Each call here is compiled apart from every other.
    """
    native, calls = binding.native(module), binding.memory.setdefault("compiled", {})
    key = (id(module), signature.structure, tuple((spec.ndim, spec.dtype) for spec in signature.specs))
    try:
        known = calls.get(key)
    except TypeError:  # a static part that can't be hashed
        return native  # type: ignore[no-any-return]
    if known is None:
        while len(calls) >= 64:
            del calls[next(iter(calls))]
        known = calls[key] = torch.compile(_own_code(native))
    return known  # type: ignore[no-any-return]


def _own_code(native: Any) -> Callable[..., Any]:
    def call(*inputs: Any, **named: Any) -> Any:
        return native(*inputs, **named)

    return FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)

"""Native modules as they were before a call that failed: the same objects wait for data again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from isomorph.adapter import Binding

from .deferral import WAITING
from .framework import creating

_HOOKS = ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_load_state_dict_pre_hooks")


def restorer(binding: Binding) -> Callable[[], None]:
    """Note what waits and what buffers hold; return what puts that back, in place.

    An optimiser that was made before data goes on with the parameters that it holds.
    """
    natives = {key: native for key, native in binding.natives.items() if isinstance(native, torch.nn.Module)}
    waiting = {key: native for key, native in natives.items() if WAITING in native.__dict__}
    modules = [_module_restorer(native) for native in waiting.values()]
    tensors = {id(each): each for native in waiting.values() for each in _tensors(native) if is_lazy(each)}
    lazy = [(each, type(each), each.data.dtype, each.data.device) for each in tensors.values()]
    buffers = [b for native in natives.values() for b in native._buffers.values() if b is not None]
    values = [(buffer, buffer.detach().clone()) for buffer in buffers if not is_lazy(buffer)]

    def restore() -> None:
        with creating(binding.options):
            for tensor, *before in lazy:
                _unsettle(tensor, *before)
            for buffer, value in values:
                buffer.copy_(value)
        for restore_module in modules:
            restore_module()
        binding.memory.pop("inputs", None)
        binding.memory.pop("compiled", None)

    return restore


def _tensors(native: Any) -> list[Any]:
    return [*native._parameters.values(), *native._buffers.values()]


def _module_restorer(native: Any) -> Callable[[], None]:
    kind, attributes = type(native), dict(native.__dict__)
    hooks = [dict(attributes[name]) for name in _HOOKS]

    def restore() -> None:
        native.__class__ = kind
        native.__dict__.clear()
        native.__dict__.update(attributes)
        for name, kept in zip(_HOOKS, hooks):  # the same dicts: handles of users' hooks stay valid
            attributes[name].clear()
            attributes[name].update(kept)

    return restore


def _unsettle(tensor: Any, kind: type, dtype: Any, device: Any) -> None:
    """Make a parameter or buffer an uninitialized one again."""
    if is_lazy(tensor):
        return
    # PyTorch drops the node that gathers its gradients only where the type changes (2.13).
    other = torch.float16 if dtype != torch.float16 else torch.float32
    tensor.data = torch.empty(0, dtype=other, device=device)
    tensor.data = torch.empty(0, dtype=dtype, device=device)
    tensor.grad = None
    tensor.__class__ = kind

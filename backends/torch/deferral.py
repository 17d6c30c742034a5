"""Lazy modules, whose first values come from Isomorph's initial laws."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from isomorph import nn
from isomorph.adapter import Binding

from .framework import device_of, factory, tensor


class Deferred(LazyModuleMixin):
    """A lazy module whose first values come from Isomorph's initial law."""

    def reset_parameters(self: Any) -> None:
        """Fill the parameters once PyTorch's own inference gave them shapes."""
        if "fill" in self.__dict__ and not self.has_uninitialized_params():
            self.__dict__.pop("fill")(self)


def declare(native: Any, name: str, parameter: nn.Parameter, binding: Binding) -> None:
    """Give a native module a parameter or buffer without a size."""
    if not isinstance(parameter, nn.Buffer):
        setattr(native, name, UninitializedParameter(**factory(binding)))
    else:
        native.register_buffer(name, UninitializedBuffer(**factory(binding)))


def fill_later(native: Any, layer: nn.Module, binding: Binding) -> Any:
    """Let the native module take its values from the description when it gets its sizes."""

    def fill(native: Any) -> None:
        slots = {
            name: next(s for s in binding.slots[id(p)] if s.module is layer)
            for name, p in layer.own_parameters().items()
        }
        for slot in slots.values():
            slot.parameter.shape = slot.canonical_shape(getattr(native, slot.native_name).shape)
        for slot in slots.values():
            others = [s for s in binding.slots[id(slot.parameter)] if s is not slot]
            ready = next((s for s in others if not is_lazy(getattr(s.owner, s.native_name))), None)
            if ready is not None:  # tied: one tensor under several names
                setattr(native, slot.native_name, getattr(ready.owner, ready.native_name))
            else:
                getattr(native, slot.native_name).data = tensor(slot.take()).to(device_of(binding.options))

    native.__dict__["fill"] = fill
    return native


def sample(module: nn.Module, binding: Binding) -> Any:
    """Return an input without memory that fits a layer whose parameters have known shapes."""
    if isinstance(module, nn.Dense):
        shape: tuple[int, ...] = (1, module.weight.shape.known()[1])
    elif isinstance(module, (nn.Conv1d, nn.Conv2d)):
        sizes = module.weight.shape.known()
        shape = _in_format((1, sizes[1] * module.groups, *sizes[2:]), binding)
    elif isinstance(module, (nn.BatchNorm, nn.LayerNorm)):
        shape = (1, next(iter(module.own_parameters().values())).shape.known()[0])
    elif isinstance(module, nn.Embedding):
        shape = (1,)
    else:
        return None
    return torch.empty(shape, device="meta")


def _in_format(shape: tuple[int, ...], binding: Binding) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1]) if channels_last_of(binding) else shape


def channels_last_of(binding: Binding) -> bool:
    """Return whether the net's images have their channels last."""
    return binding.options.data_format == "channels_last"

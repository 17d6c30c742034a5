"""Buffers that a forward updates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

Place = tuple[dict[str, Any], str]
"""A native module's buffers, and a name in them."""


class State(torch.Tensor):
    """A buffer with `update`; what is computed from it is a plain tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    places: tuple[Place, ...] = ()
    """Where a call's own copy of the buffer stands; none for the buffer itself."""

    def update(self, value: Any) -> None:
        """Replace the values, outside of any graph of gradients."""
        new = torch.as_tensor(value).detach()
        if not self.places:
            with torch.no_grad():
                self.copy_(new)
            return
        new = _state(new.to(self.dtype).expand(self.shape).clone())
        new.places = self.places
        for buffers, name in self.places:
            buffers[name] = new

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = _copy(self, ())
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _state, (self.detach(),)


def _copy(buffer: Any, places: tuple[Place, ...]) -> Any:
    copy = _state(buffer.detach().clone())
    if places:
        copy.places = places
    return copy


def _state(tensor: Any) -> Any:
    if torch.compiler.is_compiling():
        return tensor.as_subclass(State)
    # That makes a view, which compiled graphs refuse to save as an input (2.13).
    tensor.__class__ = State
    return tensor


def _stays(name: str) -> Callable[..., Any]:
    """Return a method whose result may be updated too: `torch.nn.Module.to` puts it in the place."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        moved = getattr(super(State, self), name)(*args, **options)
        return _state(moved) if isinstance(moved, torch.Tensor) else moved

    return method


for _name in ("to", "cpu", "cuda", "half", "float", "double", "bfloat16", "type"):
    setattr(State, _name, _stays(_name))


def updating(
    call: Callable[..., Any], buffers: list[tuple[Place, ...]], lock: AbstractContextManager[Any]
) -> Callable[..., Any]:
    """Return a call that updates copies of buffers, and the buffers themselves once it has succeeded.

    PyTorch refuses the backward pass through a tensor that was changed in place after its use, and a
    compiled graph that does so. A copy is replaced instead, and what was read before stays as it was.

    Args:
        call: The native call.
        buffers: For each buffer where it stands, several places where it is tied.
        lock: The net's: of two calls at once, one would meet the other's copies.
    """
    for (held, name), *_ in buffers:
        if type(held[name]) is torch.Tensor:  # for calls of the native module itself
            _state(held[name])

    def run(*inputs: Any, **named: Any) -> Any:
        with lock:
            before = [places[0][0][places[0][1]] for places in buffers]
            for places, buffer in zip(buffers, before):
                _put(places, _copy(buffer, places))
            try:
                output = call(*inputs, **named)
                with torch.no_grad():
                    for ((held, name), *_), buffer in zip(buffers, before):
                        buffer.copy_(held[name])
            finally:
                for places, buffer in zip(buffers, before):
                    _put(places, buffer)
            return output

    return run


def _put(places: tuple[Place, ...], buffer: Any) -> None:
    for held, name in places:
        held[name] = buffer

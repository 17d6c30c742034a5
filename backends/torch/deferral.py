"""Modules whose sizes and values wait for the first input.

A layer of one's own is lowered to any `torch.nn.Module` whose parameters that wait are None, set in
its ``__init__``, or to one of PyTorch's own lazy classes. What `TorchAdapter.lowers` is told passes
through `deferred`, which lets it wait: the module lists uninitialized parameters, an optimiser made
before data keeps them, and the first call, native or not, gives them sizes and values.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from isomorph import nn
from isomorph.adapter import Array, Binding, Layout, Options, flatten
from isomorph.errors import LayerNotSupportedError

from .framework import as_spec, creating, factory, tensor
from .keywords import take_by_position
from .state import State

WAITING = "_isomorph_waiting"


class LazyParameter(UninitializedParameter):
    """A parameter without a size; PyTorch 2.13's own loses its type in a pickle."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)


class LazyBuffer(UninitializedBuffer):
    """A buffer without a size; PyTorch 2.13's own can't be copied."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        function, arguments = self.__reduce_ex__(2)
        return memo.setdefault(id(self), function(*arguments))


class LazyState(LazyBuffer):
    """A user's own buffer without a size, which a forward may update."""

    cls_to_become = State


class Waiting:
    """What a deferred native module lacks: its description has the sizes and the values.

    Attributes:
        layer: The description.
        root: The outermost module around it, which keeps its path and its seed.
        places: For each of its parameters the native name and the order of axes.
        options: What the net was lowered with.
    """

    def __init__(self, layer: nn.Module, binding: Binding, layouts: Mapping[str, Layout]) -> None:
        self.layer, self.root, self.options = layer, binding.root, binding.options
        self.places = {name: _place(layouts.get(name, name)) for name in layer.own_parameters()}
        self.binding: Binding | None = binding

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the description's shapes by native name, in the native layout."""
        own = self.layer.own_parameters()
        shapes = {self.places[name]: parameter.shape.known() for name, parameter in own.items()}
        return {
            name: shape if axes is None else tuple(shape[axis] for axis in axes)
            for (name, axes), shape in shapes.items()
        }

    def fill(self, native: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Give what still waits in the native module values of these shapes."""
        own = self.layer.own_parameters()
        for name, parameter in own.items():
            native_name, axes = self.places[name]
            shape = shapes[native_name]
            parameter.shape = shape if axes is None else tuple(shape[axis] for axis in np.argsort(axes))
        names = {name: self.places[name] for name in own if is_lazy(held(native, self.places[name][0]))}
        values = {place: own[name].take() for name, place in names.items()}
        for (name, axes), value in values.items():
            settle(held(native, name), value if axes is None else value.transpose(axes).copy(), self.options)

    def __getstate__(self) -> dict[str, Any]:
        _ = self.binding.seed if self.binding is not None else None  # drawn before there are two
        return {**vars(self), "binding": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> Waiting:
        if id(self.root) not in memo:  # a description's own copy would be lowered too
            twin = memo[id(self.root)] = type(self.root).__new__(type(self.root))
            _ = self.binding.seed if self.binding is not None else None
            twin.__setstate__(deepcopy(self.root.__getstate__(), memo))
        copy = Waiting.__new__(Waiting)
        vars(copy).update(deepcopy(self.__getstate__(), memo))
        return copy


def _place(layout: Layout) -> tuple[str, tuple[int, ...] | None]:
    return (layout, None) if isinstance(layout, str) else layout


def settle(waiting: Any, value: Array, options: Options) -> None:
    """Give an uninitialized parameter or buffer its values, where it is and as its user cast it."""
    dtype = waiting.data.dtype
    values = tensor(value)
    is_cast = dtype != getattr(torch, options.dtype)  # by native.double() and the like
    waiting.data = values.to(waiting.data.device, dtype if is_cast else values.dtype)
    waiting.__class__ = waiting.cls_to_become


class Deferred(LazyModuleMixin):
    """A lazy module whose sizes PyTorch's own inference says, and whose values are Isomorph's."""

    def initialize_parameters(self: Any, *inputs: Any, **named: Any) -> None:
        """Give the parameters sizes and values; `LazyModuleMixin` calls it at the first call."""
        waiting = self.__dict__.get(WAITING)
        if waiting is None:
            self.__dict__.update(self.inferred(inputs, named)[1])
            return
        with creating(waiting.options):
            shapes, attributes = self.inferred(inputs, named)
            waiting.fill(self, shapes)
        self.__dict__.update(attributes)
        del self.__dict__[WAITING]

    def inferred(
        self: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
        """Return the shapes that PyTorch infers, by name, and the attributes that it notes on the way.

        It works on a twin whose parameters all wait and have no memory.
        """
        waiting = self.__dict__.get(WAITING)
        waits = {name for name, _ in waiting.places.values()} if waiting else ()
        twin = object.__new__(type(self))
        twin.__dict__.update(
            self.__dict__,
            _parameters={name: _blank(value, name in waits) for name, value in self._parameters.items()},
            _buffers={name: _blank(value, name in waits) for name, value in self._buffers.items()},
        )
        super(Deferred, twin).initialize_parameters(*inputs, **named)  # type: ignore[misc]
        held = {**twin._parameters, **twin._buffers}
        noted = {
            name: value
            for name, value in twin.__dict__.items()
            if name not in ("_parameters", "_buffers") and self.__dict__.get(name) is not value
        }
        return {name: tuple(value.shape) for name, value in held.items() if value is not None}, noted

    def reset_parameters(self) -> None:
        """Draw nothing: a lazy class calls it when it has sizes."""

    def _infer_parameters(self: Any, module: Any, args: Any, kwargs: Any = None) -> Any:
        waiting = self.__dict__.get(WAITING)
        if not kwargs or waiting is None or isinstance(self, nn.Module):
            return _not_traced(super()._infer_parameters)(module, args, kwargs)
        args = take_by_position(self, waiting.layer)(self, args, kwargs)[0]
        _not_traced(super()._infer_parameters)(module, args)
        return args, {}


def _not_traced(function: Any) -> Any:
    """Return a function that torch.compile runs as it is, without importing what that needs."""
    dynamo = sys.modules.get("torch._dynamo")
    return function if dynamo is None else dynamo.disable(function)


def _blank(value: Any, waits: bool) -> Any:
    """Return a parameter or buffer that waits, without memory; what never does is itself."""
    if not waits:
        return value
    kind: Any = LazyParameter if isinstance(value, torch.nn.Parameter) else LazyBuffer
    return kind(device="meta", dtype=value.data.dtype)


class Described(Deferred):
    """A lazy module that PyTorch has no inference for: its description says the sizes."""

    def inferred(
        self: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
        """Return the description's shapes, which its rule or its `build` hook fills."""
        waiting = self.__dict__[WAITING]
        leaves, _ = flatten((inputs, dict(named)), lambda value: isinstance(value, torch.Tensor))
        waiting.layer.fill(tuple(map(as_spec, leaves)))
        return waiting.shapes(), {}


def deferred(
    native: Any, layer: nn.Module, binding: Binding, layouts: Mapping[str, Layout] | None = None
) -> Any:
    """Let a native module wait for the sizes and the values of its layer's parameters.

    Args:
        native: A `torch.nn.Module`, lazy or not; what it has for those parameters is replaced.
        layer: The layer that it was lowered from.
        binding: The lowering under way.
        layouts: Native names and orders of axes, as `Adapter.lowers` takes them.
    """
    own = layer.own_parameters()
    if not own:
        return native
    if not isinstance(native, torch.nn.Module):
        hint = "Return a torch.nn.Module whose parameters are None in __init__."
        raise LayerNotSupportedError.at(
            layer.label, "torch", f"a lowering that returns {type(native).__name__}", hint
        )
    waiting = Waiting(layer, binding, layouts or {})
    for name, parameter in own.items():
        _declare(native, waiting.places[name][0], parameter, binding)
    if not isinstance(native, Deferred):
        native.__class__ = _lazy_class(type(native))
    if "_initialize_hook" not in native.__dict__:
        native._load_hook = native._register_load_state_dict_pre_hook(native._lazy_load_hook)
        native._initialize_hook = native.register_forward_pre_hook(native._infer_parameters, with_kwargs=True)
    native.__dict__[WAITING] = waiting
    return native


def _declare(native: Any, name: str, parameter: nn.Parameter, binding: Binding) -> None:
    """Give a native module a parameter or buffer without a size; a tied one is the same in all."""
    places = (native._buffers, native._parameters)
    place, other = places if isinstance(parameter, nn.Buffer) else places[::-1]
    for elsewhere in (native.__dict__, other):
        elsewhere.pop(name, None)
    if name not in place and hasattr(native, name) and not hasattr(torch.nn.Module, name):
        hint = f"Set self.{name} = None in __init__ instead."
        raise LayerNotSupportedError.at(
            f"{type(native).__name__}", "torch", f"{name} as an attribute of the class", hint
        )
    slots = binding.slots.get(id(parameter), [])
    tied = held(slots[0].owner, slots[0].native_name) if slots else None
    if not is_lazy(tied):
        kinds: Any = (LazyState if isinstance(native, nn.Module) else LazyBuffer, LazyParameter)
        tied = kinds[place is native._parameters](**factory(binding.options))
    place[name] = tied


def held(native: Any, name: str) -> Any:
    """Return a native module's parameter or buffer, whatever else has its name."""
    for place in (native._parameters, native._buffers):
        if place.get(name) is not None:
            return place[name]
    return getattr(native, name)


class Held(property):
    """A parameter, buffer or module under a name that `torch.nn.Module` has for a method of its own."""

    def __init__(self, name: str) -> None:
        def find(native: Any) -> Any:
            for place in (native._modules, native._parameters, native._buffers):
                if name in place:
                    return place[name]
            return getattr(torch.nn.Module, name).__get__(native)

        super().__init__(find)


# Classes made here can't be found by their names: a pickle holds what they were made of.


def reduce_made(native: Any, protocol: Any) -> Any:
    """Return how to make a native module of a made class again; its `__reduce_ex__`."""
    reduced: Any = object.__reduce_ex__(native, 2)
    _, _, *rest = reduced
    return (_new, type(native)._made, *rest)


def _new(make: Any, *arguments: Any) -> Any:
    cls = make(*arguments)
    return cls.__new__(cls)


def _itself(kind: type) -> type:
    return kind


def _lazy_class(kind: Any) -> type:
    """Return the class of a module of this class that waits; one for each."""
    for made in kind.__subclasses__():
        if vars(made).get("_lazy_of") is kind:
            return made  # type: ignore[no-any-return]
    is_lazy_itself = issubclass(kind, LazyModuleMixin)
    about = {
        "__module__": kind.__module__,
        "__reduce_ex__": reduce_made,
        "_made": (_lazy_of, *vars(kind).get("_made", (_itself, kind))),
        "_lazy_of": kind,
        "cls_to_become": kind.cls_to_become if is_lazy_itself else kind,
        "_is_native": True,
    }
    name = kind.__name__ if is_lazy_itself else f"Lazy{kind.__name__}"
    return type(kind)(name, (Deferred if is_lazy_itself else Described, kind), about)


def _lazy_of(make: Any, *arguments: Any) -> type:
    return _lazy_class(make(*arguments))

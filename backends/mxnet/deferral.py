"""Gluon's deferred parameters, whose values come from Isomorph's initial laws."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding, Call, Slot, TensorSpec
from isomorph.errors import ForwardError, LayerNotSupportedError

from .blocks import Nested, Part, leaf_class
from .framework import Trace, autograd, context_of, gluon, mx, np_mode, tracing
from .values import Place


class Law(mx.init.Initializer):
    """Hands Gluon, whenever it initializes a parameter by itself, the values of the description."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.parameter, self.axes = slot.parameter, slot.axes

    def _init_weight(self, name: str, array: Any) -> None:
        shape = array.shape
        self.parameter.shape = shape if self.axes is None else [shape[axis] for axis in np.argsort(self.axes)]
        values = self.parameter.take()
        array[()] = values if self.axes is None else values.transpose(self.axes)

    def __reduce__(self) -> Any:
        # Values go with Gluon's parameter; a law is for those that have none yet.
        return (mx.init.Zero, ()) if self.parameter.is_ready else super().__reduce__()


def link(binding: Binding) -> None:
    """Bind the native parameters, once all are there, to the described ones; none gets memory."""
    if binding.memory.get("is_linked"):
        return
    modules = {id(module): module for _, module in binding.root.named_modules()}
    for key, block in binding.natives.items():
        _check(block, modules[key], binding)
    for first, *others in binding.slots.values():
        _describe(first)
        for other in others:
            _share(other.owner, other.native_name, first.owner._reg_params[first.native_name])
    for key, block in binding.natives.items():
        _adopt(block, modules[key], binding)
        _defer(block, binding)
    binding.memory["is_linked"] = True


def _check(block: Any, module: nn.Module, binding: Binding) -> None:
    """Raise for what a lowering returned, where Gluon can't hold it."""
    missing = [
        slot.native_name
        for parameter in module.own_parameters().values()
        for slot in binding.slots[id(parameter)]
        if slot.module is module and slot.native_name not in getattr(block, "_reg_params", ())
    ]
    if isinstance(block, gluon.HybridBlock) and not missing:
        return
    able = f"with a parameter {missing[0]!r}" if missing else "that Gluon can hold"
    raise LayerNotSupportedError.at(
        module.label, "mxnet", f"{type(module).__name__} as a {type(block).__name__}",
        f"A lowering returns a gluon.HybridBlock {able}: made by self.params.get(name, shape=..., "
        "allow_deferred_init=True) and assigned to an attribute of that name.", type(module).__name__,
    )  # fmt: skip


def _describe(slot: Slot) -> None:
    """Give a native parameter the shape, the type and the law of the description's."""
    native, shape = slot.owner._reg_params[slot.native_name], slot.parameter.shape
    native.init = Law(slot)
    native.cast(_dtype_in(slot.owner, slot.parameter.dtype))
    # A layer is drawn as one: what is known in it waits, as if unknown, for the last size.
    waits = any(not p.shape.is_known for p in slot.module.own_parameters().values())
    is_hidden = waits and shape.is_known
    sizes = [-1 if is_hidden or size is None else size for size in shape]
    native._shape = tuple(sizes if slot.axes is None else (sizes[axis] for axis in slot.axes))


def _adopt(block: Any, module: nn.Module, binding: Binding) -> None:
    """Make a block a part of the net: its parameters have values under their canonical names."""
    own = vars(block)
    own["isomorph_module"], own["isomorph_kind"], own["isomorph_places"] = module, type(module), {}
    for name, parameter in module.own_parameters().items():
        slot = next(slot for slot in binding.slots[id(parameter)] if slot.module is module)
        native = block._reg_params[slot.native_name]
        own["isomorph_places"][name] = Place(native, slot.axes, isinstance(parameter, nn.Buffer))
    if not isinstance(block, Part):
        block.__class__ = leaf_class(type(block), tuple(own["isomorph_places"]))


def _defer(block: Any, binding: Binding) -> None:
    context, dtype = context_of(binding.options), binding.options.dtype
    for native in block._reg_params.values():
        if not isinstance(native.init, Law):  # a norm's scale or shift that is not learned
            native.cast(_dtype_in(block, dtype))
        # So Gluon initializes it in the first native call, whether its shape is known or not.
        native._deferred_init = (native.init, [context], mx.init.Uniform(), None)


def _dtype_in(block: Any, dtype: str) -> str:
    """Return the type of a block's parameters: MXNet's batch norm on float16 takes them in float32."""
    return "float32" if dtype == "float16" and isinstance(block, gluon.nn.BatchNorm) else dtype


def _share(block: Any, name: str, parameter: Any) -> None:
    """Let a block hold another block's parameter in place of its own."""
    del block._params._params[block._reg_params[name].name]
    block._params._params[parameter.name] = parameter
    block._reg_params[name] = parameter
    if name in vars(block):
        vars(block)[name] = parameter


def load(native: Any, values: Array, context: Any) -> None:
    """Give a parameter memory and values; the copy it keeps is the only one."""
    values = values.astype(native.dtype, copy=False)
    if values.ndim and values.size:
        data = mx.nd.from_numpy(values).as_np_ndarray()
    else:
        data = mx.np.array(values, dtype=native.dtype)
    native._load_init(data, [context])
    native.list_data()[0].wait_to_read()


def inferred(binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
    """Return the shape of each parameter, by id, from Gluon's own symbolic inference."""
    found: dict[int, tuple[int, ...]] = {}
    scratch = binding.scratch(prefix="probe_", is_probe=True)
    with np_mode(), autograd.predict_mode():
        for call in calls:
            own = call.module.own_parameters()
            shapes: dict[str, tuple[int, ...]] = {}
            if not isinstance(binding.natives[id(call.module)], Nested):
                shapes = _probed(scratch.lower(call.module), call.inputs)
            for parameter in own.values():
                slot = scratch.slots.pop(id(parameter), [None])[0]
                known = None if slot is None else shapes.get(slot.native_name)
                if known is not None:
                    found[id(parameter)] = known
                elif parameter.shape.is_known:  # by a user's own `build` or rule; Gluon infers none
                    found[id(parameter)] = parameter.shape.known() if slot is None else slot.native_shape()
    return found


def _probed(probe: Any, inputs: tuple[Any, ...]) -> dict[str, tuple[int, ...]]:
    specs = {f"data{i}": spec for i, spec in enumerate(inputs) if isinstance(spec, TensorSpec)}
    shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
    for native in probe._reg_params.values():  # legacy code writes 0 for unknown
        native._shape = tuple(size or -1 for size in native._shape)
    try:
        with tracing(Trace(shapes)):
            output = probe(*(mx.sym.var(name).as_np_ndarray() for name in shapes))
    except (AttributeError, TypeError, ForwardError):  # it computes on arrays only
        return {}
    arguments, _, states = output.infer_shape_partial(**shapes)
    names = (*output.list_arguments(), *output.list_auxiliary_states())
    known = {name: shape for name, shape in zip(names, (*arguments, *states)) if min(shape, default=0) >= 0}
    return {name: known[native.name] for name, native in probe._reg_params.items() if native.name in known}

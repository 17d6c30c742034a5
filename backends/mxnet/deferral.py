"""Gluon's deferred parameters, whose values come from Isomorph's initial laws."""

from __future__ import annotations

from typing import Any

from isomorph import nn
from isomorph.adapter import Array, Binding, Call, Slot, TensorSpec

from .framework import Trace, autograd, context_of, gluon, mx, np_mode, tracing


class Law(mx.init.Initializer):
    """Hands Gluon, whenever it initializes a parameter by itself, the values of the description."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.slot = slot

    def _init_weight(self, name: str, array: Any) -> None:
        self.slot.parameter.shape = self.slot.canonical_shape(array.shape)
        array[()] = self.slot.take()


def link(binding: Binding) -> None:
    """Bind the native parameters, once all are there, to the described ones; none gets memory."""
    if binding.memory.get("is_linked"):
        return
    context, dtype = context_of(binding.options), binding.options.dtype
    for first, *others in binding.slots.values():
        native = first.owner._reg_params[first.native_name]
        native.init = Law(first)
        native.cast(_dtype_in(first.owner, first.parameter.dtype))
        shape = first.parameter.shape
        # A layer is drawn as one: what is known in it waits, as if unknown, for the last size.
        waits = any(not p.shape.is_known for p in first.module.own_parameters().values())
        is_hidden = waits and shape.is_known
        native._shape = tuple(-1 if is_hidden or size is None else size for size in shape)
        for other in others:
            _share(other.owner, other.native_name, native)
    for block in binding.natives.values():
        for native in block._reg_params.values():
            if not isinstance(native.init, Law):  # a norm's scale or shift that is not learned
                native.cast(_dtype_in(block, dtype))
            # So Gluon initializes it in the first native call, whether its shape is known or not.
            native._deferred_init = (native.init, [context], mx.init.Uniform(), None)
    binding.memory["is_linked"] = True


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
    memory = {"prefix": "probe_", "is_probe": True}
    scratch = binding.scratch(**memory)
    with np_mode(), autograd.predict_mode():
        for call in calls:
            own = call.module.own_parameters()
            if isinstance(call.module, nn.Layer) and call.inputs:
                shapes = _probed(scratch.lower(call.module), call.inputs)
                for parameter in own.values():
                    found[id(parameter)] = shapes[scratch.slots.pop(id(parameter))[0].native_name]
            else:  # sizes that a user's own `build` says
                found.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
    return found


def _probed(probe: Any, inputs: tuple[Any, ...]) -> dict[str, tuple[int, ...]]:
    specs = {f"data{i}": spec for i, spec in enumerate(inputs) if isinstance(spec, TensorSpec)}
    shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
    with tracing(Trace(shapes)):
        output = probe(*(mx.sym.var(name).as_np_ndarray() for name in shapes))
    arguments, _, states = output.infer_shape(**shapes)
    names = (*output.list_arguments(), *output.list_auxiliary_states())
    known = dict(zip(names, (*arguments, *states)))
    return {name: known[native.name] for name, native in probe._reg_params.items() if native.name in known}

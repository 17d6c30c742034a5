"""From a description to a framework's modules: infer, lower, materialize, call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import registry
from .adapter import Adapter, Binding, Options, Slot
from .errors import (
    AdapterDisagreementError,
    DTypeMismatchError,
    InvalidArgumentError,
    IsomorphError,
    LayerNotSupportedError,
    MixedBackendsError,
    ShapeMismatchError,
    StructureError,
)
from .initialize import draw_values, request, store
from .nn.module import Layer, Module
from .parameter import Parameter
from .tensor import FLOATS, TensorSpec, dtype_name, input_specs
from .trace import Trace, shapes_kept, shapes_of, tracing_shapes

DATA_FORMATS = ("channels_first", "channels_last")


# Inference.


def infer(module: Module, inputs: tuple[Any, ...]) -> Any:
    """Infer every size from input specs; see `Module.infer`."""
    if not inputs:
        raise InvalidArgumentError.of("infer", "inputs", "the shape of each input", ())
    specs = input_specs(one_shape(inputs))
    with shapes_kept(module), tracing_shapes(module) as trace:
        output = run_trace(module, tuple(specs), {})
    _remember_inputs(trace)
    return output


def one_shape(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Accept infer(2, 20) for infer((2, 20))."""
    return (inputs,) if all(isinstance(size, int) for size in inputs) else inputs


def run_trace(module: Module, specs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Send specs through a net while tracing; an input without elements raises at once."""
    for position, spec in enumerate(specs):
        if isinstance(spec, TensorSpec) and 0 in spec.shape[1:]:
            raise ShapeMismatchError.at(
                module.label, f"input {position} to have no dimension of size", "zero", spec,
                "Only the batch, the first axis, may be empty.",
            )
    return module(*specs, **named)


def _remember_inputs(trace: Trace) -> None:
    """Let a later mismatch say which input a layer was sized by."""
    for call in trace.calls.values():
        call.module._isomorph.seen = call.module._isomorph.seen or shapes_of(call.inputs)


# Lowering.


def to(
    module: Module,
    backend: str | None,
    device: Any,
    dtype: str | None,
    data_format: str | None,
    compile: bool | None | str,
) -> None:
    """Lower a net, or change its options; see `Module.to`."""
    module._check_ready()
    old = module._isomorph.binding
    if module.parent is not None and (old is None or old.root is not module):
        whole = module.root
        raise StructureError(
            f"{module.label} is part of {type(whole).__name__}, which is lowered as a whole.\n"
            "  Call to() on that net, or copy.deepcopy this part first."
        )
    changes: dict[str, Any] = {"device": device} if device is not None else {}
    if dtype is not None:
        changes["dtype"] = dtype_name(dtype, "to")
        if changes["dtype"] not in FLOATS:
            raise InvalidArgumentError.choice("to", "dtype", FLOATS, dtype)
    if data_format is not None:
        if data_format not in DATA_FORMATS:
            raise InvalidArgumentError.choice("to", "data_format", DATA_FORMATS, data_format)
        changes["data_format"] = data_format
    if compile != "unchanged":
        if compile not in (None, True, False):
            raise InvalidArgumentError.of("to", "compile", "True, False or None", compile)
        changes["compile"] = compile
    options = module._isomorph.options.updated(**changes)
    if backend is None and old is None:
        module._isomorph.options = options
        return
    adapter = registry.backend(backend) if backend is not None else old.adapter  # type: ignore[union-attr]
    if old is not None and old.adapter is not adapter and device is None:
        options = options.updated(device=None)
    if old is None or old.stale or old.adapter is not adapter or old.options != options:
        bind(module, adapter, options)


def bind(root: Module, adapter: Adapter, options: Options) -> Binding:
    """Lower the tree of `root`, carrying ready values along; on failure all is as before."""
    parameters = list(root.state().values())
    modules = [module for _, module in root.named_modules()]
    for module in modules:
        other = module._isomorph.binding
        if other is not None and other.root is not root and not _replaces(root, other.root):
            raise StructureError(
                f"{module.label} is shared with {type(other.root).__name__}, which is lowered to "
                f"{other.adapter.name}; one net can't be native twice.\n"
                "  Lower the net that contains both, or copy.deepcopy one of them."
            )
    before = [(p, p._slot, p._value) for p in parameters]
    bindings = [(module, module._isomorph.binding) for module in modules]
    old_options = root._isomorph.options
    binding = Binding(adapter, root, options)
    values = [p.numpy() if p.is_ready else None for p in parameters]
    try:
        root._isomorph.options = options
        binding.native(root)
        for parameter, value in zip(parameters, values):
            slots = binding.slots.get(id(parameter), [])
            parameter._slot = slots[0] if slots else None
            parameter._value = None if value is None else _cast(value, parameter.dtype)
        for module in modules:
            module._isomorph.binding = binding
            module._isomorph.forget_runs()
        store(parameters)
        adapter.set_mode(binding)
    except BaseException:
        root._isomorph.options = old_options
        for parameter, slot, value in before:
            parameter._slot, parameter._value = slot, value
        for module, each in bindings:
            module._isomorph.binding = each
        raise
    return binding


def _replaces(root: Module, other: Module) -> bool:
    """Whether a part was lowered alone before it became part of this net."""
    return other is not root and any(module is other for _, module in root.named_modules())


def _cast(value: Any, dtype: str) -> Any:
    from .init.streams import numpy_dtype

    return value.astype(numpy_dtype(dtype), copy=False)


def lower(binding: Binding, module: Module) -> Any:
    """Return a new native object for one module and everything inside it."""
    adapter = binding.adapter
    lowering, layouts = _table_entry(adapter, module)
    if lowering is not None:
        native = lowering(module, binding)
    else:
        attributes = {
            name: binding.native(value) if isinstance(value, Module) else value
            for name, value in vars(module).items()
            if name != "_isomorph" and not isinstance(value, Parameter)
        }
        native = adapter.compose(module, attributes, binding)
    for name, parameter in module.own_parameters().items():
        layout = layouts.get(name, name)
        native_name, axes = (layout, None) if isinstance(layout, str) else layout
        slot = Slot(binding, parameter, module, native_name, axes)
        binding.slots.setdefault(id(parameter), []).append(slot)
    return native


def _table_entry(adapter: Adapter, module: Module) -> tuple[Any, Any]:
    """Return the lowering for a module's type, (None, {}) for a net with its own `forward`."""
    kind = type(module)
    for cls in kind.__mro__:
        entry = adapter.table.get(cls)
        if entry is not None and (cls is kind or _inherits_forward(kind, cls)):
            return entry
    if isinstance(module, Layer):
        able = ", ".join(sorted(cls.__name__ for cls in adapter.table))
        raise LayerNotSupportedError.at(
            module.label, adapter.name, kind.__name__,
            f"It can lower: {able}.\n  Add a lowering with @Adapter.lowers({kind.__name__}), "
            "or write the layer as a Module with a forward in isomorph.ops.",
        )
    return None, {}


def _inherits_forward(kind: type, cls: type) -> bool:
    """Whether a subclass of a layer computes just as the layer does."""
    return issubclass(kind, Layer) and issubclass(cls, Layer) and kind.forward is cls.forward


def bound(module: Module) -> Binding:
    """Return the module's binding, lowering its net to the default backend if it has none."""
    module._check_ready()
    binding = module._isomorph.binding
    if binding is None:
        return bind(module.root, registry.backend(registry.default_backend()), module.root._isomorph.options)
    return bind(binding.root, binding.adapter, binding.options) if binding.stale else binding


# Calls.


def call(module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a net on data: the first time this infers, initializes and lowers what is missing.

    A later call with inputs of the same types and feature sizes runs natively at once.
    """
    _choose_backend(module, [*inputs, *named.values()])
    binding = bound(module)
    values = [prepare(module, binding, value) for value in inputs]
    keywords = {name: prepare(module, binding, value) for name, value in named.items()}
    waiting = [(p, p._shape, p._value) for p in module.state().values() if not _is_stored(p)]
    make_ready(module, binding, values, keywords)
    try:
        run = module._isomorph.run
        if run is None:
            run = module._isomorph.run = binding.adapter.runner(binding, module)
        output = run(*values, **keywords)
    except Exception as cause:
        if waiting:
            _take_back(binding, waiting)
        if isinstance(cause, IsomorphError):
            raise
        raise module._native_failure(inputs, cause) from cause
    if len(inputs) == 1 and not named and len(getattr(inputs[0], "shape", ())) > 1:
        _remember(module, binding, inputs[0], values[0], run)
    return output


def _is_stored(parameter: Parameter) -> bool:
    slot = parameter._slot
    return slot is not None and slot.binding.adapter.is_ready(slot)


def _take_back(binding: Binding, waiting: list[tuple[Parameter, Any, Any]]) -> None:
    """Undo the shapes and values that a failed first call gave; the net is lowered anew."""
    for parameter, shape, value in waiting:
        parameter._slot, parameter._shape, parameter._value = None, shape, value
    bind(binding.root, binding.adapter, binding.options)


def _remember(module: Module, binding: Binding, given: Any, prepared: Any, run: Callable[..., Any]) -> None:
    """Let later calls with such an input skip all of this. One rank or less is checked always."""
    key = (type(given), given.shape[1:], given.dtype)
    if given is prepared:
        direct = run
    else:
        def direct(x: Any) -> Any:
            return run(prepare(module, binding, x))
    try:
        module._isomorph.runs[key] = direct
    except TypeError:  # a framework's shape that can't be hashed: such calls are checked always
        return


def _choose_backend(module: Module, values: list[Any]) -> None:
    if module._isomorph.binding is not None or module.root._isomorph.binding is not None:
        return
    name = None
    for value in values:
        owner = registry.owner_of(value) if hasattr(value, "shape") else None
        if owner is not None and owner.name != registry.DEFAULT:
            name = owner.name
            break
    root = module.root
    bind(root, registry.backend(name or registry.default_backend()), root._isomorph.options)


def prepare(module: Module, binding: Binding, value: Any) -> Any:
    """Return an input as a native tensor; other values as they are."""
    adapter = binding.adapter
    dtype = binding.options.dtype
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
            raise DTypeMismatchError.at(
                module.label, "numeric", array.dtype, "Convert the array to numbers first."
            )
        return adapter.from_numpy(_cast(array, dtype) if array.dtype.kind == "f" else array, binding.options)
    if adapter.owns(value):
        return adapter.accept(value, binding.options)
    if hasattr(value, "shape"):
        owner = registry.owner_of(value)
        raise MixedBackendsError.at(
            module.label, adapter.name, owner.name if owner else type(value).__name__
        )
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (int, float, list, tuple)):
        raise InvalidArgumentError.of(
            module.label, "each input", "an array or tensor", value, "Use numpy.asarray(...) on it."
        )
    return value


def make_ready(
    module: Module, binding: Binding, values: list[Any], keywords: dict[str, Any]
) -> None:
    """Check the inputs' shapes and types, and give every parameter shape and values."""
    specs = tuple(_spec(module, binding, value) for value in values)
    named = {name: _spec(module, binding, value) for name, value in keywords.items()}
    parameters = list(module.state().values())
    with shapes_kept(module):
        with tracing_shapes(module) as trace:
            run_trace(module, specs, named)
        _agree(binding, trace)
        waiting = [p for p in parameters if not p.is_ready]
        _require_sizes(waiting)
        draw_values(waiting)
        store(parameters)
    _remember_inputs(trace)


def _spec(module: Module, binding: Binding, value: Any) -> Any:
    if not binding.adapter.owns(value):
        return value
    spec = binding.adapter.spec(value)
    dtype = binding.options.dtype
    if spec.dtype in FLOATS and spec.dtype != dtype:
        raise DTypeMismatchError.at(
            module.label, dtype, spec.dtype,
            f'Cast the input, or the net with net.to(dtype="{spec.dtype}").',
        )
    return spec


def _agree(binding: Binding, trace: Trace) -> None:
    """Compare the framework's own inference with ours, once for each module."""
    calls = [
        call
        for key, call in trace.calls.items()
        if key not in binding.checked and call.module.own_parameters()
    ]
    if not calls:
        return
    native = binding.adapter.infer(binding, calls)
    for call in calls:
        for parameter in call.module.own_parameters().values():
            slots = [s for s in binding.slots.get(id(parameter), []) if s.module is call.module]
            shape = native.get(id(parameter))
            received = slots[0].canonical_shape(shape) if slots and shape is not None else shape
            if received != tuple(parameter.shape):
                raise AdapterDisagreementError.at(
                    parameter.name, binding.adapter.name, parameter.shape, received
                )
    binding.checked.update(id(call.module) for call in calls)


def _require_sizes(waiting: list[Parameter]) -> None:
    unknown = [p for p in waiting if not p.shape.is_known]
    if unknown:
        first = unknown[0]
        raise StructureError(
            f"{first.name} still has the shape {first.shape} after a call on data: "
            f"forward never reached its layer, or its module has no build that sets it.\n"
            "  Use it in forward, give its size, or take it out of the net.",
            path=first.name,
        )


def apply_init(module: Module, inputs: Any, init: Any, seed: int | None) -> None:
    """Infer sizes from inputs, then initialize; see `Module.apply_init`."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    if isinstance(inputs, (tuple, list)) and all(isinstance(size, (int, type(None))) for size in inputs):
        given = (tuple(inputs),)
    _choose_backend(module, list(given))
    infer(module, tuple(_as_spec(module, value) for value in given))
    draw = [p for p in module.state().values() if not p.is_ready]
    request(module, init, seed, force=init is not None or (seed is not None and not draw))


def _as_spec(module: Module, value: Any) -> Any:
    owner = registry.owner_of(value) if hasattr(value, "shape") and not isinstance(value, TensorSpec) else None
    if owner is None:
        return value
    spec = owner.spec(value)
    return TensorSpec(spec.shape, module.dtype if spec.dtype in FLOATS else spec.dtype)


def gradients(
    module: Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
) -> dict[str, Any]:
    """Return gradients by canonical path; see `Module.gradients`."""
    _choose_backend(module, list(inputs))
    binding = bound(module)
    values = [prepare(module, binding, value) for value in inputs]
    make_ready(module, binding, values, {})
    found = binding.adapter.gradients(binding, module, loss, tuple(values))
    binding.memory.setdefault("gradients", {}).update(found)
    result = {}
    for path, parameter in module.parameters().items():
        slot = parameter._slot
        if slot is not None and id(parameter) in found:
            result[path] = np.array(slot.to_canonical(found[id(parameter)]))
    return result

"""A net called on data: checked, made ready, run natively."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import registry
from .binding import Binding
from .errors import (
    AdapterDisagreementError,
    DTypeMismatchError,
    InvalidArgumentError,
    IsomorphError,
    MixedBackendsError,
    StructureError,
)
from .inference import infer, remember_inputs, run_trace
from .init.streams import cast
from .initialize import draw_values, request, store
from .lowering import bind, bound
from .nn.module import Module
from .nn.norm import BatchNorm
from .parameter import Parameter
from .tensor import FLOATS, TensorSpec
from .trace import Trace, shapes_kept, tracing_shapes

# Threads that meet a net before it is ready take turns in making it so.
_LOCK = threading.RLock()


def call(module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a net on data: the first time this infers, initializes and lowers what is missing.

    A later call with inputs of the same types and feature sizes runs natively at once.
    """
    with _LOCK, _all_or_nothing(module) as is_first:
        _choose_backend(module, [*inputs, *named.values()])
        binding = bound(module)
        values = [prepare(module, binding, value) for value in inputs]
        keywords = {name: prepare(module, binding, value) for name, value in named.items()}
        make_ready(module, binding, values, keywords)
        run = module._isomorph.run
        if run is None:
            run = module._isomorph.run = binding.adapter.runner(binding, module)
            binding.has_runs = True
        output = _run(module, run, values, keywords) if is_first else None
    if not is_first:
        output = _run(module, run, values, keywords)
    if len(inputs) == 1 and not named and len(getattr(inputs[0], "shape", ())) > 1:
        _remember(module, binding, inputs[0], values[0], run)
    return output


def _run(module: Module, run: Callable[..., Any], values: list[Any], keywords: dict[str, Any]) -> Any:
    try:
        return run(*values, **keywords)
    except IsomorphError:
        raise
    except Exception as cause:
        raise module._native_failure(tuple(values), cause) from cause


@contextmanager
def _all_or_nothing(module: Module) -> Iterator[bool]:
    """On any exception inside, give the net the shapes, values and backend it had before.

    Yields whether something waits for its first values.
    """
    root = module.root
    bound_before = root._isomorph.binding is not None
    if bound_before:
        bound(root)  # an edited tree is lowered anew before what there is is noted
    state = list(root.state().values())
    before = [(p, p._shape, p._value, p._slot) for p in state if not _is_stored(p)]
    try:
        yield bool(before)
    except BaseException:
        binding = root._isomorph.binding
        fresh = any(_is_stored(parameter) for parameter, *_ in before)
        for parameter, shape, value, slot in before:
            parameter._shape, parameter._value = shape, value
            parameter._slot = None if fresh or not bound_before else slot
        if binding is not None and not bound_before:
            for _, each in root.named_modules():
                each._isomorph.binding = None
                each._isomorph.forget_runs()
        elif binding is not None and fresh:
            bind(binding.root, binding.adapter, binding.options)
        raise


def _is_stored(parameter: Parameter) -> bool:
    slot = parameter._slot
    return slot is not None and slot.binding.adapter.is_ready(slot)


def _remember(module: Module, binding: Binding, given: Any, prepared: Any, run: Callable[..., Any]) -> None:
    """Let later calls with such an input skip all of this. One rank or less is checked always."""
    key = (type(given), given.shape[1:], given.dtype)
    normalizes = any(isinstance(each, BatchNorm) and each.training for _, each in module.named_modules())
    direct = run
    if given is not prepared:

        def direct(x: Any) -> Any:
            return run(prepare(module, binding, x))

    def checked(x: Any) -> Any:
        # A batch of one has no variance: its shape is checked each time.
        return direct(x) if x.shape[0] > 1 else call(module, (x,), {})

    try:
        module._isomorph.runs[key] = checked if normalizes else direct
    except TypeError:  # a framework's shape that can't be hashed: such calls are checked always
        return


def _choose_backend(module: Module, values: list[Any]) -> None:
    if module._isomorph.binding is not None or module.root._isomorph.binding is not None:
        return
    name = None
    for value in values:
        # NumPy's arrays are anyone's input, also where a framework computes on them itself.
        is_native = hasattr(value, "shape") and not isinstance(value, (np.ndarray, np.generic))
        owner = registry.owner_of(value) if is_native else None
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
        return adapter.from_numpy(cast(array, dtype) if array.dtype.kind == "f" else array, binding.options)
    if adapter.owns(value):
        return adapter.accept(value, binding.options)
    if hasattr(value, "shape"):
        owner = registry.owner_of(value)
        raise MixedBackendsError.at(module.label, adapter.name, owner.name if owner else type(value).__name__)
    if isinstance(value, (list, tuple, dict)) and any(
        isinstance(each, (list, tuple)) or hasattr(each, "shape") or isinstance(each, float)
        for each in (value.values() if isinstance(value, dict) else value)
    ):
        raise InvalidArgumentError.of(
            module.label,
            "each input",
            "an array or tensor",
            value,
            "Use numpy.asarray(...); pass a container's tensors singly.",
        )
    return value


def make_ready(module: Module, binding: Binding, values: list[Any], keywords: dict[str, Any]) -> None:
    """Check the inputs' shapes and types, and give every parameter shape and values."""
    specs = tuple(_spec(module, binding, value) for value in values)
    named = {name: _spec(module, binding, value) for name, value in keywords.items()}
    parameters = _with_siblings(list(module.state().values()))
    with shapes_kept(module):
        with tracing_shapes(module) as trace:
            run_trace(module, specs, named)
        _agree(binding, trace)
        waiting = [p for p in parameters if not p.is_ready]
        _require_sizes(waiting)
        draw_values(waiting)
        store(parameters)
    remember_inputs(trace)


def check_shapes(module: Module, inputs: tuple[Any, ...]) -> None:
    """Raise what explains a failed native call, if its shapes do; nothing changes.

    Most calls skip this: a batch of another size fits, unless a `forward` made features of it.
    """
    binding = bound(module)
    specs = tuple(_spec(module, binding, prepare(module, binding, value)) for value in inputs)
    with shapes_kept(module, always=True), tracing_shapes(module):
        run_trace(module, specs, {})


def _with_siblings(parameters: list[Parameter]) -> list[Parameter]:
    """Return parameters with those of the layers that own them: a shared one's owner may be elsewhere."""
    found = {id(p): p for parameter in parameters for p in (parameter, *parameter._siblings())}
    return list(found.values())


def _spec(module: Module, binding: Binding, value: Any) -> Any:
    if not binding.adapter.owns(value):
        return value
    spec = binding.adapter.spec(value)
    dtype = binding.options.dtype
    if spec.dtype in FLOATS and spec.dtype != dtype:
        raise DTypeMismatchError.at(
            module.label,
            dtype,
            spec.dtype,
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
            f"{first.name} still has the shape {first.shape} after its inputs were seen: "
            f"forward never reached its layer, or its module has no build that sets it.\n"
            "  Use it in forward, give its size, or take it out of the net.",
            path=first.name,
        )


def apply_init(module: Module, inputs: Any, init: Any, seed: int | None) -> None:
    """Infer sizes from inputs, then initialize; see `Module.apply_init`."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    if isinstance(inputs, (tuple, list)) and all(isinstance(size, (int, type(None))) for size in inputs):
        given = (tuple(inputs),)
    with _LOCK, _all_or_nothing(module):
        _choose_backend(module, list(given))
        infer(module, tuple(_as_spec(module, value) for value in given), {})
        waiting = [p for p in module.state().values() if not p.is_ready]
        _require_sizes(waiting)
        request(module, init, seed, force=init is not None or (seed is not None and not waiting))


def _as_spec(module: Module, value: Any) -> Any:
    owner = (
        registry.owner_of(value) if hasattr(value, "shape") and not isinstance(value, TensorSpec) else None
    )
    if owner is None:
        return value
    spec = owner.spec(value)
    return TensorSpec(spec.shape, module.dtype if spec.dtype in FLOATS else spec.dtype)


def gradients(module: Module, loss: Callable[..., Any], inputs: tuple[Any, ...]) -> dict[str, Any]:
    """Return gradients by canonical path; see `Module.gradients`."""
    with _LOCK, _all_or_nothing(module):
        _choose_backend(module, list(inputs))
        binding = bound(module)
        values = [prepare(module, binding, value) for value in inputs]
        make_ready(module, binding, values, {})
        binding.has_runs = True
        found = binding.adapter.gradients(binding, module, loss, tuple(values))
    kept, result = binding.memory.setdefault("gradients", {}), {}
    for path, parameter in module.parameters().items():
        gradient, slot = found.get(id(parameter)), parameter._slot
        if slot is None or gradient is None or not parameter.trainable:
            kept.pop(id(parameter), None)
        else:
            kept[id(parameter)], result[path] = gradient, np.array(slot.to_canonical(gradient))
    return result

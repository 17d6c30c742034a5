"""A net called on data: checked, made ready, run natively."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import registry
from .adapter import Binding, Signature
from .errors import (
    AdapterDisagreementError,
    IsomorphError,
    StructureError,
)
from .inference import infer, remember_inputs, run_trace
from .initialize import draw_values, siblings, store
from .inputs import input_spec, ordered, prepare, prepared
from .lowering import bind, bound
from .parameter import Parameter
from .remember import remember
from .shape import Dim
from .snapshot import Snapshot
from .structure import Structure, flatten, is_array, map_leaves, unflatten
from .tensor import FLOATS, TensorSpec
from .trace import Trace, by_position, shapes_kept, tracing_shapes
from .tree import Tree, locked


def call(module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a net on data: the first time this infers, initializes and lowers what is missing.

    A later call with inputs of the same types and feature sizes runs natively at once.
    """
    with locked(module), natives_kept(module) as is_first:
        _choose_backend(module, flatten((inputs, named), is_array)[0])
        binding = bound(module)
        given, structure = flatten(ordered(binding, module, inputs, named), is_array)
        values = prepared(module, binding, given, structure)
        signature = make_ready(module, binding, values, structure)
        run = binding.adapter.runner(binding, module, signature)
        binding.has_runs = True
        output = _run(module, run, values, structure) if is_first else None
        remember(module, binding, (inputs, named), given, values, signature, run)
    return output if is_first else _run(module, run, values, structure)


def call_each(row: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call modules of a net one after the other, once the shapes fit all of them."""
    first = row[0]
    with locked(first), natives_kept(first):
        as_specs = map_leaves(lambda leaf: _as_spec(first, leaf), (inputs, named), is_array)
        infer(row, *as_specs)
        return row.forward(*inputs, **named)


def _run(module: Tree, run: Callable[..., Any], values: list[Any], structure: Structure) -> Any:
    inputs, named = unflatten(structure, values)
    try:
        return run(*inputs, **named)
    except IsomorphError:
        raise
    except Exception as cause:
        raise module._native_failure(inputs, named, cause) from cause


@contextmanager
def natives_kept(module: Tree) -> Iterator[bool]:
    """On any exception inside, give the net the shapes, values and backend it had before.

    Yields whether something waits for its first values.
    """
    root = module.root
    bound_before = root._isomorph.binding is not None
    if bound_before:
        bound(root)  # an edited tree is lowered anew before what there is is noted
    waiting = [p for p in root.state().values() if not _is_stored(p)]
    before = Snapshot().keep(waiting, "_shape", "_value", "_slot")
    restore = _restorer(root) if bound_before and waiting else None
    checked = set(root._isomorph.binding.checked) if restore is not None else set()
    try:
        yield bool(waiting)
    except BaseException:
        binding = root._isomorph.binding
        fresh = any(_is_stored(parameter) for parameter in waiting)
        before.restore()
        if fresh and restore is not None:
            restore()
            binding.checked &= checked
            binding.forget_runs()
            raise
        if fresh or not bound_before:
            for parameter in waiting:
                parameter._slot = None
        if binding is not None and not bound_before:
            for _, each in root.named_modules():
                each._isomorph.binding = None
                each._isomorph.forget_runs()
        elif binding is not None and fresh:
            bind(binding.root, binding.adapter, binding.options)
        raise


def _restorer(root: Tree) -> Callable[[], None] | None:
    binding = root._isomorph.binding
    return binding.adapter.restorer(binding) if binding is not None else None


def _is_stored(parameter: Parameter) -> bool:
    return parameter._slot is not None and parameter._slot.is_ready


def _choose_backend(module: Tree, values: list[Any]) -> None:
    if module._isomorph.binding is not None or module.root._isomorph.binding is not None:
        return
    # NumPy's arrays are anyone's input, also where a framework computes on them itself.
    natives = [value for value in values if not isinstance(value, (np.ndarray, np.generic))]
    owners = [owner.name for owner in map(registry.owner_of, natives) if owner is not None]
    name = next((name for name in owners if name != registry.DEFAULT), None)
    root = module.root
    bind(root, registry.backend(name or registry.default_backend()), root._isomorph.options)


def make_ready(module: Tree, binding: Binding, values: list[Any], structure: Structure) -> Signature:
    """Check the inputs' shapes and types, and give every parameter shape and values."""
    specs = [input_spec(module, binding, value) for value in values]
    parameters = _with_siblings(list(module.state().values()))
    with shapes_kept(module):
        with tracing_shapes(module) as trace:
            run_trace(module, *unflatten(structure, specs))
        _agree(binding, trace)
        waiting = [p for p in parameters if not p.is_ready]
        _require_sizes(waiting)
        draw_values(waiting)
        store(parameters)
    remember_inputs(trace)
    binding.memory.setdefault("by_keyword", set()).update(trace.by_keyword)
    asks = frozenset[str]()
    if binding.adapter.opens_batch and binding.options.compile is not False:
        asks = _asked(module, structure, specs)
    return Signature(structure, tuple(specs), asks, trace.updates)


def _asked(module: Tree, structure: Structure, specs: list[TensorSpec]) -> frozenset[str]:
    """Return what forward asks in Python of the batch's size, by a pass that leaves it open."""
    opened = [
        spec.with_shape((Dim.symbol(f"n{spec.shape[0]}", spec.shape[0]), *spec.shape[1:]))
        if spec.ndim > 1
        else spec
        for spec in specs
    ]
    trace = None
    try:
        with shapes_kept(module, always=True), tracing_shapes(module) as trace:
            output = run_trace(module, *unflatten(structure, opened))
    except Exception:
        # Where a size left open fails, the batch's size is taken for asked.
        return frozenset({"size", *(trace.asks if trace is not None else ())})
    returned = flatten(output, lambda value: isinstance(value, Dim))[0]
    return frozenset(trace.asks | {"size"} if returned else trace.asks)


def check_shapes(module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise what explains a failed native call, if its shapes do; nothing changes.

    Most calls skip this: a batch of another size fits, unless a `forward` made features of it.
    """
    binding = bound(module)
    arguments = map_leaves(
        lambda value: input_spec(module, binding, prepare(module, binding, value)), (inputs, named), is_array
    )
    with shapes_kept(module, always=True), tracing_shapes(module):
        run_trace(module, *arguments)


def _with_siblings(parameters: list[Parameter]) -> list[Parameter]:
    """Return parameters with those of the layers that own them: a shared one's owner may be elsewhere."""
    found = {id(p): p for parameter in parameters for p in (parameter, *siblings(parameter))}
    return list(found.values())


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


def apply_init(module: Tree, inputs: Any, init: Any, seed: int | None) -> None:
    """Infer sizes from inputs, then initialize; see `Module.apply_init`."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    if isinstance(inputs, (tuple, list)) and all(isinstance(size, (int, type(None))) for size in inputs):
        given = (tuple(inputs),)
    with locked(module), natives_kept(module):
        _choose_backend(module, [leaf for leaf in flatten(given, is_array)[0] if not _is_spec(leaf)])
        infer(module, tuple(map_leaves(lambda leaf: _as_spec(module, leaf), given, is_array)), {})
        waiting = [p for p in module.state().values() if not p.is_ready]
        _require_sizes(waiting)
        module.initialize(init, seed=seed, force=init is not None or (seed is not None and not waiting))


def _is_spec(value: Any) -> bool:
    return isinstance(value, TensorSpec)


def _as_spec(module: Tree, value: Any) -> Any:
    owner = None if _is_spec(value) else registry.owner_of(value)
    if owner is None:
        return value
    spec = owner.spec(value)
    return TensorSpec(spec.shape, module.dtype if spec.dtype in FLOATS else spec.dtype)


def gradients(
    module: Tree, loss: Callable[..., Any], inputs: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """Return gradients by canonical path; see `Module.gradients`."""
    with locked(module), natives_kept(module):
        _choose_backend(module, flatten((inputs, named), is_array)[0])
        binding = bound(module)
        arguments = by_position(module, inputs, named) if named else inputs
        given, structure = flatten((arguments, {}), is_array)
        values = prepared(module, binding, given, structure)
        signature = make_ready(module, binding, values, structure)
        binding.has_runs = True
        positional, _ = unflatten(structure, values)
        found = binding.adapter.gradients(binding, module, loss, positional, signature)
    kept, result = binding.memory.setdefault("gradients", {}), {}
    for path, parameter in module.parameters().items():
        gradient, slot = found.get(id(parameter)), parameter._slot
        if slot is None or gradient is None or not parameter.trainable:
            kept.pop(id(parameter), None)
        else:
            canonical = binding.slots[id(parameter)][0].to_canonical(gradient)
            kept[id(parameter)], result[path] = gradient, np.array(canonical)
    return result

"""Shapes through a net, without a framework: `Module.infer`."""

from __future__ import annotations

from typing import Any

from .errors import (
    InvalidArgumentError,
    ShapeMismatchError,
    StructureError,
)
from .structure import flatten, is_array
from .tensor import input_specs
from .trace import Trace, shapes_kept, shapes_of, tracing_shapes
from .tree import Tree


def infer(module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Infer every size from input specs; see `Module.infer`."""
    if not inputs and not named:
        raise InvalidArgumentError.of("infer", "inputs", "the shape of each input", ())
    specs, keywords = argument_specs(inputs, named)
    with shapes_kept(module), tracing_shapes(module) as trace:
        output = run_trace(module, specs, keywords)
    remember_inputs(trace)
    return output


def argument_specs(inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return specs for shapes, arrays and specs, nested ones too; infer(2, 20) is infer((2, 20))."""
    if inputs and all(isinstance(size, int) for size in inputs):
        inputs = (inputs,)
    specs = input_specs((*inputs, *named.values()))
    if not flatten(specs, is_array)[0]:
        expected, received = "a shape such as (None, 20), an array or a TensorSpec", next(iter(inputs), None)
        raise InvalidArgumentError.of("infer", "input 0", expected, received)
    return tuple(specs[: len(inputs)]), dict(zip(named, specs[len(inputs) :]))


def run_trace(module: Tree, specs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Send specs through a net while tracing; an input without elements raises at once."""
    for name, given in (*enumerate(specs), *named.items()):
        for spec in flatten(given, is_array)[0]:
            if 0 in spec.shape[1:]:
                raise ShapeMismatchError.at(
                    module.label,
                    f"input {name} to have no dimension of size",
                    "zero",
                    spec,
                    "Only the batch, the first axis, may be empty.",
                )
    try:
        return module(*specs, **named)
    except RecursionError:
        raise StructureError.too_deep(module.label) from None


def remember_inputs(trace: Trace) -> None:
    """Let a later mismatch say which input a layer was sized by."""
    for call in trace.calls.values():
        call.module._isomorph.seen = call.module._isomorph.seen or shapes_of(call.inputs)

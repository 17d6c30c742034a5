"""Shapes through a net, without a framework: `Module.infer`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import (
    InvalidArgumentError,
    ShapeMismatchError,
)
from .nn.module import Module
from .tensor import TensorSpec, input_specs
from .trace import Trace, shapes_kept, shapes_of, tracing_shapes


def infer(module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Infer every size from input specs; see `Module.infer`."""
    if not inputs and not named:
        raise InvalidArgumentError.of("infer", "inputs", "the shape of each input", ())
    specs = input_specs(one_shape(inputs) if inputs else ())
    keywords = {
        name: input_specs([value])[0] if isinstance(value, (tuple, TensorSpec, np.ndarray)) else value
        for name, value in named.items()
    }
    with shapes_kept(module), tracing_shapes(module) as trace:
        output = run_trace(module, tuple(specs), keywords)
    remember_inputs(trace)
    return output


def one_shape(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Accept infer(2, 20) for infer((2, 20))."""
    return (inputs,) if all(isinstance(size, int) for size in inputs) else inputs


def run_trace(module: Module, specs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Send specs through a net while tracing; an input without elements raises at once."""
    for name, spec in (*enumerate(specs), *named.items()):
        if isinstance(spec, TensorSpec) and 0 in spec.shape[1:]:
            raise ShapeMismatchError.at(
                module.label,
                f"input {name} to have no dimension of size",
                "zero",
                spec,
                "Only the batch, the first axis, may be empty.",
            )
    return module(*specs, **named)


def remember_inputs(trace: Trace) -> None:
    """Let a later mismatch say which input a layer was sized by."""
    for call in trace.calls.values():
        call.module._isomorph.seen = call.module._isomorph.seen or shapes_of(call.inputs)

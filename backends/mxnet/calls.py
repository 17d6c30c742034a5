"""Bound calls: a module's compiled graph, or the native block itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Binding, TensorSpec
from isomorph.errors import ForwardError, LayerNotSupportedError

from .composite import by_position
from .framework import NDArray, Symbol, Trace, autograd, drain, mx, set_np_shape, state, tracing, wait

LEAF = "tensor"


class Run:
    """A module's bound call, in the mode it was in when this was made."""

    def __init__(self, binding: Binding, module: nn.Module) -> None:
        self.module, self.native = module, binding.native(module)
        self.compile = binding.options.compile
        self.training = any(each.training for _, each in module.named_modules())
        self.needs_sizes = False
        self.graphs: dict[Any, Graph] = {}

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if named:
            inputs = by_position(self.module, inputs, named)
        np_shape, training = set_np_shape(1), autograd.set_training(self.training)
        bound, state.is_bound = state.is_bound, True
        try:
            return self._eager(inputs) if self.compile is False else self._compiled(inputs)
        except Exception:
            drain()
            output = self._empty(inputs)
            if output is None:
                raise
            return output
        finally:
            state.is_bound = bound
            if training is not self.training:
                autograd.set_training(training)
            if not np_shape:
                set_np_shape(0)

    def _eager(self, inputs: tuple[Any, ...]) -> Any:
        with mx.util.np_array(True):
            output = self.native(*inputs)
        wait(output)
        return output

    def _compiled(self, inputs: tuple[Any, ...]) -> Any:
        arrays: list[Any] = []
        try:
            form = flatten(inputs, arrays, NDArray)
            graph = self.graphs.get(self._key(form, arrays))
            if graph is None:
                return self._traced(form, arrays)
        except Exception as cause:
            return self._untraced(inputs, cause)
        return graph(arrays)

    def _key(self, form: Any, arrays: list[Any]) -> Any:
        """Return what a graph depends on: never the batch, and other sizes only if it asked for them."""
        sizes = [array.shape[1:] for array in arrays] if self.needs_sizes else ()
        return (form, *[array.dtype for array in arrays], *sizes)

    def _traced(self, form: Any, arrays: list[Any]) -> Any:
        graph = Graph(self.native, form, arrays)
        output = graph(arrays)
        self.needs_sizes |= graph.needs_sizes
        self.graphs[self._key(form, arrays)] = graph
        return output

    def _untraced(self, inputs: tuple[Any, ...], cause: Exception) -> Any:
        drain()
        if self.compile:
            raise LayerNotSupportedError.at(
                self.module.label, "mxnet", f"compile=True: {type(cause).__name__}: {cause}",
                "Gluon could not trace this forward with symbols; use compile=None or False.", "compile",
            ) from cause  # fmt: skip
        output = self._eager(inputs)
        self.compile = False
        return output

    def _empty(self, inputs: tuple[Any, ...]) -> Any:
        """Answer an empty batch, which MXNet's operators refuse, by the shape rules."""
        arrays: list[Any] = []
        form = flatten(inputs, arrays, NDArray)
        if all(array.size for array in arrays):
            return None
        specs = [TensorSpec(array.shape, np.dtype(array.dtype).name) for array in arrays]
        outputs: list[Any] = []
        form = flatten(self.module.infer(*regroup(form, iter(specs))), outputs, TensorSpec)
        if any(0 not in spec.shape for spec in outputs):
            return None
        context = arrays[0].ctx
        return regroup(form, (mx.np.zeros(each.shape, each.dtype, ctx=context) for each in outputs))


class Graph:
    """A block traced with symbols, as `hybridize` does, without changing the block.

    It differs in three things: any nesting of outputs, each module's own `training`, and running
    statistics, which leave the graph as outputs and are stored when the forward is done.
    """

    def __init__(self, native: Any, form: Any, arrays: list[Any]) -> None:
        shapes = {f"data{i}": array.shape for i, array in enumerate(arrays)}
        symbols = [mx.sym.var(f"data{i}", dtype=x.dtype).as_np_ndarray() for i, x in enumerate(arrays)]
        trace = Trace(shapes)
        with tracing(trace), mx.util.np_array(True):
            output = native(*regroup(form, iter(symbols)))
        outputs: list[Any] = []
        self.form = flatten(output, outputs, Symbol)
        self.size = len(outputs)
        self.needs_sizes = trace.needs_sizes
        self.updated = [block for block, _, _ in trace.updates]
        outputs += [statistic for _, *both in trace.updates for statistic in both]
        group = mx.sym.Group(outputs, Symbol)
        parameters = {p.name: p for p in native._collect_params_with_prefix().values()}
        positions = {name: i for i, name in enumerate(shapes)}
        self.sources: list[Any] = [positions.get(name, parameters.get(name)) for name in group.list_inputs()]
        data = [i for i, source in enumerate(self.sources) if isinstance(source, int)]
        rest = [i for i, source in enumerate(self.sources) if not isinstance(source, int)]
        self.op = mx.nd.CachedOp(group, [("data_indices", data), ("param_indices", rest)])

    def __call__(self, arrays: list[Any]) -> Any:
        found = self.op(*[arrays[s] if type(s) is int else s.data() for s in self.sources])
        wait(found)
        if self.form is LEAF and not self.updated:
            return found
        found = found if isinstance(found, list) else [found]
        statistics = iter(found[self.size :])
        for block in self.updated:
            block.update(next(statistics), next(statistics))
        return regroup(self.form, iter(found))


def flatten(value: Any, leaves: list[Any], kind: type) -> Any:
    """Append the tensors in a nested value to `leaves`; return what is around them."""
    if isinstance(value, kind):
        if kind is Symbol and value.num_outputs > 1:
            raise ForwardError("a symbol of several outputs is no tensor; take its parts.")
        leaves.append(value)
        return LEAF
    if isinstance(value, (list, tuple)):
        return (type(value), *[flatten(each, leaves, kind) for each in value])
    if isinstance(value, dict):
        return (type(value), tuple(value), *[flatten(each, leaves, kind) for each in value.values()])
    if kind is Symbol and not (value is None or isinstance(value, (bool, int, float, str))):
        raise ForwardError(f"a {type(value).__name__} can't leave a compiled graph.")
    return (None, type(value), value)


def regroup(form: Any, leaves: Iterator[Any]) -> Any:
    """Return the nested value that `flatten` took apart, with these tensors in it."""
    if form is LEAF:
        return next(leaves)
    kind, *rest = form
    if kind is None:
        return rest[1]
    if issubclass(kind, dict):
        return kind(zip(rest[0], [regroup(each, leaves) for each in rest[1:]], strict=True))
    items = [regroup(each, leaves) for each in rest]
    return kind(*items) if hasattr(kind, "_fields") else kind(items)

"""Bound calls: a module's compiled graph, or the native block itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import LEAF, Binding, Signature, TensorSpec, flatten, unflatten
from isomorph.errors import ForwardError, LayerNotSupportedError

from .framework import NDArray, Symbol, Trace, autograd, drain, mx, set_np_shape, state, tracing, wait
from .hybrid import keep, sizes_of
from .values import store_updates, updating


class Run:
    """A module's bound call with arguments of one kind, in the mode it was in when this was made."""

    def __init__(self, binding: Binding, module: nn.Module, signature: Signature) -> None:
        self.module, self.native = module, binding.native(module)
        self.compile = binding.options.compile
        self.training = any(each.training for _, each in module.named_modules())
        self.structure = signature.structure
        self.places = _places(signature)
        structure = _hashable(signature.structure)
        if structure is None and self.compile is None:
            self.compile = False
        self.kind = (id(module), structure or self, *(spec.dtype for spec in signature.specs))
        self.graphs = binding.memory.setdefault("graphs", {})
        kinds = binding.memory.setdefault("kinds", {})
        if self.kind not in kinds:
            keep(kinds, self.kind, {"asked": set()})
        self.about: dict[str, Any] = kinds[self.kind]

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        np_shape, training = set_np_shape(1), autograd.set_training(self.training)
        bound, state.is_bound = state.is_bound, True
        try:
            if self.compile is False or "untraced" in self.about:
                return self._eager(inputs, named)
            return self._compiled(inputs, named)
        except Exception:
            drain()
            output = self._empty(inputs, named)
            if output is None:
                raise
            return output[0]
        finally:
            state.is_bound = bound
            if training is not self.training:
                autograd.set_training(training)
            if not np_shape:
                set_np_shape(0)

    def _eager(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        with mx.util.np_array(True), updating():
            output = self.native(*inputs, **named)
            wait(output)
        return output

    def _compiled(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        places = self.places
        if places is None:
            arrays = flatten((inputs, named), _is_array)[0]
        else:
            given = (*inputs, *named.values()) if named else inputs
            arrays = given if len(given) == len(places) else [given[i] for i in places]
        asked = self.about["asked"]
        graph = self.graphs.get((self.kind, sizes_of(arrays, asked)) if asked else self.kind)
        return self._traced(arrays, inputs, named) if graph is None else graph(arrays)

    def _traced(self, arrays: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        try:
            graph = Graph(self.native, self.structure, arrays)
        except Exception as cause:
            return self._untraced(inputs, named, cause)
        asked = self.about["asked"]
        asked |= graph.asked
        output = graph(arrays)
        keep(self.graphs, (self.kind, sizes_of(arrays, asked)) if asked else self.kind, graph)
        return output

    def _untraced(self, inputs: tuple[Any, ...], named: dict[str, Any], cause: Exception) -> Any:
        drain()
        if self.compile:
            raise LayerNotSupportedError.at(
                self.module.label, "mxnet", f"compile=True: {type(cause).__name__}: {cause}",
                "Gluon could not trace this forward with symbols; use compile=None or False.", "compile",
            ) from cause  # fmt: skip
        output = self._eager(inputs, named)
        self.about["untraced"] = True
        return output

    def _empty(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> list[Any] | None:
        """Answer an empty batch, which MXNet's operators refuse, by the shape rules."""
        arrays, structure = flatten((inputs, named), _is_array)
        if all(array.size for array in arrays):
            return None
        specs = [TensorSpec(array.shape, np.dtype(array.dtype).name) for array in arrays]
        given, keywords = unflatten(structure, specs)
        outputs, form = flatten(
            self.module.infer(*given, **keywords), lambda each: isinstance(each, TensorSpec)
        )
        if any(0 not in spec.shape for spec in outputs):
            return None
        context = arrays[0].ctx
        return [unflatten(form, [mx.np.zeros(each.shape, each.dtype, ctx=context) for each in outputs])]


def _is_array(value: Any) -> bool:
    return isinstance(value, NDArray)


def _hashable(structure: Any) -> Any:
    """Return a structure, None if something static in it can't be hashed."""
    try:
        hash(structure)
    except TypeError:
        return None
    return structure


def _places(signature: Signature) -> list[int] | None:
    """Return which arguments are tensors, None if some are inside others."""
    _, _, (_, _, *inputs), (_, _, *named) = signature.structure
    given = [*inputs, *named]
    if any(each is not LEAF and each[0] is not None for each in given):
        return None
    return [place for place, each in enumerate(given) if each is LEAF]


class Graph:
    """A block traced with symbols, as `hybridize` does, without changing the block.

    It differs in three things: any nesting of inputs and outputs, each module's own `training`, and
    parameters that are updated, whose new values leave the graph as outputs.
    """

    def __init__(self, native: Any, structure: Any, arrays: Any) -> None:
        shapes = {f"data{i}": array.shape for i, array in enumerate(arrays)}
        symbols = [mx.sym.var(f"data{i}", dtype=x.dtype).as_np_ndarray() for i, x in enumerate(arrays)]
        trace = Trace(shapes, arrays[0].ctx if len(arrays) else None)
        inputs, named = unflatten(structure, symbols)
        with tracing(trace), mx.util.np_array(True):
            output = native(*inputs, **named)
        outputs, self.form = flatten(output, _is_symbol)
        _require_plain(self.form)
        self.size, self.asked = len(outputs), trace.asked
        self.updated = list(trace.updates)
        group = mx.sym.Group([*outputs, *trace.updates.values()], Symbol)
        parameters = {p.name: p for p in native._collect_params_with_prefix().values()} | trace.constants
        positions = {name: i for i, name in enumerate(shapes)}
        self.sources: list[Any] = [positions.get(name, parameters.get(name)) for name in group.list_inputs()]
        data = [i for i, source in enumerate(self.sources) if isinstance(source, int)]
        rest = [i for i, source in enumerate(self.sources) if not isinstance(source, int)]
        self.op = mx.nd.CachedOp(group, [("data_indices", data), ("param_indices", rest)])

    def __call__(self, arrays: Any) -> Any:
        found = self.op(*[arrays[s] if type(s) is int else s.data() for s in self.sources])
        wait(found)
        if self.form is LEAF and not self.updated:
            return found
        found = found if isinstance(found, list) else [found]
        store_updates(dict(zip(self.updated, found[self.size :])))
        return unflatten(self.form, found[: self.size])


def _is_symbol(value: Any) -> bool:
    if isinstance(value, Symbol) and value.num_outputs > 1:
        raise ForwardError("a symbol of several outputs is no tensor; take its parts.")
    return isinstance(value, Symbol)


def _require_plain(form: Any) -> None:
    """Raise for what can't leave a compiled graph: it would be the first call's for ever."""
    if form is LEAF:
        return
    kind, *rest = form
    if kind is None:
        if not (rest[1] is None or isinstance(rest[1], (bool, int, float, str))):
            raise ForwardError(f"a {type(rest[1]).__name__} can't leave a compiled graph.")
        return
    for each in rest[1:]:
        _require_plain(each)

"""Gluon's own `hybridize`, whatever the inputs, the outputs and the mode."""

from __future__ import annotations

from typing import Any

from isomorph.adapter import LEAF, unflatten
from isomorph.errors import ForwardError

from .framework import Symbol, Trace, autograd, gluon, mx, state, tracing

GRAPHS = 64
"""How many graphs a block keeps; the oldest goes."""
# What Gluon keeps of a hybridized block, and our trace of it.
_FIELDS: dict[str, Any] = {
    "_cached_graph": (), "_cached_op": None, "_cached_op_args": [], "_in_format": None, "_out_format": None,
    "isomorph_trace": None,
}  # fmt: skip
GRAPH_NAMES = {*_FIELDS, "isomorph_graphs", "isomorph_asked"}
"""Attributes that do not go with a copy: they are made anew."""


def keep(table: dict[Any, Any], key: Any, value: Any) -> None:
    """Put something into a bounded table."""
    while len(table) >= GRAPHS:
        del table[next(iter(table))]
    table[key] = value


def sizes_of(arrays: list[Any], asked: set[str]) -> Any:
    """Return of inputs' shapes what a graph holds for alone."""
    if "batch" in asked:
        return tuple(array.shape for array in arrays)
    return tuple((array.ndim, *array.shape[1:]) for array in arrays) if "sizes" in asked else ()


def _around(form: Any, output: Any) -> Any:
    """Return the tensors of a graph with what is around them."""
    if form is None:
        return output
    if form is LEAF:
        return output[0] if isinstance(output, list) else output
    return unflatten(form, output if isinstance(output, list) else [output])


class Updating:
    """A compiled graph whose last outputs are new values of parameters."""

    def __init__(self, op: Any, parameters: list[Any]) -> None:
        self.op, self.parameters = op, parameters

    def __call__(self, *arrays: Any) -> list[Any]:
        outputs = self.op(*arrays)
        count = len(outputs) - len(self.parameters)
        state.updates.update(zip(self.parameters, outputs[count:]))  # type: ignore[union-attr]
        return outputs[:count]  # type: ignore[no-any-return]

    def _register_op_hook(self, *args: Any) -> None:
        self.op._register_op_hook(*args)


class Hybridized:
    """A block that keeps a graph for each kind of inputs, where Gluon's keeps one."""

    isomorph_trace: Trace | None = None
    _cached_graph: Any
    _cached_op: Any

    def _clear_cached_op(self) -> None:
        super()._clear_cached_op()  # type: ignore[misc]
        vars(self).update(isomorph_graphs={}, isomorph_asked=set(), isomorph_trace=None)

    def _call_cached_op(self, *args: Any) -> Any:
        own = vars(self)
        if "isomorph_graphs" not in own:
            self._clear_cached_op()
        # A block whose inputs may be nested hands on its tensors singly, and says what was around them.
        arrays, form = gluon.block._flatten(args, "input") if state.form is None else (args, None)
        given = [array for array in arrays if array is not None]
        kept = own["isomorph_graphs"].get(self.isomorph_key(given, form))
        if kept is None:
            return self._by_new_graph(args, given, form)
        if own["_cached_op"] is not kept["_cached_op"]:
            own.update(kept)
        if self._callback is not None:  # type: ignore[attr-defined]
            output = super()._call_cached_op(*args)  # type: ignore[misc]
            return _around(kept["isomorph_trace"].form, output)
        values = [given[each] if is_input else each.data() for is_input, each in kept["_cached_op_args"]]
        output = kept["_cached_op"](*values)
        if kept["isomorph_trace"].form is not None:
            return _around(kept["isomorph_trace"].form, output)
        outputs = output if isinstance(output, list) else [output]
        return gluon.block._regroup(outputs, kept["_out_format"])

    def _by_new_graph(self, args: tuple[Any, ...], given: list[Any], form: Any) -> Any:
        own = vars(self)
        own.update(_FIELDS)
        output = super()._call_cached_op(*args)  # type: ignore[misc]
        trace = own["isomorph_trace"]
        own["isomorph_asked"] |= trace.asked
        key = self.isomorph_key(given, form)
        keep(own["isomorph_graphs"], key, {name: own[name] for name in _FIELDS})
        return _around(trace.form, output)

    def export(self, path: str, *args: Any, **options: Any) -> Any:
        """Write the graph of the last call and its parameters, as Gluon does."""
        trace = self.isomorph_trace
        if trace is not None and trace.is_training and "mode" in trace.asked:
            raise ForwardError(
                "export writes the graph of the last call, which was one of training, and forward asks "
                "for the mode.\n  Call the block once outside of autograd.record() first."
            )
        return super().export(path, *args, **options)  # type: ignore[misc]

    def isomorph_key(self, arrays: list[Any], form: Any) -> Any:
        """Return what a graph of this block depends on."""
        asked = vars(self)["isomorph_asked"]
        around = state.form if form is None else repr(form)
        if not asked:
            return (around, len(arrays))
        mode = autograd.is_training() if "mode" in asked else None
        return (around, len(arrays), mode, sizes_of(arrays, asked))

    def _get_graph(self, *args: Any) -> Any:
        if self._cached_graph:
            return self._cached_graph
        arrays = [array for array in gluon.block._flatten(args, "input")[0] if array is not None]
        names = ["data"] if len(arrays) == 1 else [f"data{i}" for i in range(len(arrays))]
        shapes = {name: tuple(array.shape) for name, array in zip(names, arrays)}
        trace = Trace(shapes, arrays[0].ctx, is_foreign=True)
        with tracing(trace):
            inputs, output = super()._get_graph(*args)  # type: ignore[misc]
        vars(self)["isomorph_trace"] = trace
        if trace.updates:
            outputs = [output[i] for i in range(output.num_outputs)] if output.num_outputs > 1 else [output]
            self._cached_graph = inputs, mx.sym.Group([*outputs, *trace.updates.values()], Symbol)
        return self._cached_graph

    def _build_cache(self, *args: Any) -> None:
        _, output = self._get_graph(*args)
        trace: Any = self.isomorph_trace
        known = {**self.collect_params(), **trace.constants}  # type: ignore[attr-defined]
        # Here Gluon looks first for what a graph needs; it warns of what a graph of one mode does not.
        self._cached_op_args = [(False, known[name]) for name in output.list_inputs() if name in known]
        super()._build_cache(*args)  # type: ignore[misc]
        if trace.updates:
            self._cached_op = Updating(self._cached_op, list(trace.updates))

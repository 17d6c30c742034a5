"""The MXNet backend: nets become Gluon `HybridBlock`s. Written for MXNet 1.9.1, its last release.

Gluon's modes that a net needs (np-mode, training) are set around each of our calls and put back,
so that legacy code in the same process goes on working. Who calls `net.native` directly works in
np-mode, as with any Gluon net on `mx.np` arrays: `mxnet.npx.set_np()`.
"""

from __future__ import annotations

import ctypes
import inspect
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from isomorph import nn, ops
from isomorph.adapter import Adapter, Binding, Deviation, Options, Slot
from isomorph.errors import ForwardError, InvalidArgumentError, LayerNotSupportedError
from isomorph.init.laws import Array
from isomorph.lowering import lower, run_trace
from isomorph.native_class import native_class
from isomorph.nn.activations import moves_channels
from isomorph.nn.arguments import activation_function
from isomorph.nn.rules import same_padding
from isomorph.ops.table import Ops, Tensor, register
from isomorph.tensor import TensorSpec
from isomorph.trace import Call, tracing_shapes


@contextmanager
def _old_numpy() -> Iterator[None]:
    """Put back, while MXNet 1.9.1 is imported, the names that NumPy 1.24 and 2.0 removed."""
    old: dict[str, Any] = {
        "bool": bool, "float_": np.float64, "Inf": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan,
        "NAN": np.nan, "PZERO": 0.0, "NZERO": -0.0, "alltrue": np.all, "sometrue": np.any,
        "product": np.prod, "cumproduct": np.cumprod, "row_stack": np.vstack, "round_": np.round,
    }  # fmt: skip
    gone = ("in1d", "msort", "trapz", "asscalar", "mirr", "npv", "pmt", "ppmt", "pv", "rate")
    added = {name: old.get(name, len) for name in (*old, *gone) if name not in vars(np)}
    vars(np).update(added)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in added:
            del vars(np)[name]


with _old_numpy():
    import mxnet as mx
    from mxnet import autograd, gluon
    from mxnet.base import _LIB, check_call
    from mxnet.ndarray.numpy import _internal as array_internal
    from mxnet.symbol.numpy import _internal as symbol_internal

NDArray, Symbol = mx.nd.NDArray, mx.sym.np._Symbol
# Integer types that MXNet 1.9.1 lacks, and the least ones that hold their values.
_WIDER = {"int16": "int32", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
_DTYPES = ("float16", "float32", "float64", "bool", "int8", "int32", "int64", "uint8")
_FLOATS = (np.float32, np.float64, np.float16)


class _State(threading.local):
    """What our blocks know of the call under way in this thread."""

    def __init__(self) -> None:
        self.frames: list[tuple[Any, dict[str, Any]]] = []
        self.bound = False  # each module's own `training` counts, not the framework's mode
        self.trace: _Trace | None = None


class _Trace:
    """A call on symbols that we made: what it knows of its inputs, and what it found out."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], has_integers: bool = True) -> None:
        self.shapes = shapes
        self.has_integers = has_integers
        self.needs_sizes = False
        self.needs_types = False
        self.updates: list[tuple[BatchNorm, Any, Any]] | None = None


_state = _State()


def _set_np_shape(mode: int) -> int:
    # mx.util.set_np_shape does the same, but its first call installs a handler in the root logger.
    previous = ctypes.c_int()
    check_call(_LIB.MXSetIsNumpyShape(ctypes.c_int(mode), ctypes.byref(previous)))
    return previous.value


@contextmanager
def _np_mode() -> Iterator[None]:
    previous = _set_np_shape(1)
    try:
        with mx.util.np_array(True), autograd.pause(train_mode=autograd.is_training()):
            yield
    finally:
        if not previous:
            _set_np_shape(0)


@contextmanager
def _tracing(trace: _Trace) -> Iterator[None]:
    before, _state.trace = _state.trace, trace
    try:
        yield
    finally:
        _state.trace = before


class MXNetAdapter(Adapter):
    """Lowers nets to Gluon blocks."""

    name = "mxnet"
    deviations = (
        Deviation(
            "Embedding of an index outside the table",
            "MXNet clips indices, and a check would wait for the device on each call",
            "no error: the first or last row is returned",
        ),
        Deviation(
            "BatchNorm in a net.native that its user hybridized and trains",
            "a graph can't update state in its forward; bound calls, compiled or not, don't deviate",
            "running variance biased, smaller by the factor (n - 1) / n, and updated by backward",
        ),
        Deviation(
            "An empty batch in net.native, or in gradients",
            "MXNet's operators refuse it; bound calls answer it by the shape rules",
            "MXNetError",
        ),
    )

    def __init__(self) -> None:
        self.ops = MXNetOps(mx.np, mx.npx, array_internal)
        register(Symbol, MXNetOps(mx.sym.np, mx.sym.npx, symbol_internal))

    def owns(self, value: Any) -> bool:
        return isinstance(value, (NDArray, Symbol))

    def from_numpy(self, array: Array, options: Options) -> Any:
        with _np_mode():
            name = array.dtype.name
            return mx.np.array(array, dtype=_WIDER.get(name, name), ctx=_context(options))

    def to_numpy(self, tensor: Any) -> Array:
        return tensor.asnumpy()  # type: ignore[no-any-return]

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, np.dtype(tensor.dtype).name)

    def accept(self, tensor: Any, options: Options) -> Any:
        return tensor if isinstance(tensor, mx.np.ndarray) else tensor.as_np_ndarray()

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        with _np_mode():
            return _composite(module, attributes, binding)

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        scratch = Binding(self, binding.root, binding.options, memory={"prefix": "probe_"})
        with _np_mode():
            for call in calls:
                own = call.module.own_parameters()
                if isinstance(call.module, nn.Layer) and call.inputs:
                    shapes = _inferred(lower(scratch, call.module), call.inputs)
                    for parameter in own.values():
                        found[id(parameter)] = shapes[scratch.slots.pop(id(parameter))[0].native_name]
                else:  # sizes that a user's own `build` says, or of inputs given by keyword
                    found.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
        return found

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        _link(binding)
        context = _context(binding.options)
        with _np_mode():
            for module in modules:
                for parameter in module.own_parameters().values():
                    slot = binding.slots[id(parameter)][0]
                    native = self.parameter(slot)
                    if native._data is None or parameter._value is not None:
                        _load(native, slot.take(), context)
                    shape = native.shape
                # Gluon's BatchNorm holds a scale and shift even where it does not learn them.
                for extra in binding.natives[id(module)]._reg_params.values():
                    if extra._data is None:
                        extra.shape = shape
                        extra._finish_deferred_init()

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        return _Run(binding, module)

    def set_mode(self, binding: Binding) -> None:
        _link(binding)
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if hasattr(type(native), "isomorph_training"):
                vars(native)["isomorph_training"] = module.training

    def is_ready(self, slot: Slot) -> bool:
        return self.parameter(slot)._data is not None

    def parameter(self, slot: Slot) -> Any:
        return slot.owner._reg_params[slot.native_name]

    def read(self, slot: Slot) -> Array:
        values: Array = self.parameter(slot).list_data()[0].asnumpy()
        return values.astype(slot.parameter.dtype, copy=False)

    def write(self, slot: Slot, array: Array) -> None:
        with _np_mode():
            native = self.parameter(slot)
            native.set_data(mx.np.array(array, dtype=native.dtype, ctx=_context(slot.binding.options)))

    def gradient(self, slot: Slot) -> Array | None:
        native = self.parameter(slot)
        return None if native._grad is None else native.list_grad()[0].asnumpy()

    def gradients(
        self, binding: Binding, module: nn.Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        run = _Run(binding, module)
        slots = {key: binding.slots[key][0] for key in map(id, module.parameters().values())}
        with _np_mode():
            for slot in slots.values():
                for buffer in self.parameter(slot)._grad or ():
                    buffer[()] = 0
            with autograd.record(train_mode=run.training):
                value = loss(run(*inputs))
            value.backward(train_mode=run.training)
            found = {key: self.gradient(slot) for key, slot in slots.items()}
        # Its user has frozen a parameter whose grad_req is "null".
        return {key: np.zeros(slots[key].native_shape()) if g is None else g for key, g in found.items()}


# Parameters.


class _Law(mx.init.Initializer):  # type: ignore[misc]
    """Hands Gluon, whenever it initializes a parameter by itself, the values of the description."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self.slot = slot

    def _init_weight(self, name: str, array: Any) -> None:
        self.slot.parameter.shape = self.slot.canonical_shape(array.shape)
        array[()] = self.slot.take()


def _context(options: Options) -> Any:
    device = options.device
    if device is None or isinstance(device, mx.Context):
        return device or mx.current_context()
    match = re.fullmatch(r"(cpu|gpu)(?:[:(](\d+)\)?)?", str(device))
    if match is None or (match[1] == "gpu" and int(match[2] or 0) >= mx.context.num_gpus()):
        raise InvalidArgumentError.of("to", "device", '"cpu", "gpu" or "gpu(1)" that MXNet sees', device)
    return mx.Context(match[1], int(match[2] or 0))


def _link(binding: Binding) -> None:
    """Bind the native parameters, once all are there, to the described ones; none gets memory."""
    if binding.memory.get("linked"):
        return
    if binding.options.dtype == "bfloat16":
        raise LayerNotSupportedError.at(
            binding.root.label, "mxnet", "the dtype bfloat16", "Use float32 or float64."
        )
    context = [_context(binding.options)]
    for first, *others in binding.slots.values():
        native = first.owner._reg_params[first.native_name]
        native.init = _Law(first)
        native.cast(_native_dtype(first))
        shape = first.parameter.shape
        # A layer is drawn as one: what is known in it waits, as if unknown, for the last size.
        waits = any(not p.shape.is_known for p in first.module.own_parameters().values())
        hidden = waits and shape.is_known
        native._shape = tuple(-1 if hidden or size is None else size for size in shape)
        for other in others:
            _share(other.owner, other.native_name, native)
    for block in binding.natives.values():
        for native in block._reg_params.values():
            # So Gluon initializes it in the first native call, whether its shape is known or not.
            native._deferred_init = (native.init, context, mx.init.Uniform(), None)
    binding.memory["linked"] = True


def _native_dtype(slot: Slot) -> str:
    # MXNet's batch norm on float16 takes its parameters in float32.
    dtype = slot.parameter.dtype
    return "float32" if isinstance(slot.owner, BatchNorm) and dtype == "float16" else dtype


def _share(block: Any, name: str, parameter: Any) -> None:
    """Let a block hold another block's parameter in place of its own."""
    del block._params._params[block._reg_params[name].name]
    block._params._params[parameter.name] = parameter
    block._reg_params[name] = parameter
    if name in vars(block):
        vars(block)[name] = parameter


def _load(native: Any, values: Array, context: Any) -> None:
    values = values.astype(native.dtype, copy=False)
    if values.ndim and values.size:
        # The array's memory is read in place: the copy that the parameter keeps is the only one.
        data = mx.nd.from_numpy(values).as_np_ndarray()
    else:
        data = mx.np.array(values, dtype=native.dtype)
    native._load_init(data, [context])
    native.list_data()[0].wait_to_read()


def _prefix(binding: Binding, module: nn.Module) -> str:
    """Return the block's prefix: unique by Gluon's own counter, then the dotted path."""
    if "prefix" not in binding.memory:
        hint = type(binding.root).__name__.lower()
        binding.memory["prefix"] = gluon.block._BlockScope.create(None, None, hint)[0]
    path = module.path
    return binding.memory["prefix"] + (f"{path}_" if path else "")  # type: ignore[no-any-return]


def _inferred(probe: Any, inputs: tuple[Any, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a block's parameters, by name, from Gluon's symbolic inference."""
    vars(probe)["act"] = None  # an activation is any function, and changes no shape
    specs = {f"data{i}": spec for i, spec in enumerate(inputs) if isinstance(spec, TensorSpec)}
    shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
    with _tracing(_Trace(shapes)):
        output = probe(*(mx.sym.var(name).as_np_ndarray() for name in shapes))
    arguments, _, states = output.infer_shape(**shapes)
    names = (*output.list_arguments(), *output.list_auxiliary_states())
    known = dict(zip(names, (*arguments, *states), strict=True))
    return {name: known[native.name] for name, native in probe._reg_params.items() if native.name in known}


# Calls.


class _Run:
    """A module's bound call: the compiled graph, or the native block itself."""

    def __init__(self, binding: Binding, module: nn.Module) -> None:
        self.module, self.native = module, binding.native(module)
        self.compile = binding.options.compile
        modes = {each.training for _, each in module.named_modules()}
        self.training, self.is_mixed = True in modes, len(modes) > 1
        self.graphs: list[_Graph] = []

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if named:
            inputs = _Inputs(self.module).by_position(inputs, named)
        np_shape, training = _set_np_shape(1), autograd.set_training(self.training)
        try:
            output = self._eager(inputs) if self.compile is False else self._compiled(inputs)
        except Exception:
            _drain()
            output = self._empty(inputs)
            if output is None:
                raise
        finally:
            if not np_shape:
                _set_np_shape(0)
            if training is not self.training:
                autograd.set_training(training)
        return output

    def _empty(self, inputs: tuple[Any, ...]) -> Any:
        """Answer an empty batch, which MXNet's operators refuse, by the shape rules."""
        arrays: list[Any] = []
        form = _flatten(inputs, arrays, NDArray)
        if all(array.size for array in arrays):
            return None
        specs = iter([TensorSpec(array.shape, np.dtype(array.dtype).name) for array in arrays])
        outputs: list[Any] = []
        with tracing_shapes(self.module):
            output_form = _flatten(run_trace(self.module, _regroup(form, specs), {}), outputs, TensorSpec)
        if any(0 not in spec.shape for spec in outputs):
            return None
        empty = (mx.np.zeros(spec.shape, spec.dtype or "float32", ctx=arrays[0].ctx) for spec in outputs)
        return _regroup(output_form, empty)

    def _eager(self, inputs: tuple[Any, ...]) -> Any:
        bound, _state.bound = _state.bound, self.is_mixed
        try:
            if mx.util.is_np_array():
                output = self.native(*inputs)
            else:
                with mx.util.np_array(True):
                    output = self.native(*inputs)
        finally:
            _state.bound = bound
        _wait(output)
        return output

    def _compiled(self, inputs: tuple[Any, ...]) -> Any:
        for graph in self.graphs:
            if graph.fits(inputs):
                return graph(inputs)
        try:
            graph = _Graph(self.native, inputs)
            output = graph(inputs)
        except Exception as cause:
            _drain()
            if self.compile:
                raise LayerNotSupportedError.at(
                    self.module.label, "mxnet", f"compile=True: {type(cause).__name__}: {cause}",
                    "Gluon could not trace this forward with symbols; use compile=None or False.",
                ) from cause  # fmt: skip
            output = self._eager(inputs)
            self.compile = False
            return output
        self.graphs.append(graph)
        return output


class _Inputs:
    """The inputs of a module's `forward`, by position: Gluon's calls take no keywords.

    Inputs that are keyword-only in the `forward` come last.
    """

    def __init__(self, module: nn.Module) -> None:
        kind = type(module)
        self.label = module.label
        forward = kind.infer_shapes if issubclass(kind, nn.Layer) else kind.forward
        self.signature = inspect.signature(forward)
        kinds = {name: each.kind for name, each in self.signature.parameters.items()}
        self.keyword_only = [name for name in kinds if kinds[name] is inspect.Parameter.KEYWORD_ONLY]
        self.count = len(kinds) - len(self.keyword_only) - 1
        self.is_open = inspect.Parameter.VAR_KEYWORD in kinds.values() or (
            inspect.Parameter.VAR_POSITIONAL in kinds.values() and bool(self.keyword_only)
        )

    def by_position(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        if self.is_open:
            raise LayerNotSupportedError.at(
                self.label, "mxnet", f"inputs by keyword to a forward that takes {self.signature}",
                "Gluon calls by position; name each input in forward.",
            )  # fmt: skip
        call = self.signature.bind(None, *inputs, **named)
        call.apply_defaults()
        return (*call.args[1:], *call.kwargs.values())


class _Graph:
    """A block traced with symbols, as `hybridize` does, without changing the block.

    It differs in three things: any nesting of outputs, each module's own `training`, and running
    statistics, which leave the graph as outputs and are stored when the forward is done.
    """

    def __init__(self, native: Any, inputs: tuple[Any, ...]) -> None:
        arrays: list[Any] = []
        self.form = _flatten(inputs, arrays, NDArray)
        shapes = {f"data{i}": array.shape for i, array in enumerate(arrays)}
        trace = _Trace(shapes, any(array.dtype not in _FLOATS for array in arrays))
        trace.updates = []
        symbols = iter([mx.sym.var(name).as_np_ndarray() for name in shapes])
        bound, _state.bound = _state.bound, True
        try:
            with _tracing(trace), mx.util.np_array(True):
                output = native(*_regroup(self.form, symbols))
        finally:
            _state.bound = bound
        outputs: list[Any] = []
        self.output_form = _flatten(output, outputs, Symbol)
        self.size = len(outputs)
        self.updated = [block for block, _, _ in trace.updates]
        outputs += [statistic for _, *both in trace.updates for statistic in both]
        group = mx.sym.Group(outputs, Symbol)
        self.shapes = list(shapes.values()) if trace.needs_sizes else None
        self.dtypes = [array.dtype for array in arrays] if trace.needs_types else None
        names = group.list_inputs()
        parameters = {p.name: p for p in native._collect_params_with_prefix().values()}
        self.sources: list[Any] = [
            parameters[name] if name in parameters else int(name.removeprefix("data")) for name in names
        ]
        data = [i for i, source in enumerate(self.sources) if isinstance(source, int)]
        rest = [i for i, source in enumerate(self.sources) if not isinstance(source, int)]
        self.op = mx.nd.CachedOp(group, [("data_indices", data), ("param_indices", rest)])

    def fits(self, inputs: tuple[Any, ...]) -> bool:
        arrays: list[Any] = []
        return (
            _flatten(inputs, arrays, NDArray) == self.form
            and (self.dtypes is None or [array.dtype for array in arrays] == self.dtypes)
            and (self.shapes is None or [array.shape[1:] for array in arrays] == [s[1:] for s in self.shapes])
        )

    def __call__(self, inputs: tuple[Any, ...]) -> Any:
        arrays: list[Any] = []
        _flatten(inputs, arrays, NDArray)
        found = self.op(*[arrays[s] if type(s) is int else s.data() for s in self.sources])
        if self.output_form is _LEAF and not self.updated:
            found.wait_to_read()
            return found
        found = found if isinstance(found, list) else [found]
        for array in found:
            array.wait_to_read()
        statistics = iter(found[self.size :])
        for block in self.updated:
            block.update(next(statistics), next(statistics))
        return _regroup(self.output_form, iter(found))


_LEAF = "tensor"


def _flatten(value: Any, leaves: list[Any], kind: type) -> Any:
    """Append the tensors in nested lists, tuples and dicts to `leaves`; return what is around them."""
    if isinstance(value, kind):
        if kind is Symbol and value.num_outputs > 1:
            raise ForwardError("a symbol of several outputs is no tensor; take its parts.")
        leaves.append(value)
        return _LEAF
    if isinstance(value, (list, tuple)):
        return (type(value), *[_flatten(each, leaves, kind) for each in value])
    if isinstance(value, dict):
        return (type(value), tuple(value), *[_flatten(each, leaves, kind) for each in value.values()])
    if value is None or isinstance(value, (bool, int, float, str)):
        return (None, type(value), value)
    raise ForwardError(f"a {type(value).__name__} can't enter or leave a compiled graph.")


def _regroup(form: Any, leaves: Iterator[Any]) -> Any:
    if form is _LEAF:
        return next(leaves)
    kind, *rest = form
    if kind is None:
        return rest[1]
    if issubclass(kind, dict):
        return kind(zip(rest[0], [_regroup(each, leaves) for each in rest[1:]], strict=True))
    items = [_regroup(each, leaves) for each in rest]
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def _wait(value: Any) -> None:
    """Wait for results: MXNet computes asynchronously, and reports a failure to who waits."""
    if isinstance(value, NDArray):
        value.wait_to_read()
    elif isinstance(value, (list, tuple)):
        for each in value:
            _wait(each)
    elif isinstance(value, dict):
        _wait(list(value.values()))


def _drain() -> None:
    """Take back what else a failed call left in the engine; a later wait would raise it again."""
    with suppress(mx.MXNetError):
        mx.nd.waitall()


def _training(block: Any) -> bool:
    return block.isomorph_training if _state.bound else autograd.is_training()  # type: ignore[no-any-return]


def _is_foreign(x: Any) -> bool:
    """Whether this is a trace by Gluon's own `hybridize`: its graph must serve both modes."""
    return isinstance(x, Symbol) and (_state.trace is None or _state.trace.updates is None)


# Composites.


class _Attribute:
    """A parameter, or a name that Gluon uses too: the user's own while the user's forward runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, native: Any, owner: type) -> Any:
        if native is None:
            return getattr(gluon.HybridBlock, self.name, self)
        for block, values in reversed(_state.frames):
            if block is native and self.name in values:
                return values[self.name]
        if hasattr(gluon.HybridBlock, self.name):
            return inspect.getattr_static(gluon.HybridBlock, self.name).__get__(native, owner)
        if self.name in vars(native).get("_reg_params", {}):
            return native._reg_params[self.name]
        raise AttributeError(self.name)

    def __set__(self, native: Any, value: Any) -> None:
        vars(native)["isomorph_attributes"][self.name] = value
        for block, values in _state.frames:
            if block is native:
                values[self.name] = value


def _composite(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    user, own = type(module), module.own_parameters()
    taken = vars(gluon.HybridBlock(prefix="")).keys() & {*attributes, *own}
    if taken:
        raise LayerNotSupportedError.at(
            module.label, "mxnet", f"the attribute {min(taken)!r}",
            "Gluon's HybridBlock keeps its own state under that name; rename it.",
        )  # fmt: skip
    methods = [
        name
        for cls in user.__mro__
        if cls not in (object, *nn.Module.__mro__, nn.ModuleList, nn.ModuleDict, nn.Sequential)
        for name in vars(cls)
        if not name.startswith("__") and name != "forward" and hasattr(gluon.HybridBlock, name)
    ]
    both = [name for name in attributes if hasattr(gluon.HybridBlock, name)]
    signature, forward = _Inputs(module), user.forward

    def spread(self: Any, *inputs: Any) -> Any:
        named = dict(zip(signature.keyword_only, inputs[signature.count :], strict=False))
        return user.forward(self, *inputs[: signature.count], **named)

    if signature.keyword_only and not signature.is_open:
        forward = spread

    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        return gluon.HybridBlock.__call__(self, *(signature.by_position(inputs, named) if named else inputs))

    def hybrid_forward(self: Any, F: Any, *inputs: Any) -> Any:  # noqa: N803 - Gluon's name
        return forward(self, *inputs)

    def framed_forward(self: Any, F: Any, *inputs: Any, **values: Any) -> Any:  # noqa: N803 - Gluon's name
        for name in methods:
            values.setdefault(name, inspect.getattr_static(user, name).__get__(self, user))
        _state.frames.append((self, {**values, **self.isomorph_attributes}))
        try:
            return forward(self, *inputs)
        finally:
            _state.frames.pop()

    def infer_shape(self: Any, *inputs: Any) -> None:
        """Fill the sizes by the description's rules; Gluon can't know a user's own `build`."""
        specs = tuple(binding.adapter.spec(x) if isinstance(x, NDArray) else x for x in inputs)
        with tracing_shapes(module):
            run_trace(module, specs, {})
        for parameter in module.state().values():
            slot = binding.slots[id(parameter)][0]
            slot.owner._reg_params[slot.native_name].shape = parameter.shape.known()

    namespace: dict[str, Any] = {name: _Attribute(name) for name in (*own, *methods, *both)}
    framed = bool(namespace)
    if signature.count > 1 or signature.keyword_only:
        namespace["__call__"] = call
    namespace.update(
        hybrid_forward=framed_forward if framed else hybrid_forward,
        infer_shape=infer_shape,
        training=property(_training),
        isomorph_training=True,
    )
    native = native_class(gluon.HybridBlock, module, namespace)(prefix=_prefix(binding, module))
    if framed:
        native.isomorph_attributes = {}
    for name, value in attributes.items():
        if name in both:
            native.isomorph_attributes[name] = value
            if isinstance(value, gluon.Block):
                native.register_child(value, name)
        else:
            setattr(native, name, value)
    for name, parameter in own.items():
        native._reg_params[name] = native._params.get(
            name, shape=(-1,) * len(parameter.shape),
            allow_deferred_init=True, differentiable=parameter.trainable,
        )  # fmt: skip
    return native


class BlockDict(gluon.HybridBlock):  # type: ignore[misc]
    """Blocks by name."""

    def __getitem__(self, name: str) -> Any:
        return self._children[name]

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __len__(self) -> int:
        return len(self._children)

    def keys(self) -> Any:
        """Return the names."""
        return self._children.keys()

    def values(self) -> Any:
        """Return the blocks."""
        return self._children.values()

    def items(self) -> Any:
        """Return (name, block) pairs."""
        return self._children.items()


@MXNetAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower a row of modules."""
    native = gluon.nn.HybridSequential(prefix=_prefix(binding, layer))
    for name, child in layer.children().items():
        native.register_child(binding.native(child), name)
    return native


@MXNetAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower modules by name."""
    native = BlockDict(prefix=_prefix(binding, layer))
    for name, child in layer.items():
        native.register_child(binding.native(child), name)
    return native


# Layers.


def _made(kind: type, layer: nn.Module, binding: Binding, *args: Any, **options: Any) -> Any:
    with _np_mode():
        return kind(*args, prefix=_prefix(binding, layer), **options)


def _function(layer: Any, binding: Binding, function: Callable[[Any], Any], name: str) -> Any:
    def call(F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return function(x)

    call.__name__ = name
    return _made(gluon.nn.HybridLambda, layer, binding, call)


def _activation(layer: Any, binding: Binding) -> Any:
    """Return a layer's activation as a block, None if there is none."""
    function = activation_function(layer.activation)
    if function is None:
        return None
    if layer.activation in ("relu", "sigmoid", "tanh"):
        return _made(gluon.nn.Activation, layer, binding, layer.activation)
    return _function(layer, binding, function, getattr(function, "__name__", "activation"))


def _require_products(layer: nn.Module, binding: Binding) -> None:
    if binding.options.dtype == "float16" and _context(binding.options).device_type == "cpu":
        raise LayerNotSupportedError.at(
            layer.label, "mxnet", f"{type(layer).__name__} in float16 on the CPU",
            "MXNet has no such product there; use float32, or a GPU.",
        )  # fmt: skip


@MXNetAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense. Gluon flattens by default; every other framework keeps leading axes."""
    _require_products(layer, binding)
    has_bias = layer.bias is not None
    native = _made(gluon.nn.Dense, layer, binding, layer.units, use_bias=has_bias, flatten=False)
    native.act = _activation(layer, binding)
    return native


class _Windowed:
    """What convolution and pooling do that Gluon does not: NHWC on the CPU, uneven padding."""

    isomorph_layer: Any
    isomorph_last: bool
    act = None

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        table = ops.table.table_of(x)
        # MXNet 1.9.1 has no NHWC convolution on the CPU, and finds out asynchronously.
        x = table.np.moveaxis(x, -1, 1) if self.isomorph_last else x  # type: ignore[attr-defined]
        act, vars(self)["act"] = self.act, None
        try:
            y = self.windows(F, x, self._widths(x), table, parameters)
        finally:
            vars(self)["act"] = act
        y = table.np.moveaxis(y, 1, -1) if self.isomorph_last else y  # type: ignore[attr-defined]
        return y if act is None else act(y)

    def windows(self, F: Any, x: Any, widths: Any, table: Any, parameters: Any) -> Any:  # noqa: N803
        x = table.pad(x, widths, 0.0) if widths else x
        return super().hybrid_forward(F, x, **parameters)  # type: ignore[misc]

    def _widths(self, x: Any) -> Any:
        """Return what is to be padded here, None where the operator itself pads."""
        layer = self.isomorph_layer
        if layer.padding != "same" or _even_padding(layer) is not None:
            return None
        dilation = getattr(layer, "dilation", (1, 1))
        # At stride 1 the padding is the same for every size.
        sizes = (1, 1) if max(layer.stride) == 1 else _sizes(x)
        spatial = map(same_padding, sizes, layer.kernel_size, layer.stride, dilation)
        return ((0, 0), (0, 0), *spatial)


def _sizes(x: Any) -> Any:
    if isinstance(x, NDArray):
        return x.shape[2:]
    trace = _state.trace
    if trace is None:
        raise ForwardError(
            'padding="same" at a stride needs sizes, which symbols have not.\n'
            "  Leave net.native as it is and call the net with compile=True, or pad by a number."
        )
    trace.needs_sizes = True
    return x.infer_shape_partial(**trace.shapes)[1][0][2:]


def _even_padding(layer: Any) -> tuple[int, ...] | None:
    """Return the symmetric padding of each axis; None where it is uneven or depends on sizes."""
    if layer.padding != "same":
        return layer.padding  # type: ignore[no-any-return]
    dilation = getattr(layer, "dilation", (1, 1))
    totals = [d * (k - 1) for k, d in zip(layer.kernel_size, dilation, strict=True)]
    if max(layer.stride) > 1 or any(total % 2 for total in totals):
        return None
    return tuple(total // 2 for total in totals)


class Conv1D(_Windowed, gluon.nn.Conv1D):  # type: ignore[misc]
    """Gluon's, on channels-last data or with uneven padding."""


class Conv2D(_Windowed, gluon.nn.Conv2D):  # type: ignore[misc]
    """Gluon's, on channels-last data or with uneven padding."""


class MaxPool2D(_Windowed, gluon.nn.MaxPool2D):  # type: ignore[misc]
    """Gluon's, on channels-last data or with uneven padding."""

    def windows(self, F: Any, x: Any, widths: Any, table: Any, parameters: Any) -> Any:  # noqa: N803
        x = table.pad(x, widths, -np.inf) if widths else x
        return gluon.nn.MaxPool2D.hybrid_forward(self, F, x)


class AvgPool2D(_Windowed, gluon.nn.AvgPool2D):  # type: ignore[misc]
    """Gluon's, on channels-last data or with uneven padding, which never counts."""

    def windows(self, F: Any, x: Any, widths: Any, table: Any, parameters: Any) -> Any:  # noqa: N803
        mean = gluon.nn.AvgPool2D.hybrid_forward
        if not widths:
            return mean(self, F, x)
        ones = table.pad(table.np.ones_like(x), widths, 0.0)
        return mean(self, F, table.pad(x, widths, 0.0)) / mean(self, F, ones)


def _window(own: type, layer: Any, binding: Binding, *args: Any, **options: Any) -> Any:
    """Make Gluon's own layer where it does all that the description asks, ours elsewhere."""
    last, padding = binding.options.data_format == "channels_last", _even_padding(layer)
    plain = not last and padding is not None
    options["padding"] = (0,) * len(layer.kernel_size) if padding is None else padding
    native = _made(own.__mro__[2] if plain else own, layer, binding, *args, strides=layer.stride, **options)
    if not plain:
        native.isomorph_layer, native.isomorph_last = layer, last
    return native


@MXNetAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution."""
    _require_products(layer, binding)
    native = _window(
        Conv1D if layer.spatial == 1 else Conv2D, layer, binding, layer.out_channels, layer.kernel_size,
        dilation=layer.dilation, groups=layer.groups, use_bias=layer.bias is not None,
    )  # fmt: skip
    native.act = _activation(layer, binding)
    return native


@MXNetAdapter.lowers(nn.MaxPool2d)
def max_pool(layer: nn.MaxPool2d, binding: Binding) -> Any:
    """Lower MaxPool2d."""
    return _window(MaxPool2D, layer, binding, layer.kernel_size)


@MXNetAdapter.lowers(nn.AvgPool2d)
def avg_pool(layer: nn.AvgPool2d, binding: Binding) -> Any:
    """Lower AvgPool2d."""
    return _window(AvgPool2D, layer, binding, layer.kernel_size, count_include_pad=layer.count_include_pad)


@MXNetAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    first = binding.options.data_format == "channels_first"
    if first and layer.keepdims:
        return _made(gluon.nn.GlobalAvgPool2D, layer, binding)
    axes = (2, 3) if first else (1, 2)
    return _function(layer, binding, lambda x: ops.mean(x, axes, layer.keepdims), "global_avg_pool")


class BatchNorm(gluon.nn.BatchNorm):  # type: ignore[misc]
    """Gluon's, but its forward updates the running statistics, with an unbiased variance."""

    isomorph_training = True

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        if _is_foreign(x):
            return super().hybrid_forward(F, x, **parameters)
        training = _training(self)
        # Momentum 1 keeps MXNet's own update, in its backward, from changing anything.
        options = {**self._kwargs, "momentum": 1.0, "use_global_stats": not training}
        names = ("gamma", "beta", "running_mean", "running_var")
        y = F.npx.batch_norm(x, *(parameters[name] for name in names), name="fwd", **options)
        if not training:
            return y
        if isinstance(x, Symbol):
            _state.trace.updates.append((self, *self._statistics(x)))  # type: ignore[union-attr]
        else:
            with autograd.pause():
                self.update(*self._statistics(x))
        return y

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        table = ops.table.table_of(x)
        first = self._kwargs["axis"] == 1
        channels = self.running_mean.shape[0]
        flat = table.npx.reshape(x, (-2, -2, -1) if first else (-1, channels))  # type: ignore[attr-defined]
        axes = (0, 2) if first else (0,)
        return table.np.mean(flat, axes), table.np.var(flat, axes, ddof=1)  # type: ignore[attr-defined]

    def update(self, mean: Any, variance: Any) -> None:
        """Blend a batch's statistics into the running ones."""
        kept = self._kwargs["momentum"]
        with autograd.pause():
            for parameter, new in ((self.running_mean, mean), (self.running_var, variance)):
                running = parameter.data()
                running[:] = running * kept + new * (1 - kept)


@MXNetAdapter.lowers(nn.BatchNorm, weight="gamma", bias="beta")
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm; Gluon's momentum weights the old statistics."""
    return _made(
        BatchNorm, layer, binding, axis=-1 if binding.options.data_format == "channels_last" else 1,
        momentum=1 - layer.momentum, epsilon=layer.eps, center=layer.affine, scale=layer.affine,
    )  # fmt: skip


class LayerNorm(gluon.HybridBlock):  # type: ignore[misc]
    """Layer normalization without a shift, or without a scale too; Gluon's always holds both."""

    def __init__(self, epsilon: float, scale: bool, prefix: str) -> None:
        super().__init__(prefix=prefix)
        self._epsilon = epsilon
        if scale:
            self.gamma = self.params.get("gamma", shape=(-1,), allow_deferred_init=True)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any = None) -> Any:  # noqa: N803 - Gluon's name
        if gamma is not None:
            return F.npx.layer_norm(x, gamma, F.np.zeros_like(gamma), axis=-1, eps=self._epsilon)
        centered = x - ops.mean(x, -1, keepdims=True)
        return centered / ops.sqrt(ops.mean(centered * centered, -1, keepdims=True) + self._epsilon)


@MXNetAdapter.lowers(nn.LayerNorm, weight="gamma", bias="beta")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    if layer.bias is None:
        return _made(LayerNorm, layer, binding, layer.eps, layer.weight is not None)
    return _made(gluon.nn.LayerNorm, layer, binding, epsilon=layer.eps)


@MXNetAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    dtype = layer.weight._dtype or binding.options.dtype
    return _made(gluon.nn.Embedding, layer, binding, layer.num_embeddings, layer.embedding_dim, dtype)


class Dropout(gluon.nn.Dropout):  # type: ignore[misc]
    """Gluon's, in the mode of its own module where that differs from the net's."""

    isomorph_training = True

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return super().hybrid_forward(F, x) if _is_foreign(x) or _training(self) else x


@MXNetAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return _made(Dropout, layer, binding, layer.p)


class Flatten(gluon.nn.Flatten):  # type: ignore[misc]
    """Gluon's, from any axis, in the order channels, height, width."""

    isomorph_layer: Any
    isomorph_format: str

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        layer = self.isomorph_layer
        # On a matrix, the least that a symbol can be, moving the last axis to 1 changes nothing.
        rank = x.ndim if isinstance(x, NDArray) else 3
        if moves_channels(layer, rank, self.isomorph_format):
            x = ops.table.table_of(x).np.moveaxis(x, -1, 1)  # type: ignore[attr-defined]
        return ops.flatten(x, layer.start_axis)


@MXNetAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten."""
    if layer.start_axis == 1 and binding.options.data_format == "channels_first":
        return _made(gluon.nn.Flatten, layer, binding)
    native = _made(Flatten, layer, binding)
    native.isomorph_layer, native.isomorph_format = layer, binding.options.data_format
    return native


@MXNetAdapter.lowers(nn.ReLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation that Gluon has by name."""
    return _made(gluon.nn.Activation, layer, binding, type(layer).__name__.lower())


@MXNetAdapter.lowers(nn.GELU, nn.SiLU)
def function(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation by its function in the table."""
    if isinstance(layer, nn.GELU) and binding.options.dtype != "float64":
        return _made(gluon.nn.GELU, layer, binding)
    name = type(layer).__name__.lower()
    return _function(layer, binding, getattr(ops, name), name)


@MXNetAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return _function(layer, binding, lambda x: ops.softmax(x, layer.axis), "softmax")


@MXNetAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU. Gluon's own holds its slope in float32."""
    if binding.options.dtype != "float64":
        return _made(gluon.nn.LeakyReLU, layer, binding, layer.negative_slope)
    return _function(layer, binding, lambda x: ops.leaky_relu(x, layer.negative_slope), "leaky_relu")


# Functions.


Axes = int | tuple[int, ...] | None


def _is_integer(x: Any) -> bool:
    return isinstance(x, NDArray) and x.dtype not in _FLOATS


class MXNetOps(Ops):
    """The functions of `isomorph.ops` in `mx.np`, on arrays or on symbols."""

    def __init__(self, numpy: Any, extension: Any, internal: Any) -> None:
        self.np, self.npx, self.npi = numpy, extension, internal

    def _float(self, x: Tensor) -> Tensor:
        """Return integers as float32: MXNet would compute in integers."""
        if isinstance(x, NDArray):
            return x.astype("float32") if x.dtype not in _FLOATS else x
        if _state.trace is not None and not _state.trace.has_integers:
            _state.trace.needs_types = True
            return x
        return self.np.true_divide(x, 1)

    def _pair(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Bring two operands to one type, floating if one is. Symbols have no types to compare."""
        if isinstance(a, NDArray) and isinstance(b, NDArray):
            if a.dtype is b.dtype:
                return a, b
            kinds = [x.dtype for x in (a, b) if x.dtype in _FLOATS] or [a.dtype, b.dtype]
            dtype = np.result_type(*kinds)
            return a.astype(dtype), b.astype(dtype)
        if isinstance(a, float) and _is_integer(b):
            return a, b.astype("float32")
        if isinstance(b, float) and _is_integer(a):
            return a.astype("float32"), b
        return a, b

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.add(*self._pair(a, b))

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.subtract(*self._pair(a, b))

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.multiply(*self._pair(a, b))

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.true_divide(*self._pair(a, b))

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.power(*self._pair(a, b))

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.maximum(*self._pair(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.minimum(*self._pair(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return self.np.where(condition, *self._pair(a, b))

    def negative(self, x: Tensor) -> Tensor:
        return self.np.negative(x)

    def abs(self, x: Tensor) -> Tensor:
        return self.np.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return self.np.exp(self._float(x))

    def log(self, x: Tensor) -> Tensor:
        return self.np.log(self._float(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return self.np.sqrt(self._float(x))

    def square(self, x: Tensor) -> Tensor:
        return self.np.square(x)

    def tanh(self, x: Tensor) -> Tensor:
        return self.np.tanh(self._float(x))

    def sigmoid(self, x: Tensor) -> Tensor:
        return self.npx.sigmoid(self._float(x))

    def relu(self, x: Tensor) -> Tensor:
        return self.npx.relu(x)

    def leaky_relu(self, x: Tensor, negative_slope: float) -> Tensor:
        x = self._float(x)
        return self.np.where(x > 0, x, x * negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        x = self._float(x)
        if isinstance(x, NDArray) and x.dtype is not np.float64:
            return self.npx.leaky_relu(x, act_type="gelu")
        # MXNet's own gelu holds its constants in float32.
        return x * 0.5 * (self.npx.erf(x * 0.5**0.5) + 1)

    def silu(self, x: Tensor) -> Tensor:
        x = self._float(x)
        return x * self.npx.sigmoid(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return x if low is None and high is None else self.np.clip(x, low, high)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        if dtype not in _DTYPES:
            raise InvalidArgumentError.choice("ops.astype on mxnet", "dtype", _DTYPES, dtype)
        if _state.trace is not None and np.dtype(dtype).kind != "f":
            _state.trace.has_integers = True
        return x.astype(dtype)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return self.npx.softmax(self._float(x), axis=axis)

    def log_softmax(self, x: Tensor, axis: int) -> Tensor:
        return self.npx.log_softmax(self._float(x), axis=axis)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return self.np.sum(x, axis=axis, keepdims=keepdims)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return self.np.mean(x, axis=axis, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return self.np.max(x, axis=axis, keepdims=keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return self.np.matmul(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return self.np.einsum(equation, *operands)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        if not isinstance(x, NDArray):
            raise ForwardError("ops.shape: a symbol of MXNet has no shape; call the net with compile=False.")
        return tuple(x.shape)

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return self.np.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        if isinstance(x, NDArray):
            start = start_axis % x.ndim if start_axis < 0 else start_axis
            return x.reshape(*x.shape[:start], int(np.prod(x.shape[start:])))
        if start_axis < 0:
            raise ForwardError("ops.flatten: a symbol of MXNet has no rank; count the axis from the front.")
        return self.npx.reshape(x, (-2,) * start_axis + (-1,))  # -2 keeps an axis

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return self.np.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return self.np.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return self.np.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.np.concatenate(tensors, axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.np.stack(tensors, axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(self.np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        if len(widths) == 1:  # the operator takes no vectors
            return self.pad(x.reshape(1, -1), ((0, 0), *widths), value).reshape(-1)
        # mx.np.pad ignores its constant in 1.9.1, and asks NumPy for what NumPy 2 has not.
        return self.npi.pad(x, widths, mode="constant", constant_value=value)

"""MXNet 1.9.1, imported whatever NumPy is installed; its modes, and the call under way."""

from __future__ import annotations

import ctypes
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from isomorph.adapter import Options
from isomorph.errors import ForwardError, InvalidArgumentError


@contextmanager
def _old_numpy() -> Iterator[None]:
    """Put back, while MXNet 1.9.1 is imported, the names that NumPy 1.24 and 2.0 removed."""
    old: dict[str, Any] = {
        "bool": bool, "float_": np.float64, "Inf": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan,
        "NAN": np.nan, "PZERO": 0.0, "NZERO": -0.0, "alltrue": np.all, "sometrue": np.any,
        "product": np.prod, "cumproduct": np.cumprod, "row_stack": np.vstack, "round_": np.round,
    }  # fmt: skip
    # MXNet lists these as fallbacks, and refuses to be imported without something by that name.
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
    from mxnet import autograd
    from mxnet import gluon as gluon
    from mxnet.base import _LIB, check_call

NDArray, Symbol = mx.nd.NDArray, mx.sym.np._Symbol
FLOATS = (np.float32, np.float64, np.float16)


def set_np_shape(mode: int) -> int:
    """Set whether shapes are NumPy's, and return whether they were."""
    # mx.util.set_np_shape does the same, but its first call installs a handler in the root logger.
    previous = ctypes.c_int()
    check_call(_LIB.MXSetIsNumpyShape(ctypes.c_int(mode), ctypes.byref(previous)))
    return previous.value


@contextmanager
def np_mode() -> Iterator[None]:
    """Work in np-mode, off the user's autograd record."""
    previous = set_np_shape(1)
    try:
        with mx.util.np_array(True), autograd.pause(train_mode=autograd.is_training()):
            yield
    finally:
        if not previous:
            set_np_shape(0)


def context_of(options: Options) -> Any:
    """Return the context that a device's name says; raises `InvalidArgumentError` without it."""
    device = options.device
    if device is None or isinstance(device, mx.Context):
        return device or mx.current_context()
    match = re.fullmatch(r"(cpu|gpu)(?:[:(](\d+)\)?)?", str(device))
    if match is None or (match[1] == "gpu" and int(match[2] or 0) >= mx.context.num_gpus()):
        raise InvalidArgumentError.of("to", "device", '"cpu", "gpu" or "gpu(1)" that MXNet sees', device)
    return mx.Context(match[1], int(match[2] or 0))


def wait(value: Any) -> None:
    """Wait for results: MXNet computes asynchronously, and reports a failure to who waits."""
    if isinstance(value, NDArray):
        value.wait_to_read()
    elif isinstance(value, dict):
        wait(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for each in value:
            wait(each)


def drain() -> None:
    """Take back what else a failed call left in the engine; a later wait would raise it again."""
    with suppress(mx.MXNetError):
        mx.nd.waitall()


class Trace:
    """A call on symbols: the shapes of its inputs, and what it found out."""

    def __init__(
        self, shapes: dict[str, tuple[int, ...]], context: Any = None, is_foreign: bool = False
    ) -> None:
        self.shapes, self.context = shapes, context or mx.current_context()
        self.is_foreign = is_foreign
        """Whether Gluon's own `hybridize` traces: its graph must serve both modes."""
        self.is_training = autograd.is_training()
        self.asked: set[str] = set()
        """What the graph holds for alone: these "sizes" behind the first, this "batch", this "mode"."""
        self.updates: dict[Any, Any] = {}
        """The new value of each parameter that is updated."""
        self.constants: dict[str, Any] = {}
        """NumPy's arrays that the forward computes with, as parameters by name."""
        self.form: Any = None
        """What is around the tensors of the output."""

    def shape(self, x: Any, *asked: str) -> tuple[int, ...]:
        """Return a symbol's shape; the graph then holds for inputs with the same of what was asked."""
        self.asked.update(asked)
        given = {name: self.shapes[name] for name in x.list_inputs() if name in self.shapes}
        shape = x.infer_shape_partial(**given)[1][0]
        if shape is None or min(shape, default=0) < 0:
            raise ForwardError("the shape of a symbol of MXNet is not known here; use compile=False.")
        return tuple(shape)

    def constant(self, array: Any, dtype: str) -> Any:
        """Return the symbol of an array that is one more input of the graph."""
        name = f"constant{len(self.constants)}"
        parameter = gluon.Parameter(name, "null", array.shape, dtype, differentiable=False)
        parameter._load_init(mx.np.array(array, dtype=dtype), [self.context])
        self.constants[name] = parameter
        return parameter.var()


class _State(threading.local):
    """The call under way in this thread."""

    is_bound = False
    """Whether each module's own `training` counts, not the framework's mode."""
    trace: Trace | None = None
    F: Any = None
    """MXNet's functions inside a user's forward: those of arrays or those of symbols."""
    caller: Any = None
    """The block whose forward that is, and its inputs."""
    form: Any = None
    """What is around the tensors that Gluon is given for a block."""
    updates: dict[Any, Any] | None = None
    """In a call on arrays, the new value of each parameter that is updated."""


state = _State()


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Let blocks report to this trace."""
    before, state.trace = state.trace, trace
    try:
        yield
    finally:
        state.trace = before


def is_training(block: Any) -> bool:
    """Return the mode that a block computes in."""
    if state.is_bound:
        return block.isomorph_training  # type: ignore[no-any-return]
    if state.trace is not None:
        state.trace.asked.add("mode")
    return autograd.is_training()  # type: ignore[no-any-return]


def is_foreign(x: Any) -> bool:
    """Whether this is a trace by Gluon's own `hybridize`: its graph must serve both modes."""
    return isinstance(x, Symbol) and (state.trace is None or state.trace.is_foreign)

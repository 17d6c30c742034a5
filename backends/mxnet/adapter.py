"""The adapter: MXNet's side of the contract."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from isomorph import nn
from isomorph.adapter import Adapter, Array, Binding, Call, Options, Signature, Slot, TensorSpec, register
from isomorph.errors import NotSupportedError

from . import operands  # noqa: F401 - MXNet's tensors learn to meet NumPy's arrays
from .calls import Run
from .composite import composite
from .deferral import inferred, link, load
from .framework import NDArray, Symbol, autograd, context_of, mx, np_mode
from .ops import ARRAYS, SYMBOLS, WIDER
from .restore import restorer
from .values import assign


class MXNetAdapter(Adapter):
    """Lowers nets to Gluon blocks."""

    name = "mxnet"
    specializes = True
    scripts: ClassVar[dict[type, str]] = {}
    """The rows of the families of layers for `native_script`."""

    def __init__(self) -> None:
        self.ops = ARRAYS
        register(Symbol, SYMBOLS)

    def check_options(self, options: Options) -> None:
        context, dtype = context_of(options), options.dtype
        if dtype == "bfloat16" or (dtype == "float16" and context.device_type == "cpu"):
            able = f"MXNet has no matrix product in {dtype} on {context}"
            raise NotSupportedError.of(self.name, f"dtype.{dtype}", able, "Use float32 or float64.")

    def owns(self, value: Any) -> bool:
        return isinstance(value, (NDArray, Symbol))

    def from_numpy(self, array: Array, options: Options) -> Any:
        with np_mode():
            name = array.dtype.name
            return mx.np.array(array, dtype=WIDER.get(name, name), ctx=context_of(options))

    def to_numpy(self, tensor: Any) -> Array:
        return tensor.asnumpy()  # type: ignore[no-any-return]

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, np.dtype(tensor.dtype).name)

    def accept(self, tensor: Any, options: Options) -> Any:
        return tensor if isinstance(tensor, mx.np.ndarray) else tensor.as_np_ndarray()

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        with np_mode():
            return composite(module, attributes, binding)

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        return inferred(binding, calls)

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        link(binding)
        context = context_of(binding.options)
        with np_mode():
            for module in modules:
                for parameter in module.own_parameters().values():
                    slot = binding.slots[id(parameter)][0]
                    native = self.parameter(slot)
                    if native._data is None or parameter._value is not None:
                        load(native, slot.take(), context)
                    shape = native.shape
                # Gluon's norms hold a scale and shift even where they do not learn them.
                for extra in binding.natives[id(module)]._reg_params.values():
                    if extra._data is None:
                        extra.shape = extra.shape if min(extra.shape, default=0) > 0 else shape
                        extra._finish_deferred_init()

    def restorer(self, binding: Binding) -> Callable[[], None]:
        return restorer(binding)

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        return Run(binding, module, signature)

    def set_mode(self, binding: Binding) -> None:
        link(binding)
        for name in ("graphs", "kinds"):
            binding.memory.pop(name, None)
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if hasattr(type(native), "isomorph_training"):
                vars(native)["isomorph_training"] = module.training

    def forget_traces(self, binding: Binding) -> None:
        # Its user may have hybridized a native block, by itself or with a block around it.
        for native in binding.natives.values():
            if vars(native)["_active"]:
                native._clear_cached_op()

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        listed = binding.native(module)._collect_params_with_prefix()
        return {name: None if p._data is None else tuple(p.shape) for name, p in listed.items()}

    def native_script(self, layer: nn.Layer, data_format: str, training: bool) -> str:
        from .script import script

        return script(layer, self.table, self.scripts, data_format, training)

    def is_ready(self, slot: Slot) -> bool:
        return self.parameter(slot)._data is not None

    def parameter(self, slot: Slot) -> Any:
        return slot.owner._reg_params[slot.native_name]

    def read(self, slot: Slot) -> Array:
        values: Array = self.parameter(slot).list_data()[0].asnumpy()
        return values.astype(slot.parameter.dtype, copy=False)

    def write(self, slot: Slot, array: Array) -> None:
        with np_mode():
            native = self.parameter(slot)
            assign(native, mx.np.array(array, dtype=native.dtype, ctx=context_of(slot.binding.options)))

    def trainable(self, slot: Slot) -> bool:
        return bool(self.parameter(slot).grad_req != "null")

    def set_trainable(self, slot: Slot, trainable: bool) -> None:
        with np_mode():
            self.parameter(slot).grad_req = "write" if trainable else "null"
        if slot.owner._active:
            self.forget_traces(slot.binding)

    def gradient(self, slot: Slot) -> Array | None:
        native = self.parameter(slot)
        if native._grad is None:
            return None
        # MXNet 1.9.1 keeps zeros for a gradient that was never computed.
        gradient = native.list_grad()[0].asnumpy()
        return gradient if gradient.any() or native.list_data()[0]._fresh_grad else None

    def gradients(
        self,
        binding: Binding,
        module: nn.Module,
        loss: Callable[..., Any],
        inputs: tuple[Any, ...],
        signature: Signature,
    ) -> dict[int, Array]:
        trained = [parameter for parameter in module.parameters().values() if parameter.trainable]
        if binding.memory.get("trained") != (of := set(map(id, trained))):
            # Its user may have frozen Gluon's own parameters, of which graphs know nothing.
            binding.memory["trained"] = of
            binding.forget_runs()
        run = Run(binding, module, signature)
        # Each module's own mode counts in a bound call. MXNet 1.9.1 itself gives wrong gradients for
        # max pooling where it records in predict mode.
        run.training = True
        slots = {key: binding.slots[key][0] for key in map(id, trained)}
        with np_mode():
            for slot in slots.values():
                for buffer in self.parameter(slot)._grad or ():
                    buffer[()] = 0
            with autograd.record():
                value = loss(run(*inputs))
            try:
                value.backward()
            except mx.MXNetError as error:
                # A loss that no parameter reaches has no graph: its gradients are the zeros set above.
                if not re.search("not in a computational graph|no inputs in computation graph", str(error)):
                    raise
            return {key: self.parameter(slot).list_grad()[0].asnumpy() for key, slot in slots.items()}

"""The adapter: PyTorch's side of the contract."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.fx
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import (
    Adapter,
    Array,
    Binding,
    Call,
    Layout,
    Options,
    Signature,
    Slot,
    TensorSpec,
    numpy_dtype,
    register,
)

from .arrays import meet_arrays
from .calls import bound_call
from .composite import compose, is_taken
from .deferral import Deferred, Described, deferred, held
from .framework import creating, device_of, meta, tensor
from .ops import TorchOps
from .restore import restorer
from .script import script


class TorchAdapter(Adapter):
    """Lowers nets to `torch.nn.Module`."""

    name = "torch"
    refuses_sizes = True
    scripts: ClassVar[dict[type, str]] = {}
    """By layer type, the source of the call that makes PyTorch's own."""

    def __init__(self) -> None:
        self.ops = TorchOps()
        meet_arrays()
        register(torch.fx.Proxy, self.ops)  # torch.fx.symbolic_trace of a native module

    @classmethod
    def lowers(cls, *kinds: type, **layouts: Layout) -> Callable[[Any], Any]:
        """Enter a lowering; see `Adapter.lowers`. What it returns waits as `deferred` says."""

        def enter(lowering: Any) -> Any:
            @functools.wraps(lowering, updated=())
            def waiting(layer: nn.Module, binding: Binding) -> Any:
                if not layer.own_parameters():
                    return lowering(layer, binding)
                with creating(binding.options):
                    return deferred(lowering(layer, binding), layer, binding, layouts)

            super(TorchAdapter, cls).lowers(*kinds, **layouts)(waiting)
            return lowering

        return enter

    def owns(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def from_numpy(self, array: Array, options: Options) -> Any:
        return tensor(array.copy()).to(device_of(options))

    def to_numpy(self, tensor: Any) -> Array:
        values = tensor.detach().cpu()
        if values.dtype == torch.bfloat16:  # NumPy itself has no such type
            return values.view(torch.int16).numpy().view(numpy_dtype("bfloat16"))  # type: ignore[no-any-return]
        return values.numpy()  # type: ignore[no-any-return]

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tuple(tensor.shape), str(tensor.dtype)[6:])

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        return compose(module, attributes, binding)

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        shapes: dict[int, tuple[int, ...]] = {}
        for call in calls:
            native, own = binding.natives[id(call.module)], call.module.own_parameters()
            inputs = binding.memory.setdefault("inputs", {})[id(call.module)] = tuple(map(meta, call.inputs))
            slots = [s for p in own.values() for s in binding.slots[id(p)] if s.module is call.module]
            if isinstance(native, Deferred) and not isinstance(native, Described):
                inferred = native.inferred(inputs, {})[0]
                shapes.update({id(slot.parameter): inferred[slot.native_name] for slot in slots})
            else:  # PyTorch has no inference for it: a rule, or a user's own build hook
                known = [slot for slot in slots if slot.parameter.shape.is_known]
                shapes.update({id(slot.parameter): slot.native_shape() for slot in known})
        return shapes

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            native = binding.natives[id(module)]
            inputs = self._fitting(binding, module, native)
            if inputs is not None:
                native._infer_parameters(native, inputs)

    def _fitting(self, binding: Binding, module: nn.Module, native: Any) -> tuple[Any, ...] | None:
        """Return inputs from which a native module takes its sizes; None if it has them or can't."""
        if not isinstance(native, Deferred) or not native.has_uninitialized_params():
            return None
        if isinstance(native, Described):
            return ()
        shape = module.fitting_input(binding.options)
        known = binding.memory.get("inputs", {}).get(id(module))
        return known if shape is None else (meta(TensorSpec(shape)),)

    def restorer(self, binding: Binding) -> Callable[[], None]:
        return restorer(binding)

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        return bound_call(binding, module, signature, bool(binding.options.compile))

    def forget_traces(self, binding: Binding) -> None:
        binding.memory.pop("compiled", None)

    def set_attribute(self, native: Any, name: str, value: Any) -> bool:
        return not is_taken(name) and super().set_attribute(native, name, value)

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if native is not None:
                native.training = module.training

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        native = binding.native(module)
        listed = (*native.named_parameters(), *native.named_buffers())
        return {name: None if is_lazy(value) else tuple(value.shape) for name, value in listed}

    def native_script(self, layer: nn.Layer, data_format: str, training: bool) -> str:
        return script(layer, data_format, training, self.table, self.scripts)

    def is_ready(self, slot: Slot) -> bool:
        return not is_lazy(self.parameter(slot))

    def parameter(self, slot: Slot) -> Any:
        return held(slot.owner, slot.native_name)

    def read(self, slot: Slot) -> Array:
        return self.to_numpy(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        with torch.no_grad():
            self.parameter(slot).copy_(tensor(array))

    def trainable(self, slot: Slot) -> bool:
        return bool(self.parameter(slot).requires_grad)

    def set_trainable(self, slot: Slot, trainable: bool) -> None:
        # PyTorch 2.13's lazy parameters allow this, and not requires_grad_().
        self.parameter(slot).requires_grad = trainable

    def gradient(self, slot: Slot) -> Array | None:
        gradient = self.parameter(slot).grad
        return None if gradient is None else self.to_numpy(gradient)

    def gradients(
        self,
        binding: Binding,
        module: nn.Module,
        loss: Callable[..., Any],
        inputs: tuple[Any, ...],
        signature: Signature,
    ) -> dict[int, Array]:
        trained = [p for p in module.parameters().values() if p.trainable]
        slots = [p._slot for p in trained if p._slot is not None]
        tensors = [self.parameter(slot) for slot in slots]
        call = bound_call(binding, module, signature, compile=False)
        with torch.inference_mode(False), torch.enable_grad():
            # Inference tensors can't be saved for the backward pass.
            value = loss(call(*[x.clone() if torch.is_tensor(x) and x.is_inference() else x for x in inputs]))
            found: Any = map(torch.zeros_like, tensors)
            if value.requires_grad:
                found = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return {id(slot.parameter): self.to_numpy(g) for slot, g in zip(slots, found)}

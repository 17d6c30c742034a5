"""The adapter: PyTorch's side of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Adapter, Array, Binding, Call, Options, Signature, Slot, TensorSpec, numpy_dtype

from .calls import compiled
from .composite import compose
from .deferral import sample
from .framework import device_of, meta, tensor
from .ops import TorchOps
from .script import script


class TorchAdapter(Adapter):
    """Lowers nets to `torch.nn.Module`."""

    name = "torch"
    scripts: ClassVar[dict[type, str]] = {}
    """By layer type, the source of the call that makes PyTorch's own."""

    def __init__(self) -> None:
        self.ops = TorchOps()

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
            entry = self.table.get(type(call.module))
            own = call.module.own_parameters()
            if entry is None:  # a user's own build hook: PyTorch has no inference for it
                shapes.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
                continue
            if isinstance(call.module, nn.BatchNorm):
                binding.memory.setdefault("ranks", {})[id(call.module)] = call.inputs[0].ndim
            with torch.device("meta"):
                probe = entry[0](call.module, binding)
                probe.__dict__.pop("fill", None)
                probe.initialize_parameters(*(meta(spec) for spec in call.inputs))
            shapes.update({id(p): tuple(getattr(probe, name).shape) for name, p in own.items()})
        return shapes

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            native = binding.natives[id(module)]
            if not isinstance(native, LazyModuleMixin) or not native.has_uninitialized_params():
                continue
            given = sample(module, binding)
            native._infer_parameters(native, () if given is None else (given,))

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        # Classes are settled before the call: torch.compile would break its graph at the change.
        for key, rank in binding.memory.pop("ranks", {}).items():
            if hasattr(binding.natives[key], "become"):
                binding.natives[key].become(rank)
        native = binding.native(module)
        return compiled(native) if binding.options.compile else native

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
        return getattr(slot.owner, slot.native_name)

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
        value = loss(binding.native(module)(*inputs))
        found: Any = map(torch.zeros_like, tensors)
        if value.requires_grad:
            found = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return {id(slot.parameter): self.to_numpy(g) for slot, g in zip(slots, found)}

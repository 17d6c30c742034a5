"""The adapter: PyTorch's side of the contract."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Options, Slot
from isomorph.errors import LayerNotSupportedError
from isomorph.init.laws import Array
from isomorph.init.streams import numpy_dtype
from isomorph.native_class import native_class
from isomorph.tensor import TensorSpec
from isomorph.trace import Call

from .deferral import DeferredComposite, declare, fill_later, sample
from .ops import TorchOps
from .tensors import device_of, meta, tensor


class TorchAdapter(Adapter):
    """Lowers nets to `torch.nn.Module`."""

    name = "torch"

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
        _refuse_taken_names(module)
        plain = native_class(torch.nn.Module, module, {"forward": type(module).forward, "training": True})
        own = module.own_parameters()
        cls = type(f"Lazy{plain.__name__}", (DeferredComposite, plain), {}) if own else plain
        native: Any = cls.__new__(cls)
        (LazyModuleMixin if own else torch.nn.Module).__init__(native)
        for name, value in attributes.items():
            if isinstance(value, torch.nn.Module) and hasattr(torch.nn.Module, name):
                raise LayerNotSupportedError.at(
                    module.label,
                    self.name,
                    f"an attribute named {name!r}",
                    f"torch.nn.Module.{name} exists already. Rename the attribute.",
                    f"name.{name}",
                )
            setattr(native, name, value)
        for name, parameter in own.items():
            declare(native, name, parameter, binding)
        if own:
            native.__dict__["cls_to_become"] = plain
            native.__dict__["description"] = module
            fill_later(native, module, binding)
        return native

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

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        # Classes are settled before the call: torch.compile would break its graph at the change.
        for key, rank in binding.memory.pop("ranks", {}).items():
            if hasattr(binding.natives[key], "become"):
                binding.natives[key].become(rank)
        native = binding.native(module)
        return torch.compile(_own_code(native)) if binding.options.compile else native

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
        from .script import script

        return script(layer, data_format, training)

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
        self, binding: Binding, module: nn.Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        trained = [p for p in module.parameters().values() if p.trainable]
        slots = [p._slot for p in trained if p._slot is not None]
        tensors = [self.parameter(slot) for slot in slots]
        value = loss(binding.native(module)(*inputs))
        found: Any = map(torch.zeros_like, tensors)
        if value.requires_grad:
            found = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return {id(slot.parameter): self.to_numpy(g) for slot, g in zip(slots, found)}


def _own_code(native: Any) -> Callable[..., Any]:
    """Return a call of a module that is compiled apart from every other.

    PyTorch 2.13 counts compilations by code, and gives up at the ninth: the ninth net of one class, or
    the ninth of all nets whose call is PyTorch's own, would silently stay eager.
    """

    def call(*inputs: Any, **named: Any) -> Any:
        return native(*inputs, **named)

    return FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)


def _refuse_taken_names(module: nn.Module) -> None:
    """Raise if the user's class defines what `torch.nn.Module` defines: that one would be called."""
    ours = (object, *nn.Module.__mro__, nn.ModuleList, nn.ModuleDict, nn.Sequential)
    for cls in type(module).__mro__:
        for name in () if cls in ours else vars(cls):
            if name[0] != "_" and name not in ("forward", "extra_repr") and hasattr(torch.nn.Module, name):
                raise LayerNotSupportedError.at(
                    module.label,
                    "torch",
                    f"a method named {name!r}",
                    f"torch.nn.Module.{name} exists already. Rename the method.",
                    f"name.{name}",
                )

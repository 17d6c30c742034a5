"""The adapter: it keeps what the contract says, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, Call, Options, Signature, Slot, TensorSpec, native_class
from isomorph.backends.numpy import NumpyAdapter
from isomorph.errors import NotSupportedError

from .tensors import OddOps, Tensor


class OddModule:
    """Base of the nets that users write."""

    training = True

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)  # type: ignore[attr-defined]


class OddAdapter(NumpyAdapter):
    """Lowers nets to blocks and cells."""

    name = "odd"

    def __init__(self) -> None:
        self.ops = OddOps()

    def check_options(self, options: Options) -> None:
        if options.compile:
            raise NotSupportedError.of(self.name, "compile", "it has no compiler", "Use compile=None.")
        if options.dtype == "bfloat16":
            raise NotSupportedError.of(self.name, "dtype.bfloat16", "it is too odd", "Take float32.")

    # Tensors.

    def owns(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def from_numpy(self, array: Any, options: Options) -> Any:
        return Tensor(array.copy())

    def to_numpy(self, tensor: Any) -> Any:
        return tensor.held.copy(order="F")

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.dtype.name)

    # Modules.

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        values = {name: _value(name) for name in module.own_parameters()}
        namespace = {"training": True, "forward": type(module).forward, **values}
        cls = native_class(OddModule, module, namespace)
        native: Any = cls.__new__(cls)
        vars(native).update(attributes)
        vars(native)["cells"] = {}
        return native

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        self._settle(binding)
        parameters = [p for call in calls for p in call.module.own_parameters().values()]
        return {id(p): binding.slots[id(p)][0].native_shape() for p in parameters if p.shape.is_known}

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        from .blocks import Cell

        self._settle(binding)
        # Backwards: nobody said in which order.
        for module in reversed(modules):
            for parameter in reversed(list(module.own_parameters().values())):
                first, *others = binding.slots[id(parameter)]
                if parameter._value is None and self.is_ready(first):
                    cell = self.parameter(first)
                else:
                    cell = Cell(parameter.take(), first.axes)
                for slot in (first, *others):
                    slot.owner.cells[slot.native_name] = cell

    def restorer(self, binding: Binding) -> Callable[[], None]:
        waiting = [slot for tied in binding.slots.values() for slot in tied if not self.is_ready(slot)]

        def restore() -> None:
            for slot in waiting:
                slot.owner.cells.pop(slot.native_name, None)

        return restore

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        slots = [slot for slots in binding.slots.values() for slot in slots if signature.updates]

        def call(*inputs: Any, **named: Any) -> Any:
            before = [(self.parameter(slot), self.read(slot).copy()) for slot in slots]
            try:
                return binding.native(module)(*inputs, **named)
            except Exception:
                for cell, values in before:
                    cell.laid[...] = values
                raise

        return call

    def variables(self, binding: Binding) -> Any:
        slots = {path: parameter._slot for path, parameter in sorted(binding.root.state().items())}
        return {path: Tensor(slot.read()) for path, slot in slots.items() if slot and self.is_ready(slot)}

    def set_variables(self, binding: Binding, variables: Any) -> None:
        for path, tensor in variables.items():
            binding.root.state()[path].set(tensor.held)

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        found: dict[str, tuple[int, ...] | None] = {}
        for path, each in reversed(list(module.named_modules())):
            for name, cell in getattr(binding.native(each), "cells", {}).items():
                found[f"{path}.{name}" if path else name] = cell.laid.shape
        return found

    # Parameters.

    def is_ready(self, slot: Slot) -> bool:
        return slot.native_name in getattr(slot.owner, "cells", ())

    def parameter(self, slot: Slot) -> Any:
        return slot.owner.cells[slot.native_name]

    def read(self, slot: Slot) -> Any:
        return self.parameter(slot).laid

    def write(self, slot: Slot, array: Any) -> None:
        self.parameter(slot).laid[...] = array

    def _settle(self, binding: Binding) -> None:
        """Let a tied parameter be laid out as its first layer wants it."""
        for first, *others in binding.slots.values():
            for slot in others:
                slot.axes = first.axes


def _value(name: str) -> Any:
    return property(lambda native: native.cells[name].seen())

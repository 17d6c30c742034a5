"""The adapter: NumPy's side of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Options, Slot
from isomorph.errors import GradientsNotSupportedError
from isomorph.init.laws import Array
from isomorph.native_class import native_class
from isomorph.tensor import TensorSpec
from isomorph.trace import Call

from .ops import NumpyOps

_NO_GRADIENTS = (
    "The numpy backend computes forward only and has no gradients.\n"
    '  Move the net to a framework that has them, for example net.to("torch").'
)


class NumpyModule:
    """A callable that holds its parameters as attributes: None until they have values."""

    training = True

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(vars(self))})"


class NumpyAdapter(Adapter):
    """Lowers nets to `NumpyModule`."""

    name = "numpy"

    def __init__(self) -> None:
        self.ops = NumpyOps()

    def owns(self, value: Any) -> bool:
        return isinstance(value, (np.ndarray, np.generic))

    def from_numpy(self, array: Array, options: Options) -> Any:
        return array

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.name)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        forward = type(module).forward
        namespace = {"training": True, "forward": forward, "__call__": forward}
        cls = native_class(NumpyModule, module, namespace)
        native: Any = cls.__new__(cls)
        vars(native).update(attributes, **dict.fromkeys(module.own_parameters()))
        return native

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        # NumPy has no modules and so no inference of its own: the shapes are ours.
        parameters = [p for call in calls for p in call.module.own_parameters().values()]
        return {
            id(parameter): parameter.shape.known() for parameter in parameters if parameter.shape.is_known
        }

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            for parameter in module.own_parameters().values():
                slots = binding.slots[id(parameter)]
                ready = next((slot for slot in slots if self.is_ready(slot)), None)
                values = slots[0].take() if ready is None else self.parameter(ready)
                for slot in slots:
                    setattr(slot.owner, slot.native_name, values)

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        return binding.native(module)

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            if id(module) in binding.natives:
                binding.natives[id(module)].training = module.training

    def is_ready(self, slot: Slot) -> bool:
        return getattr(slot.owner, slot.native_name) is not None

    def parameter(self, slot: Slot) -> Any:
        return getattr(slot.owner, slot.native_name)

    def read(self, slot: Slot) -> Array:
        return np.asarray(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        self.parameter(slot)[...] = array

    def gradient(self, slot: Slot) -> Array | None:
        raise GradientsNotSupportedError(_NO_GRADIENTS)

    def gradients(self, *args: Any, **kwargs: Any) -> dict[int, Array]:
        raise GradientsNotSupportedError(_NO_GRADIENTS)

"""The adapter: NumPy's side of the contract."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Adapter, Array, Binding, Call, Options, Signature, Slot, TensorSpec
from isomorph.errors import GradientsNotSupportedError, NotSupportedError

from .composite import compose
from .ops import NumpyOps
from .state import updatable, updating


class NumpyAdapter(Adapter):
    """Lowers nets to `NumpyModule`."""

    name = "numpy"

    def __init__(self) -> None:
        self.ops = NumpyOps()

    def check_options(self, options: Options) -> None:
        if options.compile:
            hint = "Use compile=None or False, or move the net to a framework that has a compiler."
            raise NotSupportedError.of(self.name, "compile", "it calls each forward as it is", hint)
        if options.dtype == "bfloat16":
            able = "NumPy's products are of float16, float32 or float64"
            hint = 'Use one of these types, or another backend, such as net.to("torch", dtype="bfloat16").'
            raise NotSupportedError.of(self.name, "dtype.bfloat16", able, hint)

    def owns(self, value: Any) -> bool:
        return isinstance(value, (np.ndarray, np.generic))

    def from_numpy(self, array: Array, options: Options) -> Any:
        return array

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.name)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        return compose(module, attributes)

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
                if isinstance(parameter, nn.Buffer) and isinstance(slots[0].owner, nn.Module):
                    values = updatable(values)
                for slot in slots:
                    setattr(slot.owner, slot.native_name, values)

    def restorer(self, binding: Binding) -> Callable[[], None]:
        slots = [slot for tied in binding.slots.values() for slot in tied if not self.is_ready(slot)]

        def restore() -> None:
            for slot in slots:
                setattr(slot.owner, slot.native_name, None)

        return restore

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        call = binding.native(module)
        if not signature.updates:
            return call  # type: ignore[no-any-return]
        tied = [slots for slots in binding.slots.values() if isinstance(slots[0].parameter, nn.Buffer)]
        places = [tuple((slot.owner, slot.native_name) for slot in slots) for slots in tied]
        return updating(call, places, binding.memory.setdefault("updating", threading.RLock()))

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            if id(module) in binding.natives:
                binding.natives[id(module)].training = module.training

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        found: dict[str, tuple[int, ...] | None] = {}
        for path, each in module.named_modules():
            own, native = each.own_parameters(), binding.native(each)
            # Arrays under other names count too: values that nobody asked for.
            for name in {**own, **vars(native)}:
                value = getattr(native, name, None)
                if name in own or (isinstance(value, np.ndarray) and name not in vars(each)):
                    found[f"{path}.{name}" if path else name] = None if value is None else value.shape
        return found

    def is_ready(self, slot: Slot) -> bool:
        return getattr(slot.owner, slot.native_name) is not None

    def parameter(self, slot: Slot) -> Any:
        return getattr(slot.owner, slot.native_name)

    def read(self, slot: Slot) -> Array:
        return np.asarray(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        self.parameter(slot)[...] = array

    def gradient(self, slot: Slot) -> Array | None:
        raise self._no_gradients()

    def gradients(self, *args: Any, **kwargs: Any) -> dict[int, Array]:
        raise self._no_gradients()

    def _no_gradients(self) -> NotSupportedError:
        able, hint = "it computes forward only", 'Move the net, for example by net.to("torch").'
        return GradientsNotSupportedError.of(self.name, "gradients", able, hint)

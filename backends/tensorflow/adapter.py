"""The adapter: TensorFlow's side of the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from isomorph import nn
from isomorph.adapter import (
    Adapter,
    Array,
    Binding,
    Call,
    Layout,
    Lowering,
    Options,
    Signature,
    Slot,
    TensorSpec,
    input_specs,
    register,
)

from .calls import runner
from .composite import Composite, Net, compose
from .deferral import TransposedView, attach, build, input_shapes, relative_path, storage, weights_of
from .framework import device_of, keras, tf
from .ops import SymbolicOps, TensorFlowOps
from .restore import restorer

L = TypeVar("L", bound=Lowering)
# How many kinds of calls a net keeps compiled, over all its modes; the oldest goes.
RUNNERS = 256


class TensorFlowAdapter(Adapter):
    """Lowers nets to `keras.Model` and `keras.layers`."""

    name = "tensorflow"
    specializes = True
    opens_batch = True
    scripts: ClassVar[dict[type, str]] = {}

    def __init__(self) -> None:
        self.ops = TensorFlowOps()
        register(keras.KerasTensor, SymbolicOps())

    @classmethod
    def lowers(cls, *kinds: type, **layouts: Layout) -> Callable[[L], L]:
        enter = super().lowers(*kinds, **layouts)

        def entered(lowering: L) -> L:
            def lower(layer: Any, binding: Binding) -> Any:
                return attach(lowering(layer, binding), layer, binding, layouts)

            enter(lower)
            return lowering

        return entered

    def owns(self, value: Any) -> bool:
        return isinstance(value, (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor, TransposedView))

    def from_numpy(self, array: Array, options: Options) -> Any:
        with device_of(options):
            return tf.constant(array)

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tf.convert_to_tensor(tensor))

    def spec(self, tensor: Any) -> TensorSpec:
        dtype = getattr(tensor.dtype, "name", tensor.dtype)
        if None in tensor.shape:
            return input_specs([tuple(tensor.shape)])[0].astype(dtype)  # type: ignore[no-any-return]
        return TensorSpec(tuple(tensor.shape), dtype)

    def accept(self, tensor: Any, options: Options) -> Any:
        return tensor if isinstance(tensor, (tf.Tensor, keras.KerasTensor)) else tf.convert_to_tensor(tensor)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        return compose(module, attributes, binding)

    def set_attribute(self, native: Any, name: str, value: Any) -> bool:
        native.hold(name, value, False)
        return True

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for call in calls:
            if isinstance(binding.natives[id(call.module)], Composite):
                own = call.module.own_parameters().values()
                found.update({id(p): storage(binding, p).native_shape() for p in own if p.shape.is_known})
                continue
            # A second, unbuilt layer runs Keras's own `build`; its `add_weight` only takes notes.
            scratch = binding.scratch(probe=(binding, found))
            shapes = binding.memory.setdefault("inputs", {})[id(call.module)] = input_shapes(call)
            build(scratch.native(call.module), call.module, binding.options, shapes)
        return found

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            native = binding.natives[id(module)]
            if isinstance(native, Composite):
                native.add_parameters()
            elif isinstance(native, keras.layers.Layer):
                build(native, module, binding.options)
        for _, module in reversed(list(binding.root.named_modules())):
            native = binding.natives.get(id(module))
            if isinstance(native, Net) and not native.built:
                native.built = all(parameter.is_ready for parameter in module.state().values())

    def restorer(self, binding: Binding) -> Callable[[], None]:
        return restorer(binding)

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        native = binding.native(module)
        if isinstance(native, Net) and signature.is_flat:
            native.note_inputs([spec.shape for spec in signature.specs])
        # A net that goes back and forth between its modes is traced once for each.
        kept = binding.memory.setdefault("runners", {})
        modes = tuple(each.training for _, each in module.named_modules())
        is_open = not signature.asks
        kinds = tuple(
            ((None, *spec.shape[1:]) if is_open and spec.ndim > 1 else spec.shape, spec.dtype)
            for spec in signature.specs
        )
        key = (id(module), modes, signature.structure, signature.asks, kinds)
        try:
            known = key in kept
        except TypeError:  # what can't be hashed can't be a constant of a trace
            return runner(binding, module, replace(signature, asks=frozenset({"len"})))
        if not known:
            while len(kept) >= RUNNERS:
                del kept[next(iter(kept))]
            kept[key] = runner(binding, module, signature)
        return kept[key]  # type: ignore[no-any-return]

    def forget_traces(self, binding: Binding) -> None:
        binding.memory.pop("runners", None)

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if isinstance(native, keras.layers.Layer):
                vars(native)["_isomorph_training"] = module.training

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        native = binding.native(module)
        weights = weights_of(binding, module)
        return {relative_path(each, module, native): tuple(each.shape) for each in weights}

    def native_script(self, layer: nn.Layer, data_format: str, training: bool) -> str:
        from .script import script

        return script(layer, data_format, training, self.scripts, self.table)

    def is_ready(self, slot: Slot) -> bool:
        return id(slot.parameter) in slot.binding.memory.get("variables", ())

    def parameter(self, slot: Slot) -> Any:
        return slot.binding.memory["variables"][id(slot.parameter)]

    def read(self, slot: Slot) -> Array:
        return self.parameter(slot).value.numpy()  # type: ignore[no-any-return]

    def write(self, slot: Slot, array: Array) -> None:
        self.parameter(slot).assign(array)

    def trainable(self, slot: Slot) -> bool | None:
        return self.parameter(slot).trainable if self.is_ready(slot) else None

    def set_trainable(self, slot: Slot, trainable: bool) -> None:
        if self.is_ready(slot):
            self.parameter(slot).trainable = trainable

    def gradients(
        self,
        binding: Binding,
        module: nn.Module,
        loss: Callable[..., Any],
        inputs: tuple[Any, ...],
        signature: Signature,
    ) -> dict[int, Array]:
        slots = [p._slot for p in module.parameters().values() if p._slot is not None]
        variables = [self.parameter(slot).value for slot in slots]
        run = self.runner(binding, module, signature)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            value = loss(run(*inputs))
        found = tape.gradient(value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {id(slot.parameter): self.to_numpy(each) for slot, each in zip(slots, found)}

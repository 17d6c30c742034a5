"""The adapter: JAX's side of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import flax
import jax
import jax.numpy as jnp
import numpy as np

from isomorph import nn
from isomorph.adapter import (
    Adapter,
    Array,
    Binding,
    Call,
    Options,
    Signature,
    Slot,
    TensorSpec,
    flatten,
    unflatten,
)
from isomorph.errors import AdapterDisagreementError, InvalidArgumentError

from .calls import differentiable, runner, unpacked
from .composite import Composite, composite
from .deferral import in_layout
from .framework import abstract, device_of, require_x64, tensor
from .ops import JaxOps
from .script import script
from .state import Tree, checked_shape, collection_of, find, forget_staged, place_of, state_of
from .values import Running


class JaxAdapter(Adapter):
    """Lowers nets to `flax.linen.Module`; `net.variables` is the tree for `net.native.apply`.

    Under `jax.jit`, `jax.checkpoint`, `jax.lax.cond` and the like, a net itself stands for its values:
    they become constants of the compiled code. When they or the modes change, JAX forgets all that it
    compiled, so that nothing computes with old ones; pass ``net.variables`` to ``net.native.apply``,
    and nothing is compiled anew. What has to change in such code, running statistics and random
    numbers, is refused there.
    """

    name = "jax"
    specializes = True
    scripts: ClassVar[dict[type, str]] = {}
    """For each layer its line in Flax's own API, with gaps for its attributes."""

    def __init__(self) -> None:
        self.ops = JaxOps()

    def check_options(self, options: Options) -> None:
        if options.dtype == "float64":
            require_x64()

    def owns(self, value: Any) -> bool:
        return isinstance(value, (jax.Array, Running))

    def from_numpy(self, array: Array, options: Options) -> Any:
        return tensor(array, options)

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.name)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        return composite(module, attributes, binding)

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        shapes: dict[int, tuple[int, ...]] = {}
        known: dict[str, Tree] = {}
        for call in calls:
            native = binding.natives[id(call.module)]
            own = call.module.own_parameters()
            if isinstance(native, Composite):  # a user's own build hook: Flax has no inference for it
                shapes.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
                continue
            alike = repr((native, call.inputs))
            if alike not in known:
                known[alike] = _initialized(native, call)
            for parameter in own.values():
                key = id(parameter)
                slot, owner = place_of(binding, call.module).slots[key], binding.slots[key][0]
                path = collection_of(slot), slot.native_name
                found = find(known[alike], path)
                if found is None:
                    has = sorted(flax.traverse_util.flatten_dict(known[alike], sep="/"))
                    raise AdapterDisagreementError.at(parameter.name, self.name, "/".join(path), has)
                shapes[key] = in_layout(owner, slot.canonical_shape(found.shape))
        return shapes

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        parameters = {id(p): p for module in modules for p in module.own_parameters().values()}
        slots = [binding.slots[key][0] for key, p in parameters.items() if p._value is not None]
        device = device_of(binding.options)

        def moved(slot: Slot) -> Any:
            # Nobody else has these values, so JAX may keep their memory; transposed, it copies them once.
            canonical = slot.parameter.take()
            return jax.device_put(canonical.transpose(slot.axes or range(canonical.ndim)), device)

        with jax.ensure_compile_time_eval():  # the first call may be inside a user's jax.jit
            state_of(binding).store([(slot, moved(slot)) for slot in slots])

    def restorer(self, binding: Binding) -> Callable[[], None]:
        return state_of(binding).restorer()

    def runner(self, binding: Binding, module: nn.Module, signature: Signature) -> Callable[..., Any]:
        return runner(state_of(binding), module, signature)

    def set_attribute(self, native: Any, name: str, value: Any) -> bool:
        forget_staged(native._isomorph.binding)
        return False  # a linen module can't change

    def set_mode(self, binding: Binding) -> None:
        state_of(binding).set_mode()

    def forget_traces(self, binding: Binding) -> None:
        if "state" in binding.memory:
            state_of(binding).runners.clear()
        forget_staged(binding)

    def variables(self, binding: Binding) -> Any:
        return state_of(binding).variables

    def set_variables(self, binding: Binding, variables: Any) -> None:
        state = state_of(binding)
        if not isinstance(variables, Mapping):
            raise InvalidArgumentError.of("variables", "it", "a mapping from collections to trees", variables)
        tree = {**state.variables, **flax.core.unfreeze(variables)}  # type: ignore[arg-type]
        # What waits for its sizes may be absent.
        slots = [slots[0] for slots in binding.slots.values()]
        slots = [slot for slot in slots if self.is_ready(slot) or find(tree, state.path(slot)) is not None]
        shapes = [checked_shape(state, slot, tree) for slot in slots]
        for slot, shape in zip(slots, shapes):
            slot.parameter.shape, slot.parameter._value = shape, None
        state.replace(tree)

    def native_parameters(self, binding: Binding, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        return state_of(binding).listed(module)

    def native_script(self, layer: nn.Layer, data_format: str, training: bool) -> str:
        return script(layer, data_format, training, self.table, self.scripts)

    def is_ready(self, slot: Slot) -> bool:
        return self.parameter(slot) is not None

    def parameter(self, slot: Slot) -> Any:
        return state_of(slot.binding).value(slot)

    def read(self, slot: Slot) -> Array:
        return np.asarray(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        device = device_of(slot.binding.options)
        with jax.ensure_compile_time_eval():
            state_of(slot.binding).store([(slot, jnp.array(array, device=device))])

    def gradients(
        self,
        binding: Binding,
        module: nn.Module,
        loss: Callable[..., Any],
        inputs: tuple[Any, ...],
        signature: Signature,
    ) -> dict[int, Array]:
        state = state_of(binding)
        call, seeds = differentiable(state, module, signature), state.seeds()
        leaves, _ = flatten((inputs, {}), self.owns)

        def objective(params: Tree) -> Any:
            output, changes = call({**state.variables, "params": params}, seeds, leaves)
            return loss(unpacked(output)), changes

        found, changes = jax.grad(objective, has_aux=True)(state.variables.get("params", {}))
        state.update(module, changes)
        slots = [p._slot for p in module.parameters().values() if p._slot is not None]
        return {id(slot.parameter): np.asarray(find({"params": found}, state.path(slot))) for slot in slots}


def _initialized(native: Any, call: Call) -> Any:
    """Return the shapes of the variables that Flax makes for a layer's inputs."""
    specs, structure = flatten(call.inputs, lambda value: isinstance(value, TensorSpec))

    def init(key: Any, *arrays: Any) -> Any:
        return native.init(key, *unflatten(structure, arrays))

    return jax.eval_shape(init, jax.random.key(0), *map(abstract, specs))

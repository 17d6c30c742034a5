"""A net bound to one backend: its native objects, each parameter's place, and the kinds of its calls."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .framework import Options
from .init.laws import Array
from .initialize import own_seed
from .parameter import Parameter
from .shape import Shape
from .structure import LEAF, Structure
from .tensor import TensorSpec
from .tree import CLASS_CHANGED, Tree


@dataclass(frozen=True)
class Signature:
    """The kind of a call's arguments.

    Attributes:
        structure: What is around the tensors in ``(inputs, named)``, as `flatten` returns it; it can't
            be hashed if something static in it can't.
        specs: Shape and type of each tensor, in order.
        asks: What forward asks in Python about the batch's size: ``"size"``, ``"len"``, ``"iter"``. Then
            the call is for this batch size alone. Known only where `Adapter.opens_batch`.
        updates: Whether forward updates buffers.
    """

    structure: Structure
    specs: tuple[TensorSpec, ...]
    asks: frozenset[str] = frozenset()
    updates: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether the arguments are tensors by position, and nothing else."""
        _, _, (_, _, *inputs), (_, names, *_) = self.structure
        return not names and all(each is LEAF for each in inputs)


@dataclass(eq=False)
class Binding:
    """One net lowered by one adapter.

    It is made anew for another backend or option (but `compile`), and when the tree was edited.

    Attributes:
        adapter: What lowered it.
        root: The outermost net; its `named_modules` are all there are.
        options: What it was lowered with.
        lowering: What makes one module's native object.
        natives: The native object of each module, by the module's id.
        slots: Where each parameter lives, by the parameter's id; several where it is tied. Those of
            a module are entered when its lowering has returned.
        checked: Modules whose sizes the framework's own inference has confirmed.
        stale: Whether the net's structure changed since it was lowered.
        has_runs: Whether there may be bound or compiled calls to forget.
        memory: The adapter's own, under names of its choice: variables, compiled calls, generators.
            ``"gradients"`` is taken; ``"by_keyword"`` has the ids of layers that a forward calls so.
    """

    adapter: Any
    root: Tree
    options: Options
    lowering: Callable[[Binding, Tree], Any]
    natives: dict[int, Any] = field(default_factory=dict)
    slots: dict[int, list[Slot]] = field(default_factory=dict)
    checked: set[int] = field(default_factory=set)
    stale: bool = False
    has_runs: bool = False
    memory: dict[str, Any] = field(default_factory=dict)

    def forget_runs(self) -> None:
        """Drop compiled calls: the modes, a plain attribute or the compile option changed."""
        for _, module in self.root.named_modules():
            module._isomorph.forget_runs()
        self.has_runs = False
        self.adapter.set_mode(self)

    def forget_traces(self) -> None:
        """Drop compiled calls of all modes: what a forward reads in Python changed."""
        self.adapter.forget_traces(self)
        self.forget_runs()

    def __post_init__(self) -> None:
        _LIVE.add(self)

    @property
    def seed(self) -> int:
        """The seed that the net was initialized with, else its own."""
        named = [(each.order, each.seed) for each in self.root._isomorph.requests if each.seed is not None]
        return max(named)[1] if named else own_seed(self.root)

    def native(self, module: Tree) -> Any:
        """Return a module's native object, lowering it if it was not yet.

        A lowering gets the modules inside its layer so.
        """
        if id(module) not in self.natives:
            self.natives[id(module)] = self.lower(module)
        return self.natives[id(module)]

    def lower(self, module: Tree) -> Any:
        """Return a new native object for a module and what is inside it; it is not kept."""
        return self.lowering(self, module)

    def scratch(self, **memory: Any) -> Binding:
        """Return another binding of the net, to lower modules for a trial, with a memory of its own."""
        return Binding(self.adapter, self.root, self.options, self.lowering, memory=memory)

    def attribute_set(self, module: Tree, name: str, value: Any) -> bool:
        """Set a plain attribute on the native module too; False if the net has to be lowered anew."""
        native = self.natives.get(id(module))
        if not isinstance(native, Tree) or not self.adapter.set_attribute(native, name, value):
            return False
        self.forget_traces()
        return True

    def restructured(self) -> None:
        """Lower anew at the next call: modules or parameters were added, replaced or taken away."""
        self.stale = True
        self.adapter.forget_traces(self)
        for _, module in self.root.named_modules():
            module._isomorph.forget_runs()

    def deliver(self, slots: list[Slot]) -> None:
        """Hand values that wait in parameters to the native modules.

        A module's parameters are handed over together, once all of them have values.
        """
        touched = {
            id(slot.module): slot.module for first in slots for slot in self.slots[id(first.parameter)]
        }
        complete = {
            key: module
            for key, module in touched.items()
            if all(parameter.is_ready for parameter in module.own_parameters().values())
        }

        def goes(parameter: Any) -> bool:
            slot = parameter._slot
            return parameter._value is None or (slot is not None and id(slot.module) in complete)

        # A tied parameter is handed over by the first module that holds it.
        whole = [each for each in complete.values() if all(map(goes, each.own_parameters().values()))]
        if whole:
            self.adapter.materialize(self, whole)


@dataclass
class Slot:
    """A parameter's place in a native module: the object, the native name, the layout.

    Attributes:
        binding: The net that was lowered.
        parameter: The description's, with its canonical `shape`, `dtype` and `trainable`; an
            `nn.Buffer` is not learned.
        module: The layer or user's module that holds it.
        native_name: Its name in the native module, as `Adapter.lowers` was told, else its own.
        axes: For each native axis the canonical one, as `Adapter.lowers` was told; None if they
            are the same.
    """

    binding: Binding
    parameter: Parameter
    module: Tree
    native_name: str
    axes: tuple[int, ...] | None = None

    @property
    def owner(self) -> Any:
        """The native module that holds it."""
        return self.binding.natives[id(self.module)]

    def to_native(self, canonical: Array) -> Array:
        """Return an array in the native layout."""
        return canonical if self.axes is None else np.ascontiguousarray(canonical.transpose(self.axes))

    def to_canonical(self, native: Array) -> Array:
        """Return an array in the canonical layout."""
        if self.axes is None:
            return native
        return np.ascontiguousarray(native.transpose(tuple(np.argsort(self.axes))))

    def canonical_shape(self, native: Iterable[int]) -> tuple[int, ...]:
        """Return a native shape with its axes in the canonical order."""
        sizes = tuple(int(size) for size in native)
        return sizes if self.axes is None else tuple(sizes[axis] for axis in np.argsort(self.axes))

    def native_shape(self) -> tuple[int, ...]:
        """Return the parameter's shape with its axes in the native order."""
        sizes = self.parameter.shape.known()
        return sizes if self.axes is None else tuple(sizes[axis] for axis in self.axes)

    def known_shape(self) -> Shape | None:
        """Return the canonical shape of the native values, None if there are none."""
        adapter = self.binding.adapter
        return Shape(self.canonical_shape(adapter.parameter(self).shape)) if adapter.is_ready(self) else None

    @property
    def is_ready(self) -> bool:
        """Whether the native parameter has values."""
        return bool(self.binding.adapter.is_ready(self))

    @property
    def trainable(self) -> bool | None:
        """Whether the framework itself trains it, None if it does not say."""
        trains: bool | None = self.binding.adapter.trainable(self)
        return trains

    def take(self) -> Array:
        """Return the parameter's values to be stored, in the native layout and the parameter's type.

        Waiting ones are given once, then newly drawn: ask one slot of a tied parameter, once. The
        array is the adapter's to keep.
        """
        return self.to_native(self.parameter.take())

    def read(self) -> Array:
        """Return the values in the canonical layout; they may share the framework's memory."""
        return self.to_canonical(self.binding.adapter.read(self))

    def write(self, canonical: Array) -> None:
        """Replace the values."""
        self.binding.adapter.write(self, self.to_native(canonical))

    def native(self) -> Any:
        """Return the framework's own parameter."""
        return self.binding.adapter.parameter(self)

    def set_trainable(self, trainable: bool) -> None:
        """Freeze the framework's own parameter, or let it be trained, wherever the net has it."""
        for slot in self.binding.slots[id(self.parameter)]:
            self.binding.adapter.set_trainable(slot, trainable)
        # Of many parameters, the first alone finds some: each search goes through the whole net.
        if self.binding.has_runs:
            self.binding.forget_runs()

    def gradient(self) -> Array | None:
        """Return the gradient in the canonical layout, None if there is none.

        The framework's own, where it keeps one; else that of the last call of `Module.gradients`.
        """
        gradient = self.binding.adapter.gradient(self)
        if gradient is None:
            gradient = self.binding.memory.get("gradients", {}).get(id(self.parameter))
        return None if gradient is None else np.array(self.to_canonical(gradient))


_LIVE: weakref.WeakSet[Binding] = weakref.WeakSet()


def _class_changed(cls: type, name: str) -> None:
    """Let nets with modules of a changed class forget their compiled calls."""
    for binding in [each for each in _LIVE if each.root._isomorph.binding is each]:
        if any(isinstance(module, cls) for _, module in binding.root.named_modules()):
            binding.forget_traces()


CLASS_CHANGED.append(_class_changed)

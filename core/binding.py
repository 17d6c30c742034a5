"""A net bound to one backend: what it was told, its native objects, each parameter's place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .init.laws import Array
from .shape import Shape

if TYPE_CHECKING:
    from .adapter import Adapter
    from .nn.module import Module
    from .parameter import Parameter


@dataclass(frozen=True)
class Options:
    """What `Module.to` was told besides the backend's name.

    Attributes:
        device: The framework's own name of a device; None leaves it to the framework.
        dtype: The type of parameters and floating inputs: float16, bfloat16, float32 or float64.
        data_format: Where images have their channels, ``"channels_first"`` or ``"channels_last"``.
        compile: True or False force the framework's compiler on or off; None is what is usual there.
    """

    device: Any = None
    dtype: str = "float32"
    data_format: str = "channels_first"
    compile: bool | None = None

    def updated(self, **changes: Any) -> Options:
        """Return the options with some of them changed."""
        return replace(self, **changes)


@dataclass
class Binding:
    """One net lowered by one adapter.

    It is made anew for another backend or option (but `compile`), and when the tree was edited.

    Attributes:
        adapter: What lowered it.
        root: The outermost net; its `named_modules` are all there are.
        options: What it was lowered with.
        natives: The native object of each module, by the module's id.
        slots: Where each parameter lives, by the parameter's id; several where it is tied. Those of
            a module are entered when its lowering has returned.
        checked: Modules whose sizes the framework's own inference has confirmed.
        stale: Whether the net's structure changed since it was lowered.
        has_runs: Whether there may be bound or compiled calls to forget.
        memory: The adapter's own, under names of its choice: variables, compiled calls, generators.
            ``"gradients"`` is taken.
    """

    adapter: Adapter
    root: Module
    options: Options
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

    def native(self, module: Module) -> Any:
        """Return a module's native object, lowering it if it was not yet.

        A lowering gets the modules inside its layer so.
        """
        from .lowering import lower

        if id(module) not in self.natives:
            self.natives[id(module)] = lower(self, module)
        return self.natives[id(module)]


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
    module: Module
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

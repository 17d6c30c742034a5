"""The contract of a backend: one adapter class with a few verbs and a table of lowerings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .errors import GradientsNotSupportedError, NotSupportedError
from .init.laws import Array
from .ops.table import Ops
from .shape import Shape
from .tensor import TensorSpec

if TYPE_CHECKING:
    from .nn.module import Layer, Module
    from .parameter import Parameter
    from .trace import Call

Layout = str | tuple[str, tuple[int, ...]]
"""A native name, and the order of axes that turns the canonical layout into the native one."""


@dataclass(frozen=True)
class Options:
    """What `Module.to` was told besides the backend's name."""

    device: Any = None
    dtype: str = "float32"
    data_format: str = "channels_first"
    compile: bool | None = None

    def updated(self, **changes: Any) -> Options:
        """Return the options with some of them changed."""
        return replace(self, **changes)


@dataclass
class Binding:
    """One net lowered by one adapter."""

    adapter: Adapter
    root: Module
    options: Options
    natives: dict[int, Any] = field(default_factory=dict)
    """The native object of each module, by the module's id."""
    slots: dict[int, list[Slot]] = field(default_factory=dict)
    """Where each parameter lives, by the parameter's id; several where it is tied."""
    checked: set[int] = field(default_factory=set)
    """Modules whose sizes the framework's own inference has confirmed."""
    stale: bool = False
    """Whether the net's structure changed since it was lowered."""
    memory: dict[str, Any] = field(default_factory=dict)
    """The adapter's own: variables, compiled calls, generators."""

    def forget_runs(self) -> None:
        """Drop compiled calls: the modes, a plain attribute or the compile option changed."""
        for _, module in self.root.named_modules():
            module._isomorph.forget_runs()
        self.adapter.set_mode(self)

    def native(self, module: Module) -> Any:
        """Return a module's native object, lowering it if it was not yet."""
        from .lowering import lower

        if id(module) not in self.natives:
            self.natives[id(module)] = lower(self, module)
        return self.natives[id(module)]


@dataclass
class Slot:
    """A parameter's place in a native module: the object, the native name, the layout."""

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
        """Return the parameter's values to be stored natively: waiting ones, else newly drawn."""
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
        self.binding.forget_runs()

    def gradient(self) -> Array | None:
        """Return the gradient in the canonical layout, None if there is none.

        The framework's own, where it keeps one; else that of the last call of `Module.gradients`.
        """
        gradient = self.binding.adapter.gradient(self)
        if gradient is None:
            gradient = self.binding.memory.get("gradients", {}).get(id(self.parameter))
        return None if gradient is None else np.array(self.to_canonical(gradient))


Lowering = Callable[[Any, Binding], Any]
L = TypeVar("L", bound=Lowering)


class Adapter(ABC):
    """One framework: how nets are lowered to its modules and how its tensors are handled.

    A subclass fills `name`, `ops`, the abstract verbs, and the table of lowerings::

        @MyAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)), bias="bias")
        def dense(layer, binding):
            return framework.Dense(layer.units)

    The table is the list of what the backend can do: support can't be claimed and missing.
    """

    name: ClassVar[str]
    ops: Ops
    table: ClassVar[dict[type, tuple[Lowering, Mapping[str, Layout]]]] = {}

    def __init_subclass__(cls) -> None:
        cls.table = dict(cls.table)

    @classmethod
    def lowers(cls, *kinds: type, **layouts: Layout) -> Callable[[L], L]:
        """Enter a lowering for layer types, with the native name and layout of each parameter.

        A lowering is a function of the layer and the binding, or a class made with both. A
        parameter not named here keeps its name and layout.
        """

        def enter(lowering: L) -> L:
            for kind in kinds:
                cls.table[kind] = (lowering, layouts)
            return lowering

        return enter

    def check_options(self, options: Options) -> None:  # noqa: B027 - most frameworks follow all
        """Raise `NotSupportedError` for a data type or a `compile` that the framework can't follow.

        It is asked before a net is lowered; what it lets pass must be done, never silently otherwise.
        """

    # Tensors.

    @abstractmethod
    def owns(self, value: Any) -> bool:
        """Return whether this is one of the framework's tensors (tracers and symbols too)."""

    @abstractmethod
    def from_numpy(self, array: Array, options: Options) -> Any:
        """Return a native tensor with the array's values and type, on the options' device."""

    @abstractmethod
    def to_numpy(self, tensor: Any) -> Array:
        """Return a native tensor's values; waits for work still under way."""

    def spec(self, tensor: Any) -> TensorSpec:
        """Return the shape and type of a native tensor."""
        return TensorSpec(tuple(int(n) for n in tensor.shape), str(tensor.dtype).rpartition(".")[2])

    def accept(self, tensor: Any, options: Options) -> Any:
        """Return a native tensor as the bound call takes it: a place for legacy types."""
        return tensor

    # Modules.

    @abstractmethod
    def compose(self, module: Module, attributes: dict[str, Any], binding: Binding) -> Any:
        """Return a native module whose call is the user's `forward`.

        Args:
            module: The user's module; `module.own_parameters()` are the arrays it declares.
            attributes: Its other attributes, every module in them already native.
            binding: The lowering under way.
        """

    @abstractmethod
    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        """Return the native shape of each parameter (by id) as the framework infers it.

        The framework's own deferral answers, from the shapes that each module was called with.
        Nothing is allocated, drawn or kept.
        """

    @abstractmethod
    def materialize(self, binding: Binding, modules: list[Module]) -> None:
        """Give the native parameters of these modules memory and values (`Slot.take`)."""

    @abstractmethod
    def runner(self, binding: Binding, module: Module) -> Callable[..., Any]:
        """Return the fastest call of a module on native tensors, in its present mode.

        It honours `binding.options.compile` and `module.training`, and raises a failure of the
        framework at this call, not at a later one.
        """

    def set_mode(self, binding: Binding) -> None:  # noqa: B027 - most frameworks take it per call
        """Tell the native modules about each module's `training`, and drop compiled calls."""

    def set_attribute(self, native: Any, name: str, value: Any) -> bool:
        """Set a plain attribute of a composite; return False if it has to be lowered anew."""
        try:
            setattr(native, name, value)
        except (AttributeError, TypeError):
            return False
        return True

    def variables(self, binding: Binding) -> Any:
        """Return the framework's state tree, where it keeps state apart from modules."""
        raise NotSupportedError.of(
            self.name,
            "variables",
            "it keeps its values in the native module",
            "Use net.native, or net.parameters().",
        )

    def set_variables(self, binding: Binding, variables: Any) -> None:
        """Replace the framework's state tree."""
        self.variables(binding)

    # Parameters.

    def native_parameters(self, binding: Binding, module: Module) -> dict[str, tuple[int, ...] | None]:
        """Return what the framework itself lists for a module's native object, in its order.

        Names are the framework's own, without counters that differ from one net to the next; the
        shape is native, None for what the framework lists but gave no memory yet. What it does not
        have yet is not in it. Nothing of the description answers here.
        """
        raise NotSupportedError.of(
            self.name,
            "native.parameters",
            "its adapter does not list them",
            "Define native_parameters in the adapter, or use net.parameters().",
        )

    @abstractmethod
    def is_ready(self, slot: Slot) -> bool:
        """Return whether the native parameter has values."""

    @abstractmethod
    def parameter(self, slot: Slot) -> Any:
        """Return the native parameter."""

    @abstractmethod
    def read(self, slot: Slot) -> Array:
        """Return the values in the native layout."""

    @abstractmethod
    def write(self, slot: Slot, array: Array) -> None:
        """Replace the values by an array in the native layout."""

    def trainable(self, slot: Slot) -> bool | None:
        """Return whether the framework itself trains the parameter, None if it does not say."""
        return None

    def set_trainable(self, slot: Slot, trainable: bool) -> None:  # noqa: B027 - not all have a word for it
        """Tell the framework whether the parameter is trained, also while it has no values."""

    def gradient(self, slot: Slot) -> Array | None:
        """Return the gradient that the framework itself keeps on the parameter, in the native layout."""
        return None

    @abstractmethod
    def gradients(
        self, binding: Binding, module: Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        """Return the gradient of ``loss(module(*inputs))`` for each parameter, by id.

        In the native layout; frozen parameters may be left out. Raises `GradientsNotSupportedError`
        where there are none.
        """
        raise GradientsNotSupportedError.of(
            self.name, "gradients", "it computes forward only", "Move the net to a framework that has them."
        )

    # Reports.

    def native_script(self, layer: Layer, data_format: str, training: bool) -> str:
        """Return Python source that makes one layer in the framework's own API, without Isomorph.

        It defines ``run(parameters, x)``, which takes canonical arrays by name and returns the
        layer's output as an array. Suites write it beside a failure, for the framework's maintainers.
        """
        raise NotSupportedError.of(
            self.name,
            "native.script",
            f"its adapter writes no {type(layer).__name__} in the framework's own API",
            "Define native_script in the adapter, or reproduce the failure with the net itself.",
        )

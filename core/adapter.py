"""The contract of a backend: one adapter class with a few verbs and a table of lowerings."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from .errors import GradientsNotSupportedError, NotSupportedError
from .framework import FUNCTIONS, Framework, Ops, Options, Tensor, register
from .init.laws import Array
from .init.streams import cast, numpy_dtype
from .initialize import draw_values, own_seed, store
from .native_class import native_class
from .parameter import Parameter
from .shape import Shape, same_padding
from .structure import LEAF, Structure, flatten, unflatten
from .tensor import TensorSpec, input_specs
from .trace import Call, by_position, has_rule, shapes_kept
from .tree import CLASS_CHANGED, Tree

# Every name that a backend needs.
__all__ = [
    "FUNCTIONS",
    "LEAF",
    "Adapter",
    "Array",
    "Binding",
    "Call",
    "Layout",
    "Lowering",
    "Ops",
    "Options",
    "Signature",
    "Slot",
    "Tensor",
    "TensorSpec",
    "Tree",
    "by_position",
    "cast",
    "draw_values",
    "flatten",
    "has_rule",
    "input_specs",
    "native_class",
    "numpy_dtype",
    "register",
    "same_padding",
    "shapes_kept",
    "store",
    "unflatten",
]

Layout = str | tuple[str, tuple[int, ...]]
"""A native name, and the order of axes that turns the canonical layout into the native one."""
Lowering = Callable[[Any, "Binding"], Any]
L = TypeVar("L", bound=Lowering)


class Adapter(Framework):
    """One framework: how nets are lowered to its modules and how its tensors are handled.

    A subclass fills `name`, `ops`, the abstract verbs, and the table of lowerings::

        @MyAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)), bias="bias")
        def dense(layer, binding):
            return framework.Dense(layer.units)

    The table is the list of what the backend can do: support can't be claimed and missing.
    """

    specializes: ClassVar[bool] = False
    """Whether numbers, texts and flags are constants of a compiled call."""
    refuses_sizes: ClassVar[bool] = False
    """Whether the framework's own layers refuse a tensor whose feature sizes do not fit them."""
    opens_batch: ClassVar[bool] = False
    """Whether a compiled call leaves the batch's size open: then `Signature.asks` is found out."""
    table: ClassVar[dict[type, tuple[Lowering, Mapping[str, Layout]]]] = {}

    def __init_subclass__(cls) -> None:
        cls.table = dict(cls.table)

    @classmethod
    def lowers(cls, *kinds: type, **layouts: Layout) -> Callable[[L], L]:
        """Enter a lowering for layer types, with the native name and layout of each parameter.

        A lowering is a function of the layer and the binding, or a class made with both. It
        returns the native object, which holds no values yet: its parameters are entered in
        `Binding.slots` afterwards, and `materialize` fills them. A parameter not named here keeps
        its name and layout.

        Subclasses of a layer that keep its `forward` use its lowering. Modules that are no
        `nn.Layer` and not in the table are handed to `compose`.
        """

        def enter(lowering: L) -> L:
            for kind in kinds:
                cls.table[kind] = (lowering, layouts)
            return lowering

        return enter

    # Modules.

    @abstractmethod
    def compose(self, module: Tree, attributes: dict[str, Any], binding: Binding) -> Any:
        """Return a native module whose call is the user's `forward`, with itself as `self`.

        It is an instance of the user's class, made by `isomorph.native_class.native_class`, and
        has each attribute and parameter under its name: parameters, in a call, as native tensors.

        Args:
            module: The user's module; `module.own_parameters()` are the arrays it declares, by name.
            attributes: Its other attributes by name: numbers, functions, whatever it holds, as they
                are, and in place of a module inside it (a list or dict of modules too) its native
                object.
            binding: The lowering under way.
        """

    @abstractmethod
    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        """Return the native shape of each parameter (by id) as the framework infers it.

        The framework's own deferral answers, from the shapes that each module was called with; a
        shape that differs from Isomorph's is an `AdapterDisagreementError`. Nothing is allocated,
        drawn or kept. Where the framework infers none (it has no such inference, or a user's `build`
        set the sizes), Isomorph's own, ``parameter.shape.known()``, are the answer.

        It is asked when a net is called on data, before values are drawn, once for each module.

        Args:
            binding: The net.
            calls: In the order of the first calls, the modules that have parameters: `Call.module`,
                `Call.inputs` (a tuple: a `TensorSpec` for each tensor, anything else as it is) and
                `Call.output` (the spec of what it returned).
        """

    @abstractmethod
    def materialize(self, binding: Binding, modules: list[Tree]) -> None:
        """Give the native parameters of these modules memory and values (`Slot.take`).

        Every parameter of these modules has its sizes and, if the framework has no values yet,
        some that wait. What is ready keeps its values. A parameter with several slots becomes one
        native array in all of them, those in other modules too.
        """

    @abstractmethod
    def runner(self, binding: Binding, module: Tree, signature: Signature) -> Callable[..., Any]:
        """Return the fastest call of a module for a kind of arguments, in its present mode.

        It honours `binding.options.compile` and `module.training`, takes what `forward` takes and
        returns what that returns, on native tensors. What it raises, it raises at the call that
        failed, not at a later one. It is asked when such a call was checked and all parameters are
        ready, and kept, for calls that differ in values and in the batch's size alone, until modes or
        options change.

        Args:
            binding: The net.
            module: What is called.
            signature: The arguments' structure and shapes, and what forward does with them.
        """

    def set_mode(self, binding: Binding) -> None:
        """Tell the native modules about each module's `training`, and drop compiled calls.

        Called when a net is lowered, and whenever modes, plain attributes, what is frozen or
        `compile` change.
        """

    def forget_traces(self, binding: Binding) -> None:
        """Drop everything compiled: what a forward reads in Python has changed, or its code.

        Where modes change, `set_mode` alone is called; compiled calls of an earlier mode may be kept.
        """

    def set_attribute(self, native: Any, name: str, value: Any) -> bool:
        """Set a plain attribute of a composite; return False if it has to be lowered anew.

        Called when a user sets one on a module that `compose` has lowered.
        """
        try:
            setattr(native, name, value)
        except (AttributeError, TypeError):
            return False
        return True

    def variables(self, binding: Binding) -> Any:
        """Return the framework's state tree, where it keeps state apart from modules.

        That is `Module.variables`, with the values of all parameters that are ready.
        """
        raise NotSupportedError.of(
            self.name,
            "variables",
            "it keeps its values in the native module",
            "Use net.native, or net.parameters().",
        )

    def set_variables(self, binding: Binding, variables: Any) -> None:
        """Replace the framework's state tree, as `Module.variables` is assigned.

        It is checked first: a tree without a ready parameter is a `StructureError`, one of another
        shape a `ShapeMismatchError`, and nothing changed. A deferred parameter takes its sizes from it.
        """
        self.variables(binding)

    # Parameters.

    def native_parameters(self, binding: Binding, module: Tree) -> dict[str, tuple[int, ...] | None]:
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
        """Return whether the native parameter has values; asked at any time after lowering, often."""

    @abstractmethod
    def parameter(self, slot: Slot) -> Any:
        """Return the native parameter: what the framework calls so, `Parameter.native`."""

    @abstractmethod
    def read(self, slot: Slot) -> Array:
        """Return the values in the native layout; they may share the framework's memory.

        Asked of ready parameters only, as `write` is.
        """

    @abstractmethod
    def write(self, slot: Slot, array: Array) -> None:
        """Replace the values by an array in the native layout, of the parameter's type.

        In place where the framework can, so that an optimiser that holds the parameter goes on.
        Otherwise a new native array takes the old one's place in every slot of the parameter
        (`binding.slots`), for compiled calls too.
        """

    def trainable(self, slot: Slot) -> bool | None:
        """Return whether the framework itself trains the parameter, None if it does not say.

        Then what `Parameter.trainable` was last told holds. Not asked of buffers.
        """
        return None

    def set_trainable(self, slot: Slot, trainable: bool) -> None:
        """Tell the framework whether the parameter is trained, also while it has no values.

        Called for each slot when a user sets `Parameter.trainable`, and after lowering for what is
        frozen already. A word given before values has to hold once they come.
        """

    def gradient(self, slot: Slot) -> Array | None:
        """Return the gradient that the framework itself keeps on the parameter, in the native layout.

        None if it keeps none: `Parameter.grad` is then that of the last `Module.gradients`.
        """
        return None

    @abstractmethod
    def gradients(
        self,
        binding: Binding,
        module: Tree,
        loss: Callable[..., Any],
        inputs: tuple[Any, ...],
        signature: Signature,
    ) -> dict[int, Array]:
        """Return the gradient of ``loss(module(*inputs))`` for each parameter, by id.

        In the native layout of the parameter's first slot, summed over all; of learned parameters
        only, and frozen ones may be left out. The net is ready, the inputs are native tensors, and
        each module's mode holds; the signature is that of the inputs. Raises
        `GradientsNotSupportedError` where there are none.
        """
        raise GradientsNotSupportedError.of(
            self.name, "gradients", "it computes forward only", "Move the net to a framework that has them."
        )

    # Reports.

    def native_script(self, layer: Tree, data_format: str, training: bool) -> str:
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

    adapter: Adapter
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
        return self.binding.adapter.is_ready(self)

    @property
    def trainable(self) -> bool | None:
        """Whether the framework itself trains it, None if it does not say."""
        return self.binding.adapter.trainable(self)

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

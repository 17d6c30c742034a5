"""The contract of a backend: one adapter class with a few verbs and a table of lowerings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from .binding import Binding, Signature, Slot
from .errors import GradientsNotSupportedError, NotSupportedError
from .framework import FUNCTIONS, Framework, Ops, Options, Tensor, register
from .init.laws import Array
from .init.streams import cast, numpy_dtype
from .initialize import draw_values, store
from .native_class import native_class
from .shape import same_padding
from .structure import LEAF, Row, flatten, unflatten
from .tensor import TensorSpec, input_specs, promote
from .trace import Call, by_position, has_rule, shapes_kept
from .tree import Tree

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
    "Row",
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
    "promote",
    "register",
    "same_padding",
    "shapes_kept",
    "store",
    "unflatten",
]

Layout = str | tuple[str, tuple[int, ...]]
"""A native name, and the order of axes that turns the canonical layout into the native one."""
Lowering = Callable[[Any, Binding], Any]
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

    def restorer(self, binding: Binding) -> Callable[[], None] | None:
        """Return what gives the native modules the state that they have now, in place.

        Asked before a call that gives something its first values; what it returns is called if that
        call fails, so that whoever holds native objects goes on with them. None where modules can't
        go back: then the net is lowered anew.
        """
        return None

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

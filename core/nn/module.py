"""`Module`: a description of a net, lowered to a framework's own module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .. import calls, initialize, lowering
from ..adapter import Binding
from ..errors import ForwardError, IsomorphError, NativeCallError, StructureError
from ..framework import Options
from ..inference import infer
from ..parameter import Parameter
from ..structure import flatten, is_array
from ..summary import Summary, summarize
from ..tensor import TensorSpec
from ..tracing import current
from ..tree import INTERNAL, Tree, locked

M = TypeVar("M", bound="Module")


def _no_forward(module: Module, *inputs: Any, **named: Any) -> Any:
    """Compute the output; every net overrides this."""
    raise ForwardError(
        f"{module.label}: {type(module).__name__} has no forward.\n"
        "  Define forward(self, x) and return what it computes."
    )


class Module(Tree, reserves=True):
    """Base of all layers and nets: describes a computation, without input sizes.

    A subclass assigns modules, parameters, lists or dicts of modules in ``__init__`` and
    computes in ``forward``, with operators and `isomorph.ops`. An optional
    ``build(self, *input_shapes)`` fills the unknown dimensions of its own parameters.

    >>> class MLP(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Dense(256, activation="relu")
    ...         self.out = nn.Dense(10)
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x))
    >>> net = MLP()
    >>> net.hidden.weight.shape
    (256, None)
    >>> net(numpy.ones((2, 20), "float32")).shape, net.hidden.weight.shape
    ((2, 10), (256, 20))
    """

    if TYPE_CHECKING:

        @property
        def parent(self) -> Module | None: ...
        @property
        def root(self) -> Module: ...
        def children(self) -> dict[str, Any]: ...
        def named_modules(self) -> Iterator[tuple[str, Module]]: ...

    # What a subclass writes.

    # Typed as a callable, so that a subclass may take whatever inputs it has.
    forward: Callable[..., Any] = _no_forward

    def fill(self, inputs: tuple[Any, ...]) -> None:
        """Let `build` fill the unknown dimensions of the module's own parameters."""
        build = getattr(self, "build", None)
        held = [child.own_parameters() for child in self.children().values() if child._holds_parameters]
        parameters = [p for each in (self.own_parameters(), *held) for p in each.values()]
        if build is not None and not all(parameter.shape.is_known for parameter in parameters):
            build(*(value.shape for value in inputs if isinstance(value, TensorSpec)))

    # Inference, initialization, lowering: each in its own file.

    def infer(self, *inputs: Any, **named: Any) -> Any:
        """Infer every size from input shapes: no framework, no memory, no random numbers.

        Args:
            inputs: For each input a shape, where None leaves a size open, an array, or a
                `TensorSpec` when the data type matters; or a dict, list, tuple or dataclass of them.
            named: The same for inputs that `forward` takes by keyword.

        Returns:
            The `TensorSpec` of the output, open sizes as formulas.

        Raises:
            ShapeMismatchError: Sizes that do not fit; every parameter is as before.
        """
        with locked(self):
            return infer(self, inputs, named)

    def initialize(self: M, init: Any = None, *, seed: int | None = None, force: bool = False) -> M:
        """Ask for initial values; parameters whose layer's sizes are known get them at once.

        Args:
            init: A law for the weights (biases become zero, norm scales one), or a dict from
                patterns of paths inside this module to laws for exactly those parameters.
                Without one, what was asked before or the default.
            seed: Makes the values reproducible, bit for bit on every backend. It stays until
                another is named.
            force: Draw anew what is ready. With a law, also forget the laws that were asked for
                anything inside this module before.

        Precedence: a request on a parameter or its own layer, a pattern, the layer's
        constructor, the nearest enclosing module, the whole net, the default. Of two of the
        same rank the later one holds.

        Raises `InitializerError` if a law fails; then no value was changed.
        """
        state = self.state()
        holders = [*(module._isomorph for _, module in self.named_modules()), *state.values()]
        options: dict[str, Any] = {"root": self.root, "inside": state, "holders": holders}
        with locked(self):
            initialize.request(self.label, init, seed, force, **options)
        return self

    def apply_init(self: M, inputs: Any, init: Any = None, *, seed: int | None = None) -> M:
        """Infer the sizes from inputs, then initialize: values exist when it returns.

        Args:
            inputs: One array or `TensorSpec`, or a tuple of them, as the net is called with.
            init: As in `initialize`; with a law, ready parameters are drawn anew.
        """
        calls.apply_init(self, inputs, init, seed)
        return self

    def to(
        self: M,
        backend: str | None = None,
        *,
        device: Any = None,
        dtype: str | None = None,
        data_format: str | None = None,
        compile: bool | str | None = "unchanged",
    ) -> M:
        """Lower the net, in place, to a framework's own modules; values are carried along.

        Args:
            backend: ``"numpy"``, ``"torch"``, ``"tensorflow"``, ``"jax"``, ``"mxnet"``, an
                alias, or a third party's; without one, only the options change.
            device: The framework's name of a device.
            dtype: The parameters' data type, such as ``"float32"``.
            data_format: ``"channels_first"`` or ``"channels_last"``, for the whole net.
            compile: True or False force the framework's compiler on or off, None takes what
                is usual there.

        Raises `UnknownBackendError`, `BackendNotInstalledError`, `BackendBrokenError` or
        `LayerNotSupportedError`; then the net is as it was.
        """
        with locked(self):
            lowering.to(self, backend, device, dtype, data_format, compile)
        return self

    # Calls.

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        try:
            internals = self._isomorph
            run = internals.runs.get(internals.key(inputs, named))
        except (AttributeError, TypeError, ValueError, NotImplementedError):  # what has no key
            run = None
        if run is None:
            return self._call(inputs, named)
        try:
            return run(*inputs, **named)
        except IsomorphError:
            raise
        except Exception as cause:
            calls.check_shapes(self, inputs, named)
            raise self._native_failure(inputs, named, cause) from cause

    def _call(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._check_ready()
        trace = current()
        if trace is not None:
            return trace.call(self, inputs, named)
        leaves, _ = flatten((inputs, named), lambda value: isinstance(value, TensorSpec))
        if leaves:
            return self.infer(*inputs, **named)
        return calls.call(self, inputs, named)

    def _native_failure(
        self, inputs: tuple[Any, ...], named: dict[str, Any], cause: Exception
    ) -> IsomorphError:
        if isinstance(cause, RecursionError):
            return StructureError.too_deep(self.label)
        binding = self._isomorph.binding
        backend = binding.adapter.name if binding else "native"
        leaves, _ = flatten((inputs, named), is_array)
        return NativeCallError.at(self.label, backend, ", ".join(str(tuple(x.shape)) for x in leaves), cause)

    # State.

    @property
    def native(self) -> Any:
        """The framework's own module; its parameters are deferred until sizes are known.

        Raises `StructureError` before the net was given to a backend.
        """
        return self._bound("native").native(self)

    @property
    def variables(self) -> Any:
        """The framework's state tree, where it keeps state apart from modules. Can be set."""
        binding = self._bound("variables")
        return binding.adapter.variables(binding)

    @variables.setter
    def variables(self, tree: Any) -> None:
        binding = self._bound("variables")
        binding.adapter.set_variables(binding, tree)

    def _bound(self, what: str) -> Binding:
        self._check_ready()
        if self._isomorph.binding is None:
            raise StructureError(f"{self.label} has no {what} yet: call to(backend) or the net on data.")
        with locked(self):
            return lowering.bound(self)

    @property
    def backend(self) -> str | None:
        """The name of the backend the net is lowered to, None before."""
        binding = self._isomorph.binding
        return binding.adapter.name if binding else None

    @property
    def training(self) -> bool:
        """Whether the module is in training mode: batch statistics, dropout."""
        return self._isomorph.training

    @property
    def dtype(self) -> str:
        """The data type of the net's parameters."""
        return self.root._isomorph.options.dtype

    @property
    def data_format(self) -> str:
        """Where the net's images have their channels: first or last."""
        return self.root._isomorph.options.data_format

    def train(self: M, mode: bool = True) -> M:
        """Put the module and all inside into training mode, or out of it."""
        with locked(self):
            bindings = {}
            for _, module in self.named_modules():
                module._isomorph.training = bool(mode)
                binding = module._isomorph.binding
                bindings[id(binding)] = binding
            for binding in bindings.values():  # a slice's modules may be those of several nets
                if binding is not None:
                    binding.forget_runs()
        return self

    def eval(self: M) -> M:
        """Put the module and all inside into evaluation mode."""
        return self.train(False)

    def gradients(self, loss: Callable[..., Any], *inputs: Any, **named: Any) -> dict[str, Any]:
        """Return d loss(output) / d parameter as arrays in the canonical layout, by path.

        Args:
            loss: A function of the net's output, in `isomorph.ops`, that returns one number.
            inputs: What the net is called with.
            named: Inputs that are given by name.

        Raises `GradientsNotSupportedError` on a backend without gradients.
        """
        return calls.gradients(self, loss, inputs, named)

    def summary(self, *inputs: Any, **named: Any) -> Summary:
        """Return a table of modules, shapes and parameter counts; the net is not changed.

        Args:
            inputs: As for `infer`. Without them, open sizes are formulas.
            named: Inputs that `forward` takes by keyword.
        """
        return summarize(self, inputs, named)

    def __deepcopy__(self: M, memo: dict[int, Any]) -> M:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(deepcopy(self.__getstate__(), memo))
        twin._isomorph.options = self.root._isomorph.options
        binding = self._isomorph.binding
        if binding is not None and binding.root is self:
            options = binding.options
            twin.to(
                binding.adapter.name,
                device=options.device,
                dtype=options.dtype,
                data_format=options.data_format,
                compile=options.compile,
            )
        return twin

    # Text.

    def _arguments(self) -> str:
        """Return the constructor's arguments that differ from their defaults, as text."""
        given = []
        for name, argument in inspect.signature(type(self).__init__).parameters.items():
            value = vars(self).get(name, argument.default)
            if isinstance(value, (Module, Parameter)) or value is argument.default or name == "self":
                continue
            if repr(value) != repr(argument.default):
                required = argument.default is inspect.Parameter.empty
                given.append(repr(value) if required else f"{name}={value!r}")
        return ", ".join(given)

    def __repr__(self) -> str:
        inside = list(self.children().items()) if INTERNAL in self.__dict__ else []
        head = f"{type(self).__name__}("
        if not inside:
            own = [n for n, v in vars(self).items() if isinstance(v, Parameter)]
            return head + (self._arguments() or ", ".join(own)) + ")"
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in inside]
        return head + "\n  " + "\n  ".join(lines) + "\n)"


def _no_rule(layer: Layer, *inputs: Any) -> Any:
    """Return the output's spec; every layer overrides this."""
    raise ForwardError(
        f"{layer.label}: {type(layer).__name__} has no infer_shapes.\n"
        "  Define infer_shapes(self, x), set its parameters' shapes and return the output's spec."
    )


def _by_rule(layer: Layer, *inputs: Any, **named: Any) -> Any:
    """Return the output's spec by the layer's own rule."""
    return layer.infer_shapes(*inputs, **named)


# A layer that keeps it computes in its backends' tables alone.
_by_rule._is_rule = True  # type: ignore[attr-defined]


class Layer(Module, describes=True):
    """A module that each backend lowers by its table; its rule says which shapes it needs.

    A subclass defines `infer_shapes`, and either is entered in adapters' tables with
    `Adapter.lowers`, or has a `forward` in `isomorph.ops` that a backend without an entry composes.

    >>> class Scale(nn.Layer):
    ...     def infer_shapes(self, x):
    ...         return x
    >>> Scale().infer((2, 3))
    TensorSpec((2, 3))
    """

    _is_layer = True
    statistics: ClassVar[bool] = False
    """Whether it keeps statistics of the batches it is trained on."""
    draws: ClassVar[bool] = False
    """Whether it draws at random in training."""
    function: ClassVar[str | None] = None
    """The function of `isomorph.ops` that it is, if it has no options."""

    # Returns the output's spec, and sets the shapes of the layer's parameters.
    infer_shapes: Callable[..., Any] = _no_rule
    forward: Callable[..., Any] = _by_rule

    def fill(self, inputs: tuple[Any, ...]) -> None:
        """Let the rule fill the unknown dimensions of the layer's parameters."""
        if any(not p.shape.is_known for p in self.own_parameters().values()):
            self.infer_shapes(*inputs)

    def fitting_input(self, options: Options) -> tuple[int | None, ...] | None:
        """Return the least shape of an input for which the parameters have their known shapes.

        None where their shapes do not tell it.
        """
        return None

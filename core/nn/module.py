"""`Module`: a description of a net, lowered to a framework's own module."""

from __future__ import annotations

import functools
import inspect
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ..adapter import Binding, Options
from ..errors import (
    ForwardError,
    InvalidArgumentError,
    IsomorphError,
    NativeCallError,
    StructureError,
)
from ..parameter import Parameter, ParameterMapping, Request, fresh_seed
from ..tensor import TensorSpec
from ..trace import current

if TYPE_CHECKING:
    from ..summary import Summary

M = TypeVar("M", bound="Module")
# The one attribute of a description that a user's class never sees.
_INTERNAL = "_isomorph"


class Internals:
    """What a description knows about itself besides the user's attributes."""

    __slots__ = (
        "binding", "entropy", "name", "options", "parent", "requests", "run", "runs", "seen",
        "training",
    )

    def __init__(self) -> None:
        self.parent: weakref.ref[Module] | None = None
        self.name = ""
        self.requests: list[Request] = []
        self.training = True
        self.binding: Binding | None = None
        self.options = Options()
        self.entropy: int | None = None
        self.run: Callable[..., Any] | None = None
        self.runs: dict[Any, Callable[..., Any]] = {}
        self.seen: str | None = None

    def forget_runs(self) -> None:
        """Drop compiled calls: the mode, the structure or the backend changed."""
        self.run = None
        self.runs.clear()


def _no_forward(module: Module, *inputs: Any, **named: Any) -> Any:
    """Compute the output; every net overrides this."""
    raise ForwardError(
        f"{module.label}: {type(module).__name__} has no forward.\n"
        "  Define forward(self, x) and return what it computes."
    )


class Module:
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

    # True in the classes made by `native_class`, whose frameworks' own attribute methods call
    # on to these ones by super().
    _is_native = False

    def __init__(self) -> None:
        self.__dict__.setdefault(_INTERNAL, Internals())

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name in _reserved() and not vars(cls).get("_is_native"):
                raise StructureError(
                    f"{cls.__name__} defines {name}, which nn.Module needs for itself.\n  Rename it."
                )

    # The tree.

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_native:
            object.__setattr__(self, name, value)
            return
        internals = self.__dict__.get(_INTERNAL)
        old = self.__dict__.get(name)
        if name == "variables" and internals is not None and internals.binding is not None:
            object.__setattr__(self, name, value)
            return
        if name in _reserved():
            raise StructureError(
                f"{type(self).__name__} assigns self.{name}, which nn.Module needs for itself.\n"
                + ("  Use train() and eval()." if name == "training" else "  Rename the attribute.")
            )
        if isinstance(value, (list, tuple, dict)):
            value = _as_container(self, name, value)
        structural = isinstance(value, (Module, Parameter)) or isinstance(old, (Module, Parameter))
        if internals is None:
            if structural:
                raise StructureError(_NO_SUPER.format(type(self).__name__))
        elif structural and current() is not None:
            raise StructureError(
                f"{self.label}: {name} is a module or parameter assigned during forward or build.\n"
                "  Assign it in __init__, with None for unknown sizes; build fills those."
            )
        elif current() is None:
            self._restructured()
        if isinstance(value, Module):
            self._adopt(name, value)
        elif isinstance(value, Parameter):
            holder = value.owner
            if holder is None or vars(holder).get(value._name) is not value:
                value._owner, value._name = _reference(self), name
        object.__setattr__(self, name, value)
        if structural and old is not None and old is not value:
            _release(old, self)

    def __delattr__(self, name: str) -> None:
        old = self.__dict__.get(name)
        object.__delattr__(self, name)
        if self._is_native:
            return
        self._restructured()
        _release(old, self)

    def _adopt(self, name: str, child: Module) -> None:
        if child._is_native:
            raise StructureError(
                f"{self.label}: {name} is a native module; use the Isomorph net it was lowered from."
            )
        if _INTERNAL not in child.__dict__:
            raise StructureError(_NO_SUPER.format(type(child).__name__))
        if child is self or any(module is self for _, module in child.named_modules()):
            raise StructureError(
                f"{self.label}: assigning {type(child).__name__} as {name} makes a cycle of modules; "
                "it contains this module itself.\n  Pass it to forward, or share a part instead."
            )
        internals, holder = child._isomorph, child.parent
        if holder is None or vars(holder).get(internals.name) is not child:
            internals.parent, internals.name = _reference(self), name

    def _restructured(self) -> None:
        binding = self._isomorph.binding
        if binding is not None:
            binding.stale = True
            for _, module in binding.root.named_modules():
                module._isomorph.forget_runs()

    @property
    def parent(self) -> Module | None:
        """The module that holds this one, the first one if it is shared."""
        reference = self._isomorph.parent
        return reference() if reference else None

    @property
    def root(self) -> Module:
        """The outermost module."""
        module, above = self, self.parent
        while above is not None:
            module, above = above, above.parent
        return module

    @property
    def path(self) -> str:
        """The dotted path from the outermost module; empty for that one."""
        names = []
        module, above = self, self.parent
        while above is not None:
            names.append(module._isomorph.name)
            module, above = above, above.parent
        return ".".join(reversed(names))

    @property
    def label(self) -> str:
        """The path for messages; the class's name for the outermost module."""
        return self.path or type(self).__name__

    def children(self) -> dict[str, Module]:
        """Return the modules directly inside, by name."""
        self._check_ready()
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def own_parameters(self) -> dict[str, Parameter]:
        """Return the parameters and buffers of this module itself, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) depth first, itself first with an empty path, shared ones once.

        The first path at which the outermost module meets a shared one is its canonical path.
        """
        whole, seen = self.parent is None, set()
        stack: list[tuple[str, Module, Module | None, str]] = [("", self, None, "")]
        while stack:
            path, module, holder, name = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            if whole and holder is not None and module.parent is not holder:
                module._isomorph.parent, module._isomorph.name = _reference(holder), name
            yield path, module
            stack.extend(
                (f"{path}.{inner}" if path else inner, child, module, inner)
                for inner, child in reversed(module.children().items())
            )

    def state(self) -> ParameterMapping:
        """Return parameters and buffers by canonical path, shared ones once, in order."""
        found: dict[str, Parameter] = {}
        seen, whole = set(), self.parent is None
        for path, module in self.named_modules():
            for name, parameter in module.own_parameters().items():
                if id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                if whole and parameter.owner is not module:
                    parameter._owner, parameter._name = _reference(module), name
                found[f"{path}.{name}" if path else name] = parameter
        return ParameterMapping(found)

    def parameters(self) -> ParameterMapping:
        """Return what the net learns, by canonical path, shared parameters once, in order."""
        return ParameterMapping({path: p for path, p in self.state().items() if p.trainable})

    def buffers(self) -> ParameterMapping:
        """Return the state that is not learned, such as running means, by canonical path."""
        return ParameterMapping({path: p for path, p in self.state().items() if not p.trainable})

    # What a subclass writes.

    # Typed as a callable, so that a subclass may take whatever inputs it has.
    forward: Callable[..., Any] = _no_forward

    def fill(self, inputs: tuple[Any, ...]) -> None:
        """Let `build` fill the unknown dimensions of the module's own parameters."""
        build = getattr(self, "build", None)
        if build is not None and any(not p.shape.is_known for p in self.own_parameters().values()):
            build(*(value.shape for value in inputs if isinstance(value, TensorSpec)))

    # Inference, initialization, lowering: each in its own file.

    def infer(self, *inputs: Any) -> Any:
        """Infer every size from input shapes: no framework, no memory, no random numbers.

        Args:
            inputs: For each input a shape, where None leaves a size open, an array, or a
                `TensorSpec` when the data type matters.

        Returns:
            The `TensorSpec` of the output, open sizes as formulas.

        Raises:
            ShapeMismatchError: Sizes that do not fit; every parameter is as before.
        """
        from ..inference import infer

        return infer(self, inputs)

    def initialize(
        self: M, init: Any = None, *, seed: int | None = None, force: bool = False
    ) -> M:
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
        from ..initialize import request

        request(self, init, seed, force)
        return self

    def apply_init(self: M, inputs: Any, init: Any = None, *, seed: int | None = None) -> M:
        """Infer the sizes from inputs, then initialize: values exist when it returns.

        Args:
            inputs: One array or `TensorSpec`, or a tuple of them, as the net is called with.
            init: As in `initialize`; with a law, ready parameters are drawn anew.
        """
        from ..calls import apply_init

        apply_init(self, inputs, init, seed)
        return self

    def to(
        self: M,
        backend: str | None = None,
        *,
        device: Any = None,
        dtype: str | None = None,
        data_format: str | None = None,
        compile: bool | None | str = "unchanged",
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
        from ..lowering import to

        to(self, backend, device, dtype, data_format, compile)
        return self

    # Calls.

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if len(inputs) == 1 and not named:
            x = inputs[0]
            try:
                run = self._isomorph.runs[type(x), x.shape[1:], x.dtype]
            except (KeyError, AttributeError, TypeError):
                return self._call(inputs, named)
            try:
                return run(x)
            except IsomorphError:
                raise
            except Exception as cause:
                raise self._native_failure(inputs, cause) from cause
        return self._call(inputs, named)

    def _call(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._check_ready()
        trace = current()
        if trace is not None:
            return trace.call(self, inputs, named)
        if any(isinstance(value, TensorSpec) for value in inputs):
            return self.infer(*inputs)
        from ..calls import call

        return call(self, inputs, named)

    def _native_failure(self, inputs: tuple[Any, ...], cause: Exception) -> NativeCallError:
        binding = self._isomorph.binding
        backend = binding.adapter.name if binding else "native"
        shapes = ", ".join(str(tuple(getattr(x, "shape", ()))) for x in inputs)
        return NativeCallError.at(self.label, backend, shapes, cause)

    def _check_ready(self) -> None:
        if _INTERNAL not in self.__dict__:
            raise StructureError(_NO_SUPER.format(type(self).__name__))

    # State.

    @property
    def native(self) -> Any:
        """The framework's own module; its parameters are deferred until sizes are known."""
        from ..lowering import bound

        binding = bound(self)
        return binding.native(self)

    @property
    def variables(self) -> Any:
        """The framework's state tree, where it keeps state apart from modules. Can be set."""
        from ..lowering import bound

        binding = bound(self)
        return binding.adapter.variables(binding)

    @variables.setter
    def variables(self, tree: Any) -> None:
        from ..lowering import bound

        binding = bound(self)
        binding.adapter.set_variables(binding, tree)

    @property
    def backend(self) -> str | None:
        """The name of the backend the net is lowered to, None before."""
        binding = self._isomorph.binding
        return binding.adapter.name if binding else None

    @property
    def requests(self) -> list[Request]:
        """What `initialize` was asked of this module, in order."""
        return self._isomorph.requests

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
        for _, module in self.named_modules():
            module._isomorph.training = bool(mode)
        binding = self._isomorph.binding
        if binding is not None:
            for _, module in binding.root.named_modules():
                module._isomorph.forget_runs()
            binding.adapter.set_mode(binding)
        return self

    def eval(self: M) -> M:
        """Put the module and all inside into evaluation mode."""
        return self.train(False)

    def gradients(self, loss: Callable[..., Any], *inputs: Any) -> dict[str, Any]:
        """Return d loss(output) / d parameter as arrays in the canonical layout, by path.

        Args:
            loss: A function of the net's output, in `isomorph.ops`, that returns one number.
            inputs: What the net is called with.

        Raises `GradientsNotSupportedError` on a backend without gradients.
        """
        from ..calls import gradients

        return gradients(self, loss, inputs)

    def entropy(self) -> int:
        """Return the seed used where `initialize` was given none; drawn once."""
        if self._isomorph.entropy is None:
            self._isomorph.entropy = fresh_seed()
        return self._isomorph.entropy

    def summary(self, *inputs: Any) -> Summary:
        """Return a table of modules, shapes and parameter counts; the net is not changed.

        Args:
            inputs: As for `infer`. Without them, open sizes are formulas.
        """
        from ..summary import summarize

        return summarize(self, inputs)

    # Copies.

    def __getstate__(self) -> dict[str, Any]:
        internals = self._isomorph
        kept = (internals.requests, internals.training, internals.options, internals.entropy)
        return {**self.__dict__, _INTERNAL: kept}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        internals = Internals()
        kept = attributes.pop(_INTERNAL)
        internals.requests, internals.training, internals.options, internals.entropy = kept
        self.__dict__[_INTERNAL] = internals
        self.__dict__.update(attributes)
        for name, value in attributes.items():
            if isinstance(value, Module):
                self._adopt(name, value)
            elif isinstance(value, Parameter) and value.owner is None:
                value._owner, value._name = _reference(self), name

    def __deepcopy__(self: M, memo: dict[int, Any]) -> M:
        from copy import deepcopy

        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(deepcopy(self.__getstate__(), memo))
        binding = self._isomorph.binding
        if binding is not None and binding.root is self:
            options = binding.options
            twin.to(
                binding.adapter.name, device=options.device, dtype=options.dtype,
                data_format=options.data_format, compile=options.compile,
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
            if value != argument.default:
                required = argument.default is inspect.Parameter.empty
                given.append(repr(value) if required else f"{name}={value!r}")
        return ", ".join(given)

    def __repr__(self) -> str:
        inside = list(self.children().items()) if _INTERNAL in self.__dict__ else []
        head = f"{type(self).__name__}("
        if not inside:
            own = [n for n, v in vars(self).items() if isinstance(v, Parameter)]
            return head + (self._arguments() or ", ".join(own)) + ")"
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in inside]
        return head + "\n  " + "\n  ".join(lines) + "\n)"

    if TYPE_CHECKING:
        _isomorph: Internals

        def __getattr__(self, name: str) -> Any: ...


@functools.lru_cache(maxsize=1)
def _reserved() -> frozenset[str]:
    """Return the public names that the description itself works with."""
    return frozenset(name for name in vars(Module) if name[0] != "_") - {"forward"}


_NO_SUPER = (
    "{0} was used before its base class was ready.\n"
    "  Call super().__init__() first in {0}.__init__."
)


def _no_rule(layer: Layer, *inputs: Any) -> Any:
    """Return the output's spec; every layer overrides this."""
    raise ForwardError(
        f"{layer.label}: {type(layer).__name__} has no infer_shapes.\n"
        "  Define infer_shapes(self, x), set its parameters' shapes and return the output's spec."
    )


def _by_rule(layer: Layer, *inputs: Any, **named: Any) -> Any:
    """Return the output's spec by the layer's own rule."""
    return layer.infer_shapes(*inputs, **named)


class Layer(Module):
    """A module that each backend lowers by its table; its rule says which shapes it needs.

    A subclass defines `infer_shapes` and is entered in adapters' tables with `Adapter.lowers`.

    >>> class Scale(nn.Layer):
    ...     def infer_shapes(self, x):
    ...         return x
    >>> Scale().infer((2, 3))
    TensorSpec((2, 3))
    """

    # Returns the output's spec, and sets the shapes of the layer's parameters.
    infer_shapes: Callable[..., Any] = _no_rule
    forward: Callable[..., Any] = _by_rule


def _as_container(owner: Module, name: str, value: Any) -> Any:
    """Return lists, tuples and dicts of modules as containers; others as they are."""
    from .containers import ModuleDict, ModuleList

    items = list(value.values()) if isinstance(value, dict) else list(value)
    if not any(_holds_module(item) for item in items):
        return value
    if not all(_holds_module(item) for item in items):
        raise InvalidArgumentError.of(
            type(owner).__name__, name, "all modules or none", value,
            "A container of modules and other things has no names for its parameters. Split it.",
        )
    if isinstance(value, dict):
        return ModuleDict({key: _as_module(owner, name, item) for key, item in value.items()})
    return ModuleList(_as_module(owner, name, item) for item in items)


def _as_module(owner: Module, name: str, item: Any) -> Module:
    module: Module = item if isinstance(item, Module) else _as_container(owner, name, item)
    return module


def _holds_module(item: Any) -> bool:
    if isinstance(item, (list, tuple)):
        return any(_holds_module(each) for each in item)
    return isinstance(item, Module) or isinstance(item, dict) and any(map(_holds_module, item.values()))


def _release(old: Any, holder: Module) -> None:
    """Take a module or parameter out of a place in the tree."""
    if any(value is old for value in vars(holder).values()):
        return
    if isinstance(old, Module) and old.parent is holder:
        old._isomorph.parent, old._isomorph.name = None, ""
    elif isinstance(old, Parameter) and old.owner is holder:
        old._owner, old._name = None, ""


def _reference(module: Module) -> weakref.ref[Module]:
    return weakref.ref(module)


_orders = itertools.count(1)


def next_order() -> int:
    """Return a number greater than any before: when a request was made."""
    return next(_orders)

"""The tree that modules form: names, parents, sharing, traversal, edits, pickles."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..binding import Binding, Options
from ..errors import InvalidArgumentError, StructureError
from ..parameter import Buffer, Parameter, ParameterMapping, Request
from ..trace import current

if TYPE_CHECKING:
    from .module import Module

# The one attribute of a description that a user's class never sees.
INTERNAL = "_isomorph"


class Internals:
    """What a description knows about itself besides the user's attributes."""

    __slots__ = (
        "binding",
        "entropy",
        "name",
        "options",
        "parent",
        "requests",
        "run",
        "runs",
        "seen",
        "training",
    )

    def __init__(self) -> None:
        self.parent: weakref.ref[Any] | None = None
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


class Tree:
    """A node of the tree: what `Module` knows about its place, its children and its parameters."""

    # True in the classes made by `native_class`, whose frameworks' own attribute methods call
    # on to these ones by super().
    _is_native = False

    def __init__(self) -> None:
        self.__dict__.setdefault(INTERNAL, Internals())

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == f"{__package__}.module":
            return
        for name in vars(cls):
            if name in {*_reserved(), "__call__"} and not vars(cls).get("_is_native"):
                raise StructureError(
                    f"{cls.__name__} defines {name}, which nn.Module needs for itself.\n  Rename it."
                )

    # The tree.

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_native:
            object.__setattr__(self, name, value)
            return
        internals = self.__dict__.get(INTERNAL)
        old = self.__dict__.get(name)
        if name == "variables" and internals is not None and internals.binding is not None:
            object.__setattr__(self, name, value)
            return
        if name in _reserved() or name == "forward":
            raise StructureError(
                f"{type(self).__name__} assigns self.{name}, which nn.Module needs for itself.\n"
                + ("  Use train() and eval()." if name == "training" else "  Rename the attribute.")
            )
        if isinstance(value, (list, tuple, dict)):
            value = _as_container(self, name, value)
        structural = isinstance(value, (Tree, Parameter)) or isinstance(old, (Tree, Parameter))
        if internals is None:
            if structural:
                raise StructureError(_NO_SUPER.format(type(self).__name__))
        elif structural and current() is not None:
            raise StructureError(
                f"{self.label}: {name} is a module or parameter assigned during forward or build.\n"
                "  Assign it in __init__, with None for unknown sizes; build fills those."
            )
        elif current() is None and not self._changed_natively(name, value, structural):
            self._restructured()
        if is_module(value):
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
        if INTERNAL not in child.__dict__:
            raise StructureError(_NO_SUPER.format(type(child).__name__))
        if child is self or any(module is self for _, module in child.named_modules()):
            raise StructureError(
                f"{self.label}: assigning {type(child).__name__} as {name} makes a cycle of modules; "
                "it contains this module itself.\n  Pass it to forward, or share a part instead."
            )
        internals, holder = child._isomorph, child.parent
        if holder is None or vars(holder).get(internals.name) is not child:
            internals.parent, internals.name = _reference(self), name

    def _changed_natively(self, name: str, value: Any, structural: bool) -> bool:
        """Set a plain attribute on the native module too; native parameters stay what they are."""
        binding = self.__dict__[INTERNAL].binding
        if binding is None:
            return True
        native = binding.natives.get(id(self))
        if structural or not isinstance(native, Tree):
            return False
        if not binding.adapter.set_attribute(native, name, value):
            return False
        binding.forget_runs()
        return True

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
        module, above = cast("Module", self), self.parent
        while above is not None:
            module, above = above, above.parent
        return module

    @property
    def path(self) -> str:
        """The dotted path from the outermost module; empty for that one."""
        names = []
        module, above = cast("Module", self), self.parent
        while above is not None:
            names.append(module._isomorph.name)
            module, above = above, above.parent
        return ".".join(reversed(names))

    @property
    def label(self) -> str:
        """The path for messages; the class's name for the outermost module."""
        return self.path or type(self).__name__

    def _check_ready(self) -> None:
        if INTERNAL not in self.__dict__:
            raise StructureError(_NO_SUPER.format(type(self).__name__))

    def children(self) -> dict[str, Module]:
        """Return the modules directly inside, by name."""
        self._check_ready()
        for name, value in list(vars(self).items()):
            # A list that was empty when it was assigned, and got modules since.
            if isinstance(value, (list, dict)) and _holds_module(value):
                setattr(self, name, value)
        return {name: value for name, value in vars(self).items() if is_module(value)}

    def own_parameters(self) -> dict[str, Parameter]:
        """Return the parameters and buffers of this module itself, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) depth first, itself first with an empty path, shared ones once.

        The first path at which the outermost module meets a shared one is its canonical path.
        """
        whole, seen = self.parent is None, set()
        stack: list[tuple[str, Module, Module | None, str]] = [("", cast("Module", self), None, "")]
        while stack:
            path, module, holder, name = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            if whole and holder is not None and module.parent is not holder and self._may_place(module):
                module._isomorph.parent, module._isomorph.name = _reference(holder), name
            yield path, module
            stack.extend(
                (f"{path}.{inner}" if path else inner, child, module, inner)
                for inner, child in reversed(module.children().items())
            )

    def _may_place(self, module: Module) -> bool:
        """Whether a module's place is this tree's to say: it has no other living one."""
        return module.parent is None or module.root is self

    def state(self) -> ParameterMapping:
        """Return parameters and buffers by canonical path, shared ones once, in order."""
        found: dict[str, Parameter] = {}
        seen, whole = set(), self.parent is None
        for path, module in self.named_modules():
            for name, parameter in module.own_parameters().items():
                if id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                owner = parameter.owner
                if whole and owner is not module and (owner is None or self._may_place(owner)):
                    parameter._owner, parameter._name = _reference(module), name
                found[f"{path}.{name}" if path else name] = parameter
        return ParameterMapping(found)

    def parameters(self) -> ParameterMapping:
        """Return what the net learns, by canonical path, shared parameters once, in order."""
        return ParameterMapping({k: p for k, p in self.state().items() if not isinstance(p, Buffer)})

    def buffers(self) -> ParameterMapping:
        """Return the state that is not learned, such as running means, by canonical path."""
        return ParameterMapping({k: p for k, p in self.state().items() if isinstance(p, Buffer)})

    # Pickles.

    def __getstate__(self) -> dict[str, Any]:
        internals = self._isomorph
        kept = (internals.requests, internals.training, internals.options, internals.entropy)
        return {**self.__dict__, INTERNAL: kept}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        internals = Internals()
        kept = attributes.pop(INTERNAL)
        internals.requests, internals.training, internals.options, internals.entropy = kept
        self.__dict__[INTERNAL] = internals
        self.__dict__.update(attributes)
        for name, value in attributes.items():
            if is_module(value):
                self._adopt(name, value)
            elif isinstance(value, Parameter) and value.owner is None:
                value._owner, value._name = _reference(self), name

    if TYPE_CHECKING:
        _isomorph: Internals

        def __getattr__(self, name: str) -> Any: ...


@functools.lru_cache(maxsize=1)
def _reserved() -> frozenset[str]:
    """Return the public names that the description itself works with."""
    from .module import Module

    return frozenset(name for name in (*vars(Tree), *vars(Module)) if name[0] != "_") - {"forward"}


def is_module(value: object) -> TypeGuard[Module]:
    """Return whether a value is a node of a tree; every node is a `Module`."""
    return isinstance(value, Tree)


_NO_SUPER = "{0} was used before its base class was ready.\n  Call super().__init__() first in {0}.__init__."


def _as_container(owner: Tree, name: str, value: Any) -> Any:
    """Return lists, tuples and dicts of modules as containers; others as they are."""
    from .containers import ModuleDict, ModuleList

    items = list(value.values()) if isinstance(value, dict) else list(value)
    if not any(_holds_module(item) for item in items):
        return value
    if not all(_holds_module(item) for item in items):
        raise InvalidArgumentError.of(
            type(owner).__name__,
            name,
            "all modules or none",
            value,
            "A container of modules and other things has no names for its parameters. Split it.",
        )
    if isinstance(value, dict):
        return ModuleDict({key: _as_module(owner, name, item) for key, item in value.items()})
    return ModuleList(_as_module(owner, name, item) for item in items)


def _as_module(owner: Tree, name: str, item: Any) -> Module:
    module: Module = item if is_module(item) else _as_container(owner, name, item)
    return module


def _holds_module(item: Any) -> bool:
    """Whether a value is a module or a container with one inside, at any depth."""
    if isinstance(item, (list, tuple)):
        return any(_holds_module(each) for each in item)
    return is_module(item) or (isinstance(item, dict) and any(map(_holds_module, item.values())))


def _release(old: Any, holder: Tree) -> None:
    """Take a module or parameter out of a place in the tree; it keeps its values."""
    if any(value is old for value in vars(holder).values()):
        return
    if is_module(old):
        if old.parent is holder:
            old._isomorph.parent, old._isomorph.name = None, ""
        kept = {id(module) for _, module in holder.root.named_modules()}
        for module in [module for _, module in old.named_modules() if id(module) not in kept]:
            for parameter in module.own_parameters().values():
                _detach(parameter)
            module._isomorph.binding = None
            module._isomorph.forget_runs()
    elif isinstance(old, Parameter):
        if old.owner is holder:
            old._owner, old._name = None, ""
        if not any(old is parameter for parameter in holder.root.state().values()):
            _detach(old)


def _detach(parameter: Parameter) -> None:
    """Keep a parameter's values in itself instead of in a native module."""
    parameter._value = parameter.numpy() if parameter.is_ready else None
    parameter._trainable, parameter._slot = parameter.trainable, None


def _reference(module: Tree) -> weakref.ref[Any]:
    return weakref.ref(module)

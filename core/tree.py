"""The tree that modules form: names, parents, sharing, traversal, edits, pickles."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeGuard

from .errors import InvalidArgumentError, StructureError
from .framework import Options
from .initialize import Request
from .mapping import ParameterMapping
from .parameter import Buffer, Parameter
from .structure import key_by_sizes
from .tracing import current


class Bound(Protocol):
    """What a lowered net is told of its description."""

    def attribute_set(self, module: Tree, name: str, value: Any) -> bool:
        """A plain attribute changed; return False if the net has to be lowered anew."""
        ...

    def restructured(self) -> None:
        """Modules or parameters were added, replaced or taken away."""
        ...


# The one attribute of a description that a user's class never sees.
INTERNAL = "_isomorph"


class Internals:
    """What a description knows about itself besides the user's attributes."""

    __slots__ = (
        "binding",
        "entropy",
        "key",
        "locks",
        "name",
        "options",
        "parent",
        "requests",
        "runs",
        "seen",
        "training",
        "view",
    )

    def __init__(self) -> None:
        self.parent: weakref.ref[Any] | None = None
        self.name = ""
        self.requests: list[Request] = []
        self.training = True
        self.binding: Any = None
        self.options = Options()
        self.entropy: int | None = None
        self.locks: dict[int, Any] = {}
        self.key: Callable[..., Any] = key_by_sizes
        self.runs: dict[Any, Callable[..., Any]] = {}
        self.seen: str | None = None
        self.view = False

    @property
    def lock(self) -> Any:
        """The lock of the net whose outermost module this is; a forked process has one of its own."""
        return self.locks.setdefault(os.getpid(), threading.RLock())

    def forget_runs(self) -> None:
        """Drop compiled calls: the mode, the structure or the backend changed."""
        self.runs.clear()


class TreeType(ABCMeta):
    """The type of modules' classes: nets that live are told when a class changes."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Return a class without slots: a module's parts are looked for in its ``__dict__``."""
        namespace.pop("__slots__", None)
        return super().__new__(mcls, name, bases, namespace, **options)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__hash__" and value is None:
            return  # a dataclass that compares its fields: modules are known by identity all the same
        super().__setattr__(name, value)
        if not name.startswith(("__", "_abc_")) and not vars(cls).get("_is_native"):
            for told in list(CLASS_CHANGED):
                told(cls, name)


# What is called with a class and the name of an attribute that was set on it.
CLASS_CHANGED: list[Callable[[type, str], None]] = []


class Tree(metaclass=TreeType):
    """A node of the tree: what `Module` knows about its place, its children and its parameters."""

    # True in the classes made by `native_class`, whose frameworks' own attribute methods call
    # on to these ones by super().
    _is_native = False
    _is_tree = True
    # True in layers, which a backend's table lowers and whose shapes a rule says.
    _is_layer: ClassVar[bool] = False
    # True in what stands for a list or dict of parameters: they are its owner's to size.
    _holds_parameters: ClassVar[bool] = False

    # Our own classes that describe, and their public names, which users' classes may not define.
    _describing: ClassVar[list[type[Tree]]] = []
    _reserved: ClassVar[frozenset[str]] = frozenset()
    # What stands for a list or dict of modules or parameters that is assigned to an attribute.
    _containers: ClassVar[dict[tuple[type, type], type[Tree]]] = {}

    def __init__(self) -> None:
        vars(self).setdefault(INTERNAL, Internals())

    def __init_subclass__(
        cls,
        reserves: bool = False,
        holds: tuple[type, type] | None = None,
        describes: bool = False,
        **options: Any,
    ) -> None:
        """Check a user's class; a class of ours says what it is.

        Args:
            reserves: Users' classes may not define its public names.
            holds: The kind of container, and of what is in it, that it stands for where one is assigned.
            describes: A native class made from it hides what it adds to the framework's.
            options: For other bases.
        """
        super().__init_subclass__(**options)
        if holds is not None:
            Tree._containers[holds] = cls
        if reserves:
            public = {name for name in (*vars(Tree), *vars(cls)) if name[0] != "_"}
            Tree._reserved = frozenset(public - {"forward"})
        if reserves or holds is not None or describes:
            Tree._describing.append(cls)
        elif not vars(cls).get("_is_native"):
            for name in (name for name in vars(cls) if name in Tree._reserved or name == "__call__"):
                raise StructureError(
                    f"{cls.__name__} defines {name}, which nn.Module needs for itself.\n  Rename it."
                )

    # The tree.

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_native:
            object.__setattr__(self, name, value)
            return
        internals = self.__dict__.get(INTERNAL)
        old = vars(self).get(name)
        if name == "variables" and internals is not None and internals.binding is not None:
            object.__setattr__(self, name, value)
            return
        if name in Tree._reserved or name == "forward":
            raise StructureError(
                f"{type(self).__name__} assigns self.{name}, which nn.Module needs for itself.\n"
                + ("  Use train() and eval()." if name == "training" else "  Rename the attribute.")
            )
        trace = current()
        if trace is not None and internals is not None:
            trace.require_no_assignment(self, name)
        if isinstance(value, (list, tuple, dict)):
            value = _as_container(self, name, value)
        structural = is_part(value) or is_part(old)
        if structural and "." in name:
            raise StructureError(
                f"{type(self).__name__}: {name!r} has a dot; paths would be ambiguous.\n  Rename it."
            )
        if internals is None and hasattr(type(self), "__dataclass_fields__"):
            Tree.__init__(self)  # a dataclass assigns its fields before its __post_init__ can
            internals = self.__dict__[INTERNAL]
        if internals is None:
            if structural:
                raise StructureError(_NO_SUPER.format(type(self).__name__))
        elif structural and trace is not None:
            raise StructureError(
                f"{self.label}: {name} is a module or parameter assigned during forward or build.\n"
                "  Assign it in __init__, with None for unknown sizes; build fills those."
            )
        if is_module(value):
            self._require_adoptable(name, value)
        if trace is None and internals is not None and not self._changed_natively(name, value, structural):
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
        old = None if self._is_native else vars(self).get(name)
        if is_part(old) and current() is not None:
            raise StructureError(
                f"{self.label}: {name} is a module or parameter deleted during forward or build.\n"
                "  Edit the net before its call."
            )
        object.__delattr__(self, name)
        if self._is_native:
            return
        self._restructured()
        _release(old, self)

    def _require_adoptable(self, name: str, child: Tree) -> None:
        """Raise `StructureError` for a module that can't be in this one under a name."""
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

    def _adopt(self, name: str, child: Tree) -> None:
        """Tell a module its place, unless it has another that lives."""
        internals, holder = child._isomorph, child.parent
        if holder is None or vars(holder).get(internals.name) is not child:
            internals.parent, internals.name = _reference(self), name

    def _changed_natively(self, name: str, value: Any, structural: bool) -> bool:
        """Set a plain attribute on the native module too; native parameters stay what they are."""
        binding: Bound | None = self.__dict__[INTERNAL].binding
        return binding is None or (not structural and binding.attribute_set(self, name, value))

    def _restructured(self) -> None:
        binding: Bound | None = self._isomorph.binding
        if binding is not None:
            binding.restructured()

    @property
    def parent(self) -> Tree | None:
        """The module that holds this one, the first one if it is shared."""
        reference = self._isomorph.parent
        return reference() if reference else None

    @property
    def root(self) -> Tree:
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

    def _check_ready(self) -> None:
        if INTERNAL not in self.__dict__:
            raise StructureError(_NO_SUPER.format(type(self).__name__))

    def children(self) -> dict[str, Tree]:
        """Return the modules directly inside, by name."""
        self._check_ready()
        for name, value in list(vars(self).items()):
            # A list that was empty when it was assigned, and got modules since.
            if isinstance(value, (list, dict)) and _holds_part(value):
                setattr(self, name, value)
        return {name: value for name, value in vars(self).items() if is_module(value)}

    def own_parameters(self) -> dict[str, Parameter]:
        """Return the parameters and buffers of this module itself, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def named_modules(self) -> Iterator[tuple[str, Tree]]:
        """Yield (path, module) depth first, itself first with an empty path, shared ones once.

        The first path at which the outermost module meets a shared one is its canonical path.
        """
        whole, seen = self.parent is None, set()
        stack: list[tuple[str, Tree, Tree | None, str]] = [("", self, None, "")]
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

    def _may_place(self, module: Tree) -> bool:
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
        return {**vars(self), INTERNAL: kept}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        internals = Internals()
        kept = attributes.pop(INTERNAL)
        internals.requests, internals.training, internals.options, internals.entropy = kept
        vars(self)[INTERNAL] = internals
        for name, value in attributes.items():
            object.__setattr__(self, name, value)
        for name, value in attributes.items():
            if is_module(value):
                self._adopt(name, value)
            elif isinstance(value, Parameter) and value.owner is None:
                value._owner, value._name = _reference(self), name

    def __dir__(self) -> list[str]:
        """Return what a user needs; `fill` and `own_parameters` are for backends."""
        return sorted({*super().__dir__()} - {"fill", "own_parameters"})

    if TYPE_CHECKING:
        _isomorph: Internals
        forward: Callable[..., Any]
        __call__: Callable[..., Any]

        def __getattr__(self, name: str) -> Any: ...


def is_module(value: object) -> TypeGuard[Tree]:
    """Return whether a value is a node of a tree; every node is a `Module`."""
    # isinstance would ask the metaclass: six times slower.
    return getattr(type(value), "_is_tree", False)


def is_described(value: object) -> bool:
    """Return whether a value is a module that describes, not a native one."""
    return is_module(value) and not value._is_native


_NO_SUPER = "{0} was used before its base class was ready.\n  Call super().__init__() first in {0}.__init__."


@contextmanager
def locked(module: Tree) -> Iterator[Tree]:
    """Let one thread at a time change a net; yields its outermost module."""
    while True:
        root = module.root
        with root._isomorph.lock:
            if module.root is root:  # nobody put it into another net meanwhile
                yield root
                return


def _as_container(owner: Tree, name: str, value: Any) -> Any:
    """Return lists, tuples and dicts of modules or of parameters as containers; others as they are."""
    items = list(value.values()) if isinstance(value, dict) else list(value)
    if not any(map(_holds_part, items)):
        return value
    parts = [
        _as_container(owner, name, item) if isinstance(item, (list, tuple, dict)) else item for item in items
    ]
    kinds: set[type] = {kind for kind in (Parameter, Tree) for part in parts if isinstance(part, kind)}
    if len(kinds) > 1 or not all(map(is_part, parts)):
        raise InvalidArgumentError.of(
            type(owner).__name__,
            name,
            "all modules or none, or all parameters",
            value,
            "A container of these and other things has no names for its parameters. Split it.",
        )
    container: Any = Tree._containers[dict if isinstance(value, dict) else list, kinds.pop()]
    return container(dict(zip(value, parts)) if isinstance(value, dict) else parts)


def is_part(value: Any) -> bool:
    """Return whether a value is a module or a parameter."""
    return is_module(value) or isinstance(value, Parameter)


def _holds_part(item: Any) -> bool:
    """Whether a value is a module or parameter, or a container with one inside, at any depth."""
    if isinstance(item, (list, tuple)):
        return any(map(_holds_part, item))
    return is_part(item) or (isinstance(item, dict) and any(map(_holds_part, item.values())))


def _release(old: Any, holder: Tree) -> None:
    """Take a module or parameter out of a place in the tree; it keeps its values."""
    if any(value is old for value in vars(holder).values()):
        return
    if is_module(old):
        if old.parent is holder:
            old._isomorph.parent, old._isomorph.name = None, ""
        elif old.parent is not None and old.root is not holder.root:
            return  # the net that it was sliced from goes on with it
        kept = {id(module) for _, module in holder.root.named_modules()}
        for module in [module for _, module in old.named_modules() if id(module) not in kept]:
            for parameter in module.own_parameters().values():
                parameter.detach()
            module._isomorph.binding = None
            module._isomorph.forget_runs()
    elif isinstance(old, Parameter):
        if old.owner is holder:
            old._owner, old._name = None, ""
        elif old.owner is not None and old.owner.root is not holder.root:
            return
        if not any(old is parameter for parameter in holder.root.state().values()):
            old.detach()


def _reference(module: Tree) -> weakref.ref[Any]:
    return weakref.ref(module)


Tree._describing.append(Tree)

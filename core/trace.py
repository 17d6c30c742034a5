"""One pass of shapes through a net: what was called with which shapes, all or nothing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from .errors import ForwardError, InvalidArgumentError, IsomorphError, StructureError
from .snapshot import Snapshot, all_or_nothing
from .structure import flatten, is_array
from .tensor import Operators
from .tracing import traced_by
from .tree import CLASS_CHANGED, Tree
from .watch import Watch


class Call:
    """One module met during the pass, with the specs of its first call."""

    __slots__ = ("inputs", "module", "output")

    def __init__(self, module: Tree, inputs: tuple[Any, ...]) -> None:
        self.module, self.inputs = module, inputs
        self.output: Any = None


class Trace:
    """The pass under way: the net's options and, in order of first call, its modules."""

    def __init__(self, root: Tree, modules: Iterable[Tree] | None = None) -> None:
        top = root.root
        self.options = top._isomorph.options
        self.calls: dict[int, Call] = {}
        known = (module for _, module in top.named_modules()) if modules is None else modules
        self.inside = {id(module) for module in known}
        self.asks: set[str] = set()
        """What forward asked in Python of the batch's size: "size", "len", "iter"."""
        self.by_keyword: set[int] = set()
        """Layers that a forward called by keyword, by id."""
        self.updates = False
        """Whether a forward updates buffers."""
        self.builds = 0
        """How many `build` hooks are under way."""

    def call(self, module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run one module on specs and return the spec of its output."""
        self.require_inside(module)
        try:
            output = self._answer(module, inputs, named)
        except IsomorphError as error:
            _locate(error, module)
            raise
        except TypeError as cause:
            if "TensorSpec" not in str(cause):
                raise
            raise ForwardError(
                f"{module.label}: a function in forward can't take a shape-only tensor: {cause}.\n"
                "  Write it with operators and isomorph.ops, which work on every framework's tensors.",
                path=module.label,
            ) from cause
        if output is None:
            raise ForwardError(
                f"{module.label}: forward returned nothing.\n  End it with a return statement.",
                path=module.label,
            )
        call = self.calls[id(module)]
        call.output = call.output if call.output is not None else output
        return output

    def _answer(self, module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        rules = has_rule(type(module))
        if named and names_its_own(type(module)):
            self.by_keyword.add(id(module))
            inputs, named = by_position(module, inputs, named), {}
        if rules and not (inputs and isinstance(inputs[0], Operators)):
            received = inputs[0] if inputs else None
            hint = "A layer takes tensors singly; a net's own forward may take containers of them."
            raise InvalidArgumentError.of(module.label, "each input", "an array or tensor", received, hint)
        if id(module) not in self.calls:
            given = (*inputs, *named.values())
            self.calls[id(module)] = Call(module, given)
            if not rules:
                self._build(module, given)
        return (module.infer_shapes if rules else module.forward)(*inputs, **named)

    def _build(self, module: Tree, given: tuple[Any, ...]) -> None:
        self.builds += 1
        try:
            module.fill(tuple(flatten(given, is_array)[0]))
        finally:
            self.builds -= 1

    def require_inside(self, module: Tree) -> None:
        """Raise `StructureError` for a module that forward reaches outside the net's tree."""
        if id(module) not in self.inside:
            kind = type(module).__name__
            raise StructureError(
                f"forward uses a {kind} that is not part of the net: its parameters would be in no list, "
                "no seed and no mode would reach it.\n  Assign it to an attribute of its module, alone or "
                "in a list or dict (a set, a plain object or a closure holds no modules).",
                path=module.label,
            )

    def require_no_assignment(self, module: Tree, name: str) -> None:
        """Raise `StructureError` where a forward, and no `build`, assigns an attribute."""
        if self.builds or id(module) not in self.inside:
            return
        raise StructureError(
            f"{module.label}: forward assigns self.{name}; a compiled call would do so once, or never.\n"
            "  Return the value, pass it in, or keep it in an nn.Buffer and call its update.",
            path=module.label,
        )


def by_position(module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Return a call's inputs in the order in which a layer's rule, or a net's forward, takes them.

    Raises `ForwardError` for a name that it does not take.
    """
    kind = type(module)
    function = module.infer_shapes if has_rule(kind) else module.forward
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*inputs, **named)
    except TypeError as cause:
        takes = ", ".join(signature.parameters)
        raise ForwardError(
            f"{module.label}: {kind.__name__} takes ({takes}): {cause}.\n  Name its inputs so.",
            path=module.label,
        ) from cause
    if bound.kwargs:  # an input before one that was named has its default
        bound.apply_defaults()
    return (*bound.args, *bound.kwargs.values())


@functools.lru_cache(maxsize=1024)
def has_rule(kind: type) -> bool:
    """Return whether a rule answers for modules of a class, and no `forward` put in its place."""
    for cls in kind.__mro__:
        if "infer_shapes" in vars(cls):
            return True
        if "forward" in vars(cls):
            return False
    return False


def names_its_own(kind: type) -> bool:
    """Return whether a framework may have other names for the inputs of modules of a class."""
    return has_rule(kind) or kind in Tree._describing


CLASS_CHANGED.append(lambda kind, name: has_rule.cache_clear())


def shapes_kept(root: Tree, always: bool = False) -> AbstractContextManager[None]:
    """On any exception inside, or always, give every parameter the shape it had before."""
    return all_or_nothing(Snapshot().keep(root.state().values(), "_shape"), always)


@contextmanager
def tracing_shapes(root: Tree) -> Iterator[Trace]:
    """Let calls of modules inside infer shapes instead of computing.

    What a `build` stores on its module meanwhile is taken back: it holds no values.
    """
    modules = [module for _, module in root.root.named_modules()]
    before = [(module, dict(vars(module))) for module in modules if not module._is_layer]
    held = Watch(modules)
    try:
        trace = Trace(root, modules)
        with traced_by(trace):
            yield trace
        held.require_unchanged()
    finally:
        held.restore()
        for module, attributes in before:
            if any(attributes.get(name, root) is not value for name, value in vars(module).items()):
                vars(module).clear()
                vars(module).update(attributes)


def _locate(error: IsomorphError, module: Tree) -> None:
    """Write the innermost module's path in front of a message that names none, a next step behind."""
    if not hasattr(error, "path"):
        error.path = module.label  # type: ignore[attr-defined]
        error.facts["path"] = module.label
        text = f"{module.label}: {error}"
        if "\n" not in text:
            text += "\n  Look at the shapes that reach it: in forward, print(x.shape) shows them."
        error.args = (text, *error.args[1:])


def shapes_of(inputs: Any) -> str:
    """Return inputs as text for messages: their shapes, other values by repr."""
    return ", ".join(repr(value)[:60] for value in inputs)

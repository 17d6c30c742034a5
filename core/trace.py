"""One pass of shapes through a net: what was called with which shapes, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import ForwardError, IsomorphError

if TYPE_CHECKING:
    from .nn.module import Module

_current: ContextVar[Trace | None] = ContextVar("isomorph_trace", default=None)


class Call:
    """One module met during the pass, with the specs of its first call."""

    __slots__ = ("inputs", "module", "output")

    def __init__(self, module: Module, inputs: tuple[Any, ...]) -> None:
        self.module, self.inputs = module, inputs
        self.output: Any = None


class Trace:
    """The pass under way: the net's options and, in order of first call, its modules."""

    def __init__(self, root: Module) -> None:
        top = root.root
        self.data_format: str = top.data_format
        self.calls: dict[int, Call] = {}

    def call(self, module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run one module on specs and return the spec of its output."""
        call = self.calls.get(id(module))
        try:
            if call is None:
                given = (*inputs, *named.values())
                call = self.calls[id(module)] = Call(module, given)
                module.fill(given)
            output = module.forward(*inputs, **named)
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
        call.output = call.output if call.output is not None else output
        return output


def current() -> Trace | None:
    """Return the pass under way in this thread, if any."""
    return _current.get()


def tracing() -> bool:
    """Return whether sizes are being inferred in this thread."""
    return _current.get() is not None


@contextmanager
def shapes_kept(root: Module, always: bool = False) -> Iterator[None]:
    """On any exception inside, or always, give every parameter the shape it had before."""
    before = [(parameter, parameter._shape) for parameter in root.state().values()]
    try:
        yield
    except BaseException:
        always = True
        raise
    finally:
        if always:
            for parameter, shape in before:
                parameter._shape = shape


@contextmanager
def tracing_shapes(root: Module) -> Iterator[Trace]:
    """Let calls of modules inside infer shapes instead of computing.

    What a `forward` stores on its module meanwhile is taken back: it holds no values.
    """
    nets = (module for _, module in root.named_modules() if not hasattr(module, "infer_shapes"))
    before = [(module, dict(vars(module))) for module in nets]
    trace = Trace(root)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
        for module, attributes in before:
            if any(attributes.get(name, root) is not value for name, value in vars(module).items()):
                vars(module).clear()
                vars(module).update(attributes)


def _locate(error: IsomorphError, module: Module) -> None:
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

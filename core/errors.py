"""Every exception of Isomorph: what and where, expected and received, the next step.

Each is an `IsomorphError` and also the built-in it refines, keeps its facts as
attributes, and has one constructor per situation that writes the text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


class IsomorphError(Exception):
    """Base of all errors raised by Isomorph. Extra facts become attributes."""

    def __init__(self, message: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.facts)


def _rebuild(kind: type[IsomorphError], message: str, facts: dict[str, Any]) -> IsomorphError:
    return kind(message, **facts)


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class DeferredInitializationError(IsomorphError, RuntimeError):
    """A parameter was read before it had a value."""

    @classmethod
    def at(cls, path: str, shape: object, reason: str, what: str = "value") -> DeferredInitializationError:
        return cls(
            f"{path} has no {what} yet: its shape is {shape}.\n  {reason}",
            path=path,
            shape=shape,
        )


class ShapeMismatchError(IsomorphError, ValueError):
    """A shape, a rank or a size is not the one that is needed."""

    @classmethod
    def at(
        cls, path: str, what: str, expected: object, received: object, hint: str = ""
    ) -> ShapeMismatchError:
        text = f"{path} expects {what} {expected}, received {received}."
        return cls(text + (f"\n  {hint}" if hint else ""), path=path, expected=expected, received=received)


class DTypeMismatchError(IsomorphError, TypeError):
    """A tensor's data type is not the one that is needed."""

    @classmethod
    def at(cls, path: str, expected: object, received: object, hint: str = "") -> DTypeMismatchError:
        text = f"{path} expects {expected} input, received {received}."
        return cls(text + (f"\n  {hint}" if hint else ""), path=path, expected=expected, received=received)


class InvalidArgumentError(IsomorphError, ValueError):
    """An argument is outside what the function or layer accepts."""

    @classmethod
    def of(
        cls, where: str, name: str, expected: str, received: object, hint: str = ""
    ) -> InvalidArgumentError:
        return cls(
            f"{where}: {name} must be {expected}, received {received!r}." + (f"\n  {hint}" if hint else ""),
            path=where,
            argument=name,
            expected=expected,
            received=received,
        )

    @classmethod
    def choice(
        cls, where: str, name: str, known: Sequence[str], received: object, hint: str = "Take one of these."
    ) -> InvalidArgumentError:
        hint = _nearest(str(received), known).strip() or hint
        return cls.of(where, name, f"one of {', '.join(known)}", received, hint)


class StructureError(IsomorphError, RuntimeError):
    """The tree of modules is not one that can be used: a cycle, a missing `super().__init__()`."""

    @classmethod
    def too_deep(cls, path: str) -> StructureError:
        return cls(
            f"{path}: its modules are nested deeper than Python's recursion limit allows "
            f"({sys.getrecursionlimit()} calls).\n  Put them side by side in one Sequential or ModuleList, "
            "or raise the limit with sys.setrecursionlimit.",
            path=path,
        )


class ForwardError(IsomorphError, TypeError):
    """A `forward` is missing, returns nothing, or asks a shape-only tensor for its values."""


class UnknownBackendError(IsomorphError, LookupError):
    """No backend has that name."""

    @classmethod
    def named(cls, name: str, known: Sequence[str]) -> UnknownBackendError:
        return cls(
            f"There is no backend {name!r}.{_nearest(name, known)}\n"
            f"  Known backends: {', '.join(known)}. `isomorph backends` shows their state.",
            expected=tuple(known),
            received=name,
        )


class BackendNotInstalledError(IsomorphError, ImportError):
    """The backend's framework is not installed."""

    @classmethod
    def named(
        cls, name: str, missing: Sequence[str], extra: str, installed: Sequence[str]
    ) -> BackendNotInstalledError:
        packages = " and ".join(repr(package) for package in missing)
        return cls(
            f"The {name} backend needs {packages}, not installed here.\n"
            f'  Install it with: pip install "{extra}". '
            f"Usable here: {', '.join(installed)}.",
            backend=name,
            expected=tuple(missing),
            received=None,
        )


class BackendBrokenError(IsomorphError, ImportError):
    """The backend's framework is installed but does not import; the cause is chained."""

    @classmethod
    def named(cls, name: str, cause: object, hint: str = "") -> BackendBrokenError:
        return cls(
            f"The {name} backend is installed but can't be used: {cause}\n  "
            + (hint or f'Repair it with: pip install --force-reinstall "isomorph[{name}]".'),
            backend=name,
            cause=str(cause),
        )


class NotSupportedError(IsomorphError, NotImplementedError):
    """A backend can't do what was asked; `capability` names it, as ``"compile"`` or ``"dtype.float64"``."""

    capability = ""

    @classmethod
    def of(cls, backend: str, capability: str, able: str, hint: str) -> NotSupportedError:
        return cls(
            f"The {backend} backend does not support {capability}: {able}.\n  {hint}",
            backend=backend,
            capability=capability,
        )


class PackageNotInstalledError(IsomorphError, ImportError):
    """A command needs a package that comes with one of Isomorph's extras."""

    @classmethod
    def of(cls, tool: str, package: str, extra: str) -> PackageNotInstalledError:
        return cls(
            f"{tool} needs {package!r}, not installed here.\n"
            f'  Install it with: pip install "isomorph[{extra}]".',
            expected=package,
            received=None,
        )


class LayerNotSupportedError(NotSupportedError):
    """A backend has no lowering for a layer, an option or an attribute name."""

    @classmethod
    def at(
        cls, path: str, backend: str, what: str, hint: str, capability: str = ""
    ) -> LayerNotSupportedError:
        return cls(
            f"{path}: the {backend} backend cannot lower {what}.\n  {hint}",
            path=path,
            backend=backend,
            received=what,
            capability=capability or f"layer.{what}",
        )


class GradientsNotSupportedError(NotSupportedError):
    """The backend has no gradients, or does not keep them on its parameters."""

    capability = "gradients"


class InitializerError(IsomorphError, ValueError):
    """An initial law failed or returned something that does not fit the parameter."""

    @classmethod
    def at(
        cls, path: str, law: object, expected: object, received: object, hint: str = ""
    ) -> InitializerError:
        return cls(
            f"{path}: the initial law {law} had to give {expected}, but gave {received}."
            + (f"\n  {hint}" if hint else "\n  No parameter was changed."),
            path=path,
            expected=expected,
            received=received,
        )


class AdapterDisagreementError(IsomorphError, RuntimeError):
    """A framework inferred another shape than Isomorph's rules: a bug of the adapter."""

    @classmethod
    def at(cls, path: str, backend: str, expected: object, received: object) -> AdapterDisagreementError:
        return cls(
            f"{path}: Isomorph infers {expected}, the {backend} framework itself infers {received}."
            f"\n  This is a bug of the {backend} adapter, please report it. Nothing was changed.",
            path=path,
            backend=backend,
            expected=expected,
            received=received,
        )


class MixedBackendsError(IsomorphError, TypeError):
    """Tensors of two frameworks met in one call."""

    @classmethod
    def at(cls, path: str, expected: str, received: str) -> MixedBackendsError:
        return cls(
            f"{path} works on {expected} tensors, received a {received} tensor.\n"
            f"  Pass NumPy arrays or {expected} tensors, or move the net.",
            path=path,
            expected=expected,
            received=received,
        )


class NativeCallError(IsomorphError, RuntimeError):
    """The framework failed inside a call; its own exception is chained."""

    @classmethod
    def at(cls, path: str, backend: str, inputs: object, cause: BaseException) -> NativeCallError:
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        first = next((line for line in lines if line[-1] != ":"), "")
        return cls(
            f"{path}: the {backend} framework failed on inputs {inputs}: "
            f"{type(cause).__name__}: {first}\n"
            "  Its own error is chained above. No parameter was changed by Isomorph.",
            path=path,
            backend=backend,
            received=inputs,
        )


class TargetError(IsomorphError, ValueError):
    """A `FILE[:NAME]` given on the command line does not lead to a usable model."""

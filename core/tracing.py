"""The pass of shapes under way in this thread, by a context variable alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[Any] = ContextVar("isomorph_trace", default=None)


def current() -> Any:
    """Return the `Trace` under way in this thread, None if there is none."""
    return _current.get()


def tracing() -> bool:
    """Return whether sizes are being inferred in this thread."""
    return _current.get() is not None


@contextmanager
def traced_by(trace: Any) -> Iterator[None]:
    """Let calls of modules inside be answered by this trace."""
    before = _current.get()
    try:
        _current.set(trace)
        yield
    finally:
        _current.set(before)

"""What a worker sees after each step, as plain data."""

from __future__ import annotations

import base64
import hashlib
import re
import traceback
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.errors import IsomorphError

# A larger array is reported by its hash alone.
LARGEST = 1 << 14


def tensor(values: Any) -> dict[str, Any]:
    """Return an array as plain data: shape, type, hash, and the bytes of a small one."""
    values = np.ascontiguousarray(values).reshape(np.shape(values))
    raw = values.tobytes()
    seen = {
        "shape": list(values.shape),
        "dtype": values.dtype.name,
        "sha": hashlib.sha256(raw).hexdigest()[:24],
    }
    return {**seen, "data": base64.b64encode(raw).decode()} if values.size <= LARGEST else seen


def state(net: nn.Module) -> list[dict[str, Any]]:
    """Return what is known of each parameter and buffer, in order."""
    return [
        {
            "path": path,
            "name": parameter.name,
            "kind": parameter.kind,
            "state": str(parameter.state),
            "shape": [size if isinstance(size, int) else None for size in parameter.shape],
            "dtype": parameter.dtype,
            "trainable": parameter.trainable,
            "requested": parameter.is_requested,
            "value": tensor(parameter.numpy()) if parameter.is_ready else None,
        }
        for path, parameter in net.state().items()
    ]


def aliases(net: nn.Module) -> dict[str, str]:
    """Return every path at which a parameter is met again, with the path that it counts under."""
    first = {id(parameter): path for path, parameter in net.state().items()}
    found: dict[str, str] = {}
    stack: list[tuple[str, nn.Module]] = [("", net)]
    while stack:
        prefix, module = stack.pop()
        for name, parameter in module.own_parameters().items():
            path = f"{prefix}{name}"
            if first[id(parameter)] != path:
                found[path] = first[id(parameter)]
        stack.extend((f"{prefix}{name}.", child) for name, child in module.children().items())
    return found


def failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as plain data; one that is not ours is marked as foreign."""
    seen: dict[str, Any] = {"type": type(error).__name__, "message": plain_text(str(error))}
    if isinstance(error, IsomorphError):
        refined = [
            base.__name__
            for base in type(error).__mro__
            if base.__module__ == "builtins" and base not in (Exception, BaseException, object)
        ]
        facts = {name: _plain(value) for name, value in error.facts.items()}
        cause = {} if error.__cause__ is None else {"traceback": _traceback(error.__cause__)}
        return {**seen, "ours": True, "bases": refined[:1], **{"path": None, **facts}, **cause}
    return {**seen, "ours": False, "traceback": _traceback(error)}


def _traceback(error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return plain_text("".join(lines)[-4000:])


def plain_text(text: str) -> str:
    """Return text without what changes from run to run: addresses in memory."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x...", text)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return plain_text(str(value))

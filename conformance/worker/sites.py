"""Where a backend's files lie, and how they are read."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from isomorph.errors import TargetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

PROFILE = "conformance.toml"


def profile_path(module: str) -> Path:
    """Return where the profile of an adapter's module is looked for: beside the module's file."""
    spec = find_spec(module)
    origin = spec.origin if spec is not None else None
    return Path(origin or ".").parent / PROFILE


def read_toml(text: str) -> dict[str, Any]:
    """Return what a file of settings says; raises `TargetError` where it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise TargetError(f"it is not TOML: {cause}.\n  Mend the line that is named.") from cause

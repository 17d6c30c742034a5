"""Where a backend's files lie, and which layers none may leave out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

CORE_LAYERS = ("Dense", "Sequential", "ModuleList", "ModuleDict")
PROFILE = "conformance.toml"


def profile_path(module: str) -> Path:
    """Return where the profile of an adapter's module is looked for: beside the module's file."""
    spec = find_spec(module)
    origin = spec.origin if spec is not None else None
    return Path(origin or ".").parent / PROFILE

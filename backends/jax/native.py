"""Native modules that know the description they were lowered from."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from isomorph import nn


def hidden() -> Any:
    """Return the field by which a native module knows its description."""
    return dataclasses.field(default=None, repr=False, kw_only=True)


class Described:
    """A native module that is pickled and deeply copied as a place in a net; a mixin for Flax's own."""

    def __reduce__(self: Any) -> Any:
        if self.scope is not None:  # bound to variables, which a net does not know
            return object.__reduce_ex__(self, 2)
        module = self._isomorph.module
        return found, (module.root, self._isomorph.binding.adapter.name, module.path)


def found(root: nn.Module, backend: str, path: str) -> Any:
    """Return the native module at a path of a net, which is lowered first if it is not."""
    if root.backend not in (None, backend):
        root = copy.deepcopy(root)
    if root.backend != backend:
        root.to(backend)
    return dict(root.named_modules())[path].native


def trains(native: Any, asked: bool) -> bool:
    """Return whether a module trains: as Flax's arguments ask, unless it alone is in evaluation."""
    is_kept = native.is_initializing() or native._isomorph.frozen or native.has_rng(EVALUATION)
    return asked and not is_kept


EVALUATION = "evaluation"
"""The rng by which a bound call says that no module trains, although collections are mutable."""

"""Gluon's parameters as they were before a call that failed: the same objects wait for data again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isomorph.adapter import Binding


def restorer(binding: Binding) -> Callable[[], None]:
    """Note the parameters without memory; return what takes theirs away again.

    A Trainer that was made before data goes on with the parameters that it holds.
    """
    blocks = list(binding.natives.values())
    parameters: dict[int, Any] = {id(p): p for block in blocks for p in block._reg_params.values()}
    waiting = [(p, p._shape, p._deferred_init) for p in parameters.values() if p._data is None]

    def restore() -> None:
        for parameter, shape, deferred in waiting:
            parameter._data = parameter._grad = parameter._ctx_list = parameter._ctx_map = None
            parameter._var = None  # it has the shape that failed
            parameter._shape, parameter._deferred_init = shape, deferred
        for block in blocks:
            block._clear_cached_op()

    return restore

"""The cases of the suite as data: what is asked of every backend.

Each module named in `TABLES` holds the cases of one subject. They are written with the words of
`write`, many of them on the nets and steps of `nets`; `foundation` says what stands under what.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# In the manifest's order.
TABLES = (
    *("defer", "threads", "infer", "initialize", "precedence"),
    *("state", "share", "arguments", "forwards", "errors", "books"),
    *("layers", "tables", "initialize_layers", "refusals", "types", "functions", "inferred"),
    *("published", "chains", "looked"),
    *("second", "extremes", "unseeded"),
    *("modes", "gradients", "derivatives", "freeze", "extras", "forwards_with"),
)


def every() -> list[dict[str, Any]]:
    """Return the cases of all tables, in order; needs the test tools that make covering tables."""
    return [case for table in TABLES for case in import_module(f".{table}", __name__).cases()]

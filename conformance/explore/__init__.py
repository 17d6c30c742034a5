"""The exploring lane: random nets and trials against the model. It finds; it never judges.

`search` needs Hypothesis, of the extra ``isomorph[conformance]``.
"""

from __future__ import annotations

from collections.abc import Callable

from isomorph.errors import PackageNotInstalledError


def search(names: list[str], examples: int, seed: int, say: Callable[[str], None]) -> int:
    """Search on backends as `isomorph.conformance.explore.lane.search` does.

    Raises `PackageNotInstalledError` where Hypothesis is missing.
    """
    try:
        from .lane import search as found
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise PackageNotInstalledError.of(
            "isomorph conformance explore", "hypothesis", "conformance"
        ) from error
    return found(names, examples, seed, say)

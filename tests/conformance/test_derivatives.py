"""No function of `isomorph.ops` goes without a case of its gradient."""

from __future__ import annotations

from isomorph import ops
from isomorph.conformance.cases import derivatives

# A shape has none; central differences can't see through a conversion's rounding.
WITHOUT = {"Ops", "shape", "astype"}


def test_every_function_is_differentiated() -> None:
    assert set(derivatives.TABLE) == set(ops.__all__) - WITHOUT

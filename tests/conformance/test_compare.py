"""What comparisons see: each difference that a case is there to find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isomorph.conformance.compare import COMPARISONS
from isomorph.conformance.model.machine import Expected
from isomorph.conformance.worker.observe import failure, tensor
from isomorph.errors import IsomorphError, ShapeMismatchError

STATE = {"net": [{"path": "0.weight", "shape": [7, None], "dtype": "float32"}]}
TEXT = "0.weight  (7, ?)  float32  declared"
GRADIENT = np.array([0.5, -0.25])


def compared(observable: str, seen: dict[str, Any], expected: Expected) -> Any:
    options = {"profile": {}, "bound": 0.0}
    return COMPARISONS[observable]({"error": None, "state": {}, **seen}, expected, options)


@pytest.mark.parametrize(
    ("text", "is_good"),
    [(TEXT, True), (TEXT.replace("weight", ""), False), (TEXT.replace("?", "5"), False), ("", False)],
)
def test_a_text_must_show_each_parameter(text: str, is_good: bool) -> None:
    found = compared("text", {"result": {"text": text}}, Expected(state=STATE))
    assert (found is None) == is_good


@pytest.mark.parametrize(("dtype", "is_good"), [("float32", True), ("float16", False), ("float64", False)])
def test_a_gradient_must_have_its_parameters_type(dtype: str, is_good: bool) -> None:
    expected = Expected(state=STATE, result={"gradients": {"0.weight": GRADIENT}})
    seen = {"result": {"gradients": {"0.weight": tensor(GRADIENT.astype(dtype))}}}
    found = compared("gradients", seen, expected)
    assert (found is None) == is_good


class BareError(IsomorphError):
    """An error of ours that refines no built-in one but Exception."""


@pytest.mark.parametrize(("kind", "is_good"), [(ShapeMismatchError, True), (BareError, False)])
def test_an_error_must_refine_a_built_in_one(kind: Any, is_good: bool) -> None:
    error = failure(kind("0.weight expects another size.\n  Call it on data.", path="0.weight"))
    found = compared("error.text", {"error": error}, Expected(error={"path": "0.weight"}))
    assert (found is None) == is_good

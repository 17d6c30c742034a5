"""The oracle's functions against PyTorch and hand-computed types; the arrays that cases describe."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from isomorph import ops
from isomorph.conformance import data
from isomorph.conformance.cases.functions import FUNCTION_CASES
from isomorph.conformance.model.functions import FUNCTIONS, promote, result_dtype

# What PyTorch calls by another name, or with other arguments.
JUDGES: dict[str, Any] = {
    "divide": torch.true_divide,
    "maximum": lambda a, b: torch.maximum(*both(a, b)),
    "minimum": lambda a, b: torch.minimum(*both(a, b)),
    "where": lambda condition, a, b: torch.where(condition, *both(a, b)),
    "gelu": F.gelu,
    "silu": F.silu,
    "leaky_relu": F.leaky_relu,
    "clip": lambda x, low=None, high=None: torch.clamp(x, low, high),
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "softmax": lambda x, axis=-1: F.softmax(x, axis),
    "log_softmax": lambda x, axis=-1: F.log_softmax(x, axis),
    "sum": lambda x, axis=None, keepdims=False: torch.sum(x, axis, keepdims),
    "mean": lambda x, axis=None, keepdims=False: torch.mean(x / 1, axis, keepdims),  # it refuses integers
    "max": lambda x, axis=(), keepdims=False: torch.amax(x, axis, keepdims),
    "einsum": lambda *operands, equation: torch.einsum(equation, *operands),
    "shape": lambda x: tuple(x.shape),
    "reshape": lambda x, shape: x.reshape(shape),
    "flatten": lambda x, start_axis=1: x.flatten(start_axis),
    "expand_dims": torch.unsqueeze,
    "squeeze": torch.squeeze,
    "permute_dims": lambda x, axes: x.permute(axes),
    "concat": lambda *arrays, axis=0: torch.cat(arrays, axis),
    "stack": lambda *arrays, axis=0: torch.stack(arrays, axis),
    "split": lambda x, sizes, axis=-1: list(torch.split(x, sizes, axis)),
    "pad": lambda x, widths, value=0.0: F.pad(x, [n for pair in widths[::-1] for n in pair], value=value),
    "operator.neg": torch.neg,
    "operator.truediv": torch.true_divide,
    "operator.getitem": lambda x, index: x[data.index(index)],
}


def both(a: Any, b: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numbers as tensors of the other operand's type; a float beside whole numbers decides."""
    tensors = [each for each in (a, b) if isinstance(each, torch.Tensor)]
    dtype = tensors[0].dtype if tensors else torch.float32
    if not dtype.is_floating_point and (isinstance(a, float) or isinstance(b, float)):
        dtype = torch.float32
    return torch.as_tensor(a, dtype=dtype), torch.as_tensor(b, dtype=dtype)


def judged(row: dict, operands: list) -> list:
    """Return what PyTorch answers to a row, one piece or several."""
    options = dict(row["options"])
    if row["op"] in ("expand_dims", "squeeze"):
        options["dim"] = options.pop("axis")
    judge = JUDGES.get(row["op"]) or getattr(torch, row["op"].removeprefix("operator."))
    shown = (torch.from_numpy(each) if isinstance(each, np.ndarray) else each for each in operands)
    result = judge(*shown, **options)
    return result if isinstance(result, list) else [result]


def wide(value: Any, op: str) -> Any:
    """Return an operand in double precision if it is floating or becomes so."""
    becomes = op in ("divide", "exp", "mean")
    is_wide = isinstance(value, np.ndarray) and (value.dtype.kind == "f" or becomes)
    return value.astype("float64") if is_wide else value


@pytest.mark.parametrize("row", FUNCTION_CASES, ids=lambda row: row["slug"])
def test_values_are_pytorchs(row: dict) -> None:
    operands = [data.operand(each) for each in row["arrays"]]
    expected = judged(row, [wide(each, row["op"]) for each in operands])
    actual = FUNCTIONS[row["op"]](*operands, **row["options"])
    pieces = actual if isinstance(actual, list) else [actual]
    assert len(pieces) == len(expected)
    for mine, theirs in zip(pieces, map(torch.as_tensor, expected)):
        assert np.shape(mine) == tuple(theirs.shape)
        np.testing.assert_allclose(np.asarray(mine, "float64"), theirs.double(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("row", FUNCTION_CASES, ids=lambda row: row["slug"])
def test_types_are_pytorchs(row: dict) -> None:
    given = [type(each["number"]) if "number" in each else each["dtype"] for each in row["arrays"]]
    actual = result_dtype(row["op"], given, row["options"])
    first = judged(row, [data.operand(each) for each in row["arrays"]])[0]
    assert actual == (str(first.dtype).removeprefix("torch.") if isinstance(first, torch.Tensor) else None)


NAMES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8")


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", [*NAMES, int, float])
def test_promotion_is_pytorchs(first: str, second: Any) -> None:
    kinds = {name.rstrip("0123456789").lstrip("bu") for name in (first, second) if isinstance(name, str)}
    if len(kinds) == 2:
        with pytest.raises(ValueError, match="not specified"):
            promote(first, second)
        return
    other = second(3) if not isinstance(second, str) else torch.ones(2, dtype=getattr(torch, second))
    expected = torch.result_type(torch.ones(2, dtype=getattr(torch, first)), other)
    assert f"torch.{promote(first, second)}" == str(expected)


@pytest.mark.parametrize(
    ("name", "dtypes", "options"),
    [
        ("gelu", ["int64"], {}),
        ("clip", ["int64"], {"low": 0.5}),
        ("where", ["bool", int, int], {}),
        ("add", ["bool", "float32"], {}),
        ("concat", ["int64", "float32"], {"axis": 0}),
    ],
)
def test_types_that_no_document_fixes_are_not_guessed(name: str, dtypes: list, options: dict) -> None:
    with pytest.raises(ValueError, match="not specified"):
        result_dtype(name, dtypes, options)


def test_every_function_has_a_formula_and_a_case() -> None:
    public = set(ops.__all__) - {"Ops"}
    assert public == {name for name in FUNCTIONS if not name.startswith("operator.")}
    assert {row["op"] for row in FUNCTION_CASES} == set(FUNCTIONS)
    assert len({row["slug"] for row in FUNCTION_CASES}) == len(FUNCTION_CASES) >= 70


def test_cases_are_data() -> None:
    assert json.loads(json.dumps(FUNCTION_CASES)) == list(FUNCTION_CASES)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64", "int8", "int32", "int64", "uint8"]
)
@pytest.mark.parametrize("shape", [(3,), (2, 3, 5), (5, 7), (1,)], ids=str)
def test_spread_is_distinct_and_without_zeros(dtype: str, shape: tuple) -> None:
    values = data.array({"shape": list(shape), "dtype": dtype, "fill": "spread"})
    assert (values.shape, values.dtype.name) == (shape, dtype)
    assert np.unique(values).size == math.prod(shape)
    assert (values != 0).all()
    if "float" in dtype:
        assert float(np.abs(values).max()) <= 1.5


def test_spread_is_asymmetric() -> None:
    square = data.array({"shape": [7, 7], "dtype": "float64", "fill": "spread"})
    for turned in (square.T, square[::-1], square[:, ::-1], -square, -square[::-1, ::-1]):
        assert (square != turned).mean() > 0.8
    sums = np.concatenate([square.sum(0), square.sum(1)])
    assert np.unique(sums.round(5)).size == 14


def test_spread_has_no_zero_at_any_size() -> None:
    for size in range(1, 2000):
        values = data.array({"shape": [size], "dtype": "float32", "fill": "spread"})
        assert np.abs(values).min() > 1e-7
        assert np.unique(values).size == size


def test_spread_is_the_same_forever() -> None:
    spread = data.array({"shape": [5], "dtype": "float64", "fill": "spread"})
    shares = [(rank + 0.37) / 5 for rank in (2, 1, 3, 0, 4)]
    np.testing.assert_array_equal(spread, [-1.2 + 2.7 * share * (0.8 + 0.2 * share) for share in shares])


def test_salt_scale_and_offset() -> None:
    plain = {"shape": [2, 3, 5], "dtype": "float64", "fill": "spread"}
    first, second = data.array(plain), data.array({**plain, "salt": 1})
    assert (first != second).mean() > 0.8
    np.testing.assert_array_equal(data.array({**plain, "scale": 2, "offset": -3}), first * 2 - 3)


@pytest.mark.parametrize(("count", "below"), [(5, 11), (30, 11), (1, 3), (3, 3)])
def test_indices_stay_below_and_reach_the_last(count: int, below: int) -> None:
    values = data.array({"shape": [count], "dtype": "int64", "fill": "indices", "below": below})
    assert values.min() >= 0
    assert values.max() == below - 1
    assert np.unique(values).size == min(count, below)


def test_given_values_and_both_truths() -> None:
    assert data.array({"values": [[1, -2]], "dtype": "int32"}).tolist() == [[1, -2]]
    assert math.isinf(data.array({"values": ["inf"], "dtype": "float32"})[0])
    assert set(data.array({"shape": [2], "dtype": "bool", "fill": "spread"}).tolist()) == {True, False}

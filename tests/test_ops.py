"""Functions of `ops` beyond the conformance suite: abstract rules, compilers, wrong uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from function_table import TABLE

from isomorph import Adapter, TensorSpec, nn, ops
from isomorph.adapter import Ops
from isomorph.errors import ForwardError
from isomorph.trace import tracing_shapes

FUNCTIONS = pytest.mark.parametrize("name", TABLE)


@FUNCTIONS
def test_abstract_rule_gives_the_same_shape_and_type(name: str) -> None:
    function, arrays, expected = TABLE[name]
    with tracing_shapes(nn.Module()):
        spec = function(*(TensorSpec(array.shape, array.dtype.name) for array in arrays))
    wanted = np.asarray(expected(*arrays))
    assert spec.shape == wanted.shape
    assert np.dtype(spec.dtype).kind == wanted.dtype.kind


@pytest.mark.parametrize(("a", "b"), [(0.0, -1e9), (0, -1e9), (1.5, 2)])
def test_where_of_two_numbers_is_single_precision(framework: Adapter, a: float, b: float) -> None:
    x = framework.from_numpy(np.array([-1, 1], "float32"), nn.Module()._isomorph.options)
    output = framework.to_numpy(ops.where(x > 0, a, b))
    assert output.dtype == np.float32
    np.testing.assert_array_equal(output, np.array([b, a], np.float32))


class Through(nn.Module):
    """A net whose forward is one function, with a weight so that it is a net."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.scale = nn.Parameter((1,), init=lambda name, shape, dtype, generator: np.ones(shape, dtype))

    def forward(self, *tensors: Any) -> Any:
        return self.function(*tensors)


@FUNCTIONS
def test_works_under_the_frameworks_compiler(name: str, framework: Adapter) -> None:
    function, arrays, expected = TABLE[name]
    compile = False if framework.name == "torch" else None  # torch.compile: tests/backends/test_torch.py
    net = Through(function).to(framework.name, compile=compile)
    actual = framework.to_numpy(net(*arrays))
    np.testing.assert_allclose(actual, np.asarray(expected(*arrays)), rtol=2e-5, atol=2e-6)


def test_every_function_is_in_the_table() -> None:
    public = set(ops.__all__) - {"Ops", "shape"}
    covered = {name.partition("-")[0] for name in TABLE} | {"mean", "minimum"}
    assert public <= covered | {"equal"}
    assert {name for name in vars(Ops) if not name.startswith("_")} == public | {"shape"}


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.concat([x, x[..., 0]]),
        lambda x: ops.reshape(x, (7, -1)),
        lambda x: ops.squeeze(x, 0),
        lambda x: ops.permute_dims(x, (0, 1)),
        lambda x: ops.split(x, (1, 1)),
        lambda x: ops.matmul(x, x),
        lambda x: ops.softmax(x, 3),
        lambda x: ops.cumsum(x, 3),
        lambda x: ops.einsum("ij,jk->ik", x, x),
        lambda x: ops.pad(x, ((1, 1),)),
        lambda x: x + x[:, :2],
        lambda x: x[5],
        lambda x: x[0, 0, 0, 0],
        lambda x: float(x),
        lambda x: 1 if x[0, 0, 0] > 0 else 2,
        lambda x: x.reshape(2, -1),
    ],
)
def test_a_wrong_use_is_named_before_any_framework_runs(call: Callable[[Any], Any]) -> None:
    net = Through(call)
    with pytest.raises(ForwardError, match="Through"):
        net.infer((2, 3, 5))


@pytest.mark.parametrize("function", [ops.concat, ops.stack])
def test_joining_nothing_is_an_error(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="at least one tensor"):
        function([])


def test_a_foreign_object_is_refused() -> None:
    with pytest.raises(ForwardError, match="no backend's tensor"):
        ops.relu("text")

"""Every function of `ops` on every backend: values against NumPy, shapes against the abstract rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from isomorph import Adapter, TensorSpec, nn, ops
from isomorph.errors import ForwardError
from isomorph.ops.table import Ops

A = np.random.default_rng(1).standard_normal((2, 3, 5)).astype("float32")
B = np.random.default_rng(2).standard_normal((2, 3, 5)).astype("float32")
ROW = np.random.default_rng(3).standard_normal((5,)).astype("float32")
POSITIVE = np.abs(A) + 0.5
MATRIX = np.random.default_rng(4).standard_normal((5, 7)).astype("float32")
INTS = np.arange(6, dtype="int64").reshape(2, 3)
SQUARE = np.random.default_rng(5).standard_normal((2, 1, 5)).astype("float32")

# Each entry: the function, its tensors, and what NumPy says it is.
TABLE: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Callable[..., Any]]] = {
    "add": (ops.add, (A, ROW), np.add),
    "subtract": (ops.subtract, (A, B), np.subtract),
    "multiply": (ops.multiply, (A, ROW), np.multiply),
    "divide": (ops.divide, (A, POSITIVE), np.divide),
    "divide-ints": (ops.divide, (INTS, INTS + 1), lambda a, b: (a / b).astype("float32")),
    "pow": (ops.pow, (POSITIVE, B), np.power),
    "pow-number": (lambda x: ops.pow(x, 2), (A,), np.square),
    "maximum": (ops.maximum, (A, B), np.maximum),
    "maximum-number": (lambda x: ops.maximum(x, 0.25), (A,), lambda x: np.maximum(x, np.float32(0.25))),
    "number-minimum": (lambda x: ops.minimum(0.25, x), (A,), lambda x: np.minimum(x, np.float32(0.25))),
    "minimum": (ops.minimum, (A, B), np.minimum),
    "where": (lambda a, b: ops.where(a > 0, a, b), (A, B), lambda a, b: np.where(a > 0, a, b)),
    "where-number": (lambda a: ops.where(a > 0, a, 0.0), (A,), lambda a: np.where(a > 0, a, np.float32(0))),
    "negative": (ops.negative, (A,), np.negative),
    "abs": (ops.abs, (A,), np.abs),
    "exp": (ops.exp, (A,), np.exp),
    "log": (ops.log, (POSITIVE,), np.log),
    "sqrt": (ops.sqrt, (POSITIVE,), np.sqrt),
    "square": (ops.square, (A,), np.square),
    "tanh": (ops.tanh, (A,), np.tanh),
    "sigmoid": (ops.sigmoid, (A,), lambda x: 1 / (1 + np.exp(-x))),
    "relu": (ops.relu, (A,), lambda x: np.maximum(x, np.float32(0))),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.1), (A,), lambda x: np.where(x > 0, x, x * np.float32(0.1))),
    "gelu": (ops.gelu, (np.float32([-1, 0.5, 1]),), lambda x: np.float32([-0.15865525, 0.34573123, 0.84134475])),
    "silu": (ops.silu, (A,), lambda x: x / (1 + np.exp(-x))),
    "clip": (lambda x: ops.clip(x, -0.5, 0.25), (A,), lambda x: np.clip(x, np.float32(-0.5), np.float32(0.25))),
    "clip-low": (lambda x: ops.clip(x, low=-0.5), (A,), lambda x: np.maximum(x, np.float32(-0.5))),
    "astype": (lambda x: ops.astype(x, "float32"), (INTS,), lambda x: x.astype("float32")),
    "astype-int": (lambda x: ops.astype(x, "int32"), (A * 3,), lambda x: x.astype("int32")),
    "softmax": (ops.softmax, (A * 30,), lambda x: np.exp(x - x.max(-1, keepdims=True))
                / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)),
    "log_softmax": (lambda x: ops.log_softmax(x, 1), (A,), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    "sum": (ops.sum, (A,), np.sum),
    "sum-axes": (lambda x: ops.sum(x, (0, -1)), (A,), lambda x: x.sum((0, -1))),
    "sum-ints": (lambda x: ops.sum(x, 0), (INTS,), lambda x: x.sum(0)),
    "mean-keep": (lambda x: ops.mean(x, 1, keepdims=True), (A,), lambda x: x.mean(1, keepdims=True)),
    "max": (lambda x: ops.max(x, -1), (A,), lambda x: x.max(-1)),
    "max-all": (ops.max, (A,), np.max),
    "matmul": (ops.matmul, (A, MATRIX), np.matmul),
    "einsum": (lambda a, b: ops.einsum("bij,bkj->bik", a, b), (A, B), lambda a, b: np.einsum("bij,bkj->bik", a, b)),
    "reshape": (lambda x: ops.reshape(x, (ops.shape(x)[0], -1)), (A,), lambda x: x.reshape(2, -1)),
    "flatten": (ops.flatten, (A,), lambda x: x.reshape(2, 15)),
    "flatten-all": (lambda x: ops.flatten(x, 0), (A,), lambda x: x.reshape(-1)),
    "flatten-last": (lambda x: ops.flatten(x, -1), (A,), lambda x: x),
    "expand_dims": (lambda x: ops.expand_dims(x, -1), (A,), lambda x: x[..., None]),
    "squeeze": (lambda x: ops.squeeze(x, 1), (SQUARE,), lambda x: x[:, 0]),
    "permute_dims": (lambda x: ops.permute_dims(x, (2, 0, 1)), (A,), lambda x: x.transpose(2, 0, 1)),
    "concat": (lambda a, b: ops.concat([a, b], axis=-1), (A, B), lambda a, b: np.concatenate([a, b], -1)),
    "stack": (lambda a, b: ops.stack([a, b], axis=1), (A, B), lambda a, b: np.stack([a, b], 1)),
    "split": (lambda x: ops.concat(ops.split(x, (1, 4))[::-1], -1), (A,),
              lambda x: np.concatenate([x[..., 1:], x[..., :1]], -1)),
    "pad": (lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2)), 1.5), (A,),
            lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=1.5)),
    "operators": (lambda a, b: 2 * a - b / 4 + 1, (A, B), lambda a, b: 2 * a - b / 4 + 1),
    "index": (lambda x: x[:, 1:, 0], (A,), lambda x: x[:, 1:, 0]),
    "index-ellipsis": (lambda x: x[..., :-1], (A,), lambda x: x[..., :-1]),
}
CASES = pytest.mark.parametrize("name", TABLE)


@CASES
def test_values_and_types(name: str, framework: Adapter) -> None:
    function, arrays, expected = TABLE[name]
    options = nn.Module()._isomorph.options
    output = function(*(framework.from_numpy(array, options) for array in arrays))
    assert framework.owns(output)
    actual, wanted = framework.to_numpy(output), np.asarray(expected(*arrays))
    assert actual.shape == wanted.shape
    assert actual.dtype.kind == wanted.dtype.kind
    np.testing.assert_allclose(actual, wanted, rtol=2e-5, atol=2e-6)


@CASES
def test_abstract_rule_gives_the_same_shape_and_type(name: str) -> None:
    function, arrays, expected = TABLE[name]
    spec = function(*(TensorSpec(array.shape, array.dtype.name) for array in arrays))
    wanted = np.asarray(expected(*arrays))
    assert spec.shape == wanted.shape
    assert np.dtype(spec.dtype).kind == wanted.dtype.kind


class Through(nn.Module):
    """A net whose forward is one function, with a weight so that it is a net."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.scale = nn.Parameter((1,), init=lambda name, shape, dtype, generator: np.ones(shape, dtype))

    def forward(self, *tensors: Any) -> Any:
        return self.function(*tensors)


@CASES
def test_works_under_the_frameworks_compiler(name: str, framework: Adapter) -> None:
    function, arrays, expected = TABLE[name]
    compile = False if framework.name == "torch" else None  # torch.compile: tests/backends/test_torch.py
    net = Through(function).to(framework.name, compile=compile)
    actual = framework.to_numpy(net(*arrays))
    np.testing.assert_allclose(actual, np.asarray(expected(*arrays)), rtol=2e-5, atol=2e-6)


def test_every_function_is_in_the_table() -> None:
    public = set(ops.__all__) - {"Ops", "shape"}
    covered = {name.partition("-")[0] for name in TABLE} | {"mean", "minimum"}
    assert public <= covered
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

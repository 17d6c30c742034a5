"""Every function of `isomorph.ops` as data: its call, its tensors, and what NumPy says it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import ops

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
    "gelu": (
        ops.gelu,
        (np.array([-1, 0.5, 1], np.float32),),
        lambda x: np.array([-0.15865525, 0.34573123, 0.84134475], np.float32),
    ),
    "silu": (ops.silu, (A,), lambda x: x / (1 + np.exp(-x))),
    "clip": (
        lambda x: ops.clip(x, -0.5, 0.25),
        (A,),
        lambda x: np.clip(x, np.float32(-0.5), np.float32(0.25)),
    ),
    "clip-low": (lambda x: ops.clip(x, low=-0.5), (A,), lambda x: np.maximum(x, np.float32(-0.5))),
    "astype": (lambda x: ops.astype(x, "float32"), (INTS,), lambda x: x.astype("float32")),
    "astype-int": (lambda x: ops.astype(x, "int32"), (A * 3,), lambda x: x.astype("int32")),
    "softmax": (
        ops.softmax,
        (A * 30,),
        lambda x: (
            np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
        ),
    ),
    "log_softmax": (
        lambda x: ops.log_softmax(x, 1),
        (A,),
        lambda x: x - np.log(np.exp(x).sum(1, keepdims=True)),
    ),
    "sum": (ops.sum, (A,), np.sum),
    "sum-axes": (lambda x: ops.sum(x, (0, -1)), (A,), lambda x: x.sum((0, -1))),
    "sum-ints": (lambda x: ops.sum(x, 0), (INTS,), lambda x: x.sum(0)),
    "sum-truth": (lambda x: ops.sum(x > 0, -1), (A,), lambda x: (x > 0).sum(-1)),
    "equal": (lambda x: ops.where(x == 2, 1.0, 0.0), (INTS,), lambda x: (x == 2).astype("float32")),
    "unequal": (lambda x: ops.astype(x != 2, "float32"), (INTS,), lambda x: (x != 2).astype("float32")),
    "mean-keep": (lambda x: ops.mean(x, 1, keepdims=True), (A,), lambda x: x.mean(1, keepdims=True)),
    "max": (lambda x: ops.max(x, -1), (A,), lambda x: x.max(-1)),
    "max-all": (ops.max, (A,), np.max),
    "cumsum": (lambda x: ops.cumsum(x, -1), (A,), lambda x: x.cumsum(-1)),
    "cumsum-ints": (lambda x: ops.cumsum(x, 0), (INTS,), lambda x: x.cumsum(0)),
    "cumsum-truth": (lambda x: ops.cumsum(x > 0, 1), (A,), lambda x: (x > 0).cumsum(1)),
    "matmul": (ops.matmul, (A, MATRIX), np.matmul),
    "einsum": (
        lambda a, b: ops.einsum("bij,bkj->bik", a, b),
        (A, B),
        lambda a, b: np.einsum("bij,bkj->bik", a, b),
    ),
    "reshape": (lambda x: ops.reshape(x, (ops.shape(x)[0], -1)), (A,), lambda x: x.reshape(2, -1)),
    "flatten": (ops.flatten, (A,), lambda x: x.reshape(2, 15)),
    "flatten-all": (lambda x: ops.flatten(x, 0), (A,), lambda x: x.reshape(-1)),
    "flatten-last": (lambda x: ops.flatten(x, -1), (A,), lambda x: x),
    "expand_dims": (lambda x: ops.expand_dims(x, -1), (A,), lambda x: x[..., None]),
    "squeeze": (lambda x: ops.squeeze(x, 1), (SQUARE,), lambda x: x[:, 0]),
    "permute_dims": (lambda x: ops.permute_dims(x, (2, 0, 1)), (A,), lambda x: x.transpose(2, 0, 1)),
    "concat": (lambda a, b: ops.concat([a, b], axis=-1), (A, B), lambda a, b: np.concatenate([a, b], -1)),
    "stack": (lambda a, b: ops.stack([a, b], axis=1), (A, B), lambda a, b: np.stack([a, b], 1)),
    "split": (
        lambda x: ops.concat(ops.split(x, (1, 4))[::-1], -1),
        (A,),
        lambda x: np.concatenate([x[..., 1:], x[..., :1]], -1),
    ),
    "pad": (
        lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2)), 1.5),
        (A,),
        lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=1.5),
    ),
    "operators": (lambda a, b: 2 * a - b / 4 + 1, (A, B), lambda a, b: 2 * a - b / 4 + 1),
    "index": (lambda x: x[:, 1:, 0], (A,), lambda x: x[:, 1:, 0]),
    "index-ellipsis": (lambda x: x[..., :-1], (A,), lambda x: x[..., :-1]),
}

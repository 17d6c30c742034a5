"""Every function of `isomorph.ops`, and the operators, as data.

A row names the function, its arrays (data of `isomorph.conformance.data`, or plain numbers) and its
options. Sizes are distinct primes, values asymmetric, so that a swapped axis or operand shows.
"""

from __future__ import annotations

from typing import Any

from .write import Case, case

Row = dict[str, Any]


def _spread(*shape: int, dtype: str = "float32", **mapping: Any) -> Row:
    return {"shape": list(shape), "dtype": dtype, "fill": "spread", **mapping}


def _values(values: Any, dtype: str = "float32") -> Row:
    return {"values": values, "dtype": dtype}


def _number(value: float) -> Row:
    return {"number": value}


def _row(slug: str, *arrays: Row, op: str = "", **options: Any) -> Row:
    return {"slug": slug, "op": op or slug.partition("-")[0], "arrays": list(arrays), "options": options}


def _part(start: int | None = None, stop: int | None = None, step: int | None = None) -> Row:
    return {"slice": [start, stop, step]}


A = _spread(2, 3, 5)
OTHER = _spread(2, 3, 5, salt=1)
VECTOR = _spread(5, salt=2)
COLUMN = _spread(3, 1, salt=3)
POSITIVE = _spread(2, 3, 5, scale=0.4, offset=1)
WIDE = _spread(2, 3, 5, scale=6)
HALF = _spread(2, 3, dtype="float16")
DOUBLE = _spread(2, 3, dtype="float64")
INTS = _spread(2, 3, 5, dtype="int32")
OTHER_INTS = _spread(2, 3, 5, dtype="int32", salt=1)
LONGS = _spread(3, 5, dtype="int64")
TRUTHS = _spread(2, 3, 5, dtype="bool")
# Softmax of these overflows or vanishes unless the greatest is taken off first.
EXTREME = _values([[1000.0, 999.0, -1000.0], [-1000.0, -1001.5, -998.0]])
# Both tails, where sigmoid, tanh and the error function saturate; the kinks at zero too.
TAILS = _values([-90.0, -20.0, -5.5, -1.0, -0.0, 0.0, 1e-4, 1.0, 5.5, 20.0, 90.0])

ELEMENTWISE = (
    _row("add", A, OTHER),
    _row("add-broadcast", A, VECTOR),
    _row("add-two-ways", _spread(2, 1, 5), COLUMN),
    _row("add-number", A, _number(0.1)),
    _row("add-number-first", _number(2), A),
    _row("add-number-float64", DOUBLE, _number(0.1)),
    _row("add-number-float16", HALF, _number(0.1)),
    _row("add-ints", INTS, OTHER_INTS),
    _row("add-int-number", INTS, _number(3)),
    _row("add-float-number-to-ints", INTS, _number(0.5)),
    _row("add-wider", HALF, _spread(2, 3, salt=1)),
    _row("subtract", A, OTHER),
    _row("subtract-broadcast", VECTOR, A),
    _row("subtract-number-first", _number(0.25), A),
    _row("multiply", A, OTHER),
    _row("multiply-broadcast", A, COLUMN),
    _row("multiply-number", A, _number(-1.5)),
    _row("divide", A, POSITIVE),
    _row("divide-ints", INTS, OTHER_INTS),
    _row("divide-number-first", _number(1), POSITIVE),
    _row("divide-int-by-number", INTS, _number(4)),
    _row("pow", POSITIVE, OTHER),
    _row("pow-number", A, _number(2)),
    _row("pow-number-first", _number(0.5), A),
    _row("pow-ints", INTS, _number(3)),
    _row("maximum", A, OTHER),
    _row("maximum-number", A, _number(0.25)),
    _row("maximum-broadcast", VECTOR, A),
    _row("maximum-ints", INTS, OTHER_INTS),
    _row("maximum-float-number-of-ints", INTS, _number(0.5)),
    _row("minimum-float-number-of-ints", _number(0.5), INTS),
    _row("minimum", A, OTHER),
    _row("minimum-number-first", _number(0.25), A),
    _row("where", TRUTHS, A, OTHER),
    _row("where-broadcast", _spread(3, 1, dtype="bool"), A, VECTOR),
    _row("where-number", TRUTHS, A, _number(0.0)),
    _row("where-number-first", TRUTHS, _number(-1), A),
    _row("where-float-number-of-ints", TRUTHS, INTS, _number(0.5)),
    _row("where-two-numbers", TRUTHS, _number(1.0), _number(0.0)),
    _row("where-ints", TRUTHS, INTS, OTHER_INTS),
    _row("negative", A),
    _row("negative-ints", INTS),
    _row("abs", A),
    _row("abs-ints", INTS),
    _row("exp", WIDE),
    _row("exp-ints", INTS),
    _row("log", POSITIVE),
    _row("sqrt", POSITIVE),
    _row("square", A),
    _row("square-ints", INTS),
    _row("tanh", WIDE),
    _row("tanh-tails", TAILS),
    _row("sigmoid", WIDE),
    _row("sigmoid-tails", TAILS),
    _row("relu", A),
    _row("relu-ints", INTS),
    _row("gelu", WIDE),
    _row("gelu-tails", TAILS),
    _row("silu", WIDE),
    _row("silu-tails", TAILS),
    _row("leaky_relu", A),
    _row("leaky_relu-slope", A, negative_slope=0.2),
    _row("clip", A, low=-0.5, high=0.25),
    _row("clip-low", A, low=-0.5),
    _row("clip-high", A, high=0.25),
    _row("clip-ints", INTS, low=-3, high=7),
    _row("astype-ints-to-float", INTS, dtype="float32"),
    _row("astype-float-to-int", WIDE, dtype="int32"),
    _row("astype-truths-to-float", TRUTHS, dtype="float32"),
    _row("astype-to-bool", _values([[0.0, 0.25], [-3.0, 0.0]]), dtype="bool"),
    _row("astype-to-half", A, dtype="float16"),
)

ALONG_AXES = (
    _row("softmax", WIDE),
    _row("softmax-axis", WIDE, axis=1),
    _row("softmax-first-axis", WIDE, axis=-3),
    _row("softmax-stable", EXTREME),
    _row("log_softmax", WIDE),
    _row("log_softmax-axis", WIDE, axis=0),
    _row("log_softmax-stable", EXTREME),
    _row("sum", A),
    _row("sum-axis", A, axis=1),
    _row("sum-axes", A, axis=[0, -1]),
    _row("sum-keepdims", A, axis=-2, keepdims=True),
    _row("sum-all-keepdims", A, keepdims=True),
    _row("sum-ints", INTS, axis=0),
    _row("sum-truths", TRUTHS, axis=-1),
    _row("mean", A),
    _row("mean-axis", A, axis=-1),
    _row("mean-axes", A, axis=[2, 0], keepdims=True),
    _row("mean-ints", INTS, axis=1),
    _row("max", A),
    _row("max-axis", A, axis=0),
    _row("max-axes", A, axis=[-1, 1]),
    _row("max-keepdims", A, axis=-1, keepdims=True),
    _row("max-negative", _spread(3, 5, offset=-9), axis=0),
    _row("max-ints", INTS, axis=-1),
    _row("cumsum", A, axis=0),
    _row("cumsum-last", A, axis=-1),
    _row("cumsum-middle-negative", A, axis=-2),
    _row("cumsum-vector", VECTOR, axis=0),
    _row("cumsum-ints", INTS, axis=1),
    _row("cumsum-truths", TRUTHS, axis=-1),
)

PRODUCTS = (
    _row("matmul", _spread(3, 5), _spread(5, 7)),
    _row("matmul-batch", A, _spread(2, 5, 7)),
    _row("matmul-broadcast", _spread(2, 1, 3, 5), _spread(7, 5, 11)),
    _row("matmul-matrix", A, _spread(5, 7)),
    _row("einsum-batch", A, _spread(2, 7, 5), equation="bij,bkj->bik"),
    _row("einsum-outer", _spread(3), _spread(5, salt=1), equation="i,j->ji"),
    _row("einsum-sum", A, equation="bij->i"),
    _row("einsum-permute", A, equation="abc->cab"),
    _row("einsum-heads", _spread(2, 3, 5, 7), _spread(2, 11, 5, 7), equation="bqhd,bkhd->bhqk"),
    _row("einsum-three", _spread(2, 3), _spread(3, 5), _spread(5, 7), equation="ij,jk,kl->il"),
)

SHAPING = (
    _row("shape", A),
    _row("reshape", A, shape=[5, 6]),
    _row("reshape-open", A, shape=[3, -1, 2]),
    _row("reshape-ints", INTS, shape=[-1]),
    _row("flatten", A),
    _row("flatten-all", A, start_axis=0),
    _row("flatten-later", _spread(2, 3, 5, 7), start_axis=2),
    _row("flatten-negative", A, start_axis=-2),
    _row("expand_dims", A, axis=1),
    _row("expand_dims-end", A, axis=-1),
    _row("expand_dims-middle-negative", A, axis=-3),
    _row("squeeze", _spread(2, 1, 5), axis=1),
    _row("squeeze-negative", _spread(1, 3, 1), axis=-1),
    _row("permute_dims", A, axes=[2, 0, 1]),
    _row("permute_dims-four", _spread(2, 3, 5, 7), axes=[0, 2, 3, 1]),
    _row("concat", A, OTHER),
    _row("concat-axis", A, _spread(2, 7, 5), axis=1),
    _row("concat-three", A, _spread(2, 3, 7), _spread(2, 3, 1), axis=-1),
    _row("concat-ints", INTS, OTHER_INTS, axis=-1),
    _row("stack", A, OTHER),
    _row("stack-axis", A, OTHER, axis=1),
    _row("stack-three", A, OTHER, WIDE, axis=-1),
    _row("split", A, sizes=[1, 4]),
    _row("split-three", _spread(2, 7, 3), sizes=[1, 4, 2], axis=1),
    _row("split-first-axis", _spread(7, 3), sizes=[5, 2], axis=-2),
    _row("pad", A, widths=[[0, 0], [1, 0], [0, 2]]),
    _row("pad-value", A, widths=[[0, 1], [2, 3], [1, 0]], value=1.5),
    _row("pad-image", _spread(2, 3, 5, 7), widths=[[0, 0], [0, 0], [1, 2], [3, 0]], value=-0.5),
    _row("pad-ints", LONGS, widths=[[1, 0], [0, 2]], value=3),
)

OPERATORS = (
    _row("operator-add", A, VECTOR, op="operator.add"),
    _row("operator-add-number-first", _number(0.25), A, op="operator.add"),
    _row("operator-sub", A, OTHER, op="operator.sub"),
    _row("operator-sub-number-first", _number(1), A, op="operator.sub"),
    _row("operator-mul", A, COLUMN, op="operator.mul"),
    _row("operator-truediv", A, POSITIVE, op="operator.truediv"),
    _row("operator-truediv-number", A, _number(4), op="operator.truediv"),
    _row("operator-pow", A, _number(2), op="operator.pow"),
    _row("operator-neg", A, op="operator.neg"),
    _row("operator-matmul", A, _spread(5, 7), op="operator.matmul"),
    _row("operator-lt", A, OTHER, op="operator.lt"),
    _row("operator-le-number", INTS, _number(2), op="operator.le"),
    _row("operator-gt-number", A, _number(0), op="operator.gt"),
    _row("operator-ge", INTS, OTHER_INTS, op="operator.ge"),
    _row("operator-eq-number", INTS, _number(2), op="operator.eq"),
    _row("operator-ne-number", INTS, _number(2), op="operator.ne"),
    _row("index-integer", A, op="operator.getitem", index=[1]),
    _row("index-column", A, op="operator.getitem", index=[_part(), 0]),
    _row("index-slices", A, op="operator.getitem", index=[_part(), _part(1), _part(0, -1)]),
    _row("index-step", A, op="operator.getitem", index=[_part(), _part(), _part(None, None, 2)]),
    _row("index-ellipsis", A, op="operator.getitem", index=["...", -1]),
    _row("index-new-axis", A, op="operator.getitem", index=[_part(), None, 2]),
)

FUNCTION_CASES: tuple[Row, ...] = (*ELEMENTWISE, *ALONG_AXES, *PRODUCTS, *SHAPING, *OPERATORS)


def cases() -> list[Case]:
    """Return a case for each row."""
    return [
        case(
            f"layers.ops.{row['slug']}",
            "L-12",
            [["op", {"op": row["op"], "arrays": row["arrays"], "options": row["options"]}]],
            [[0, "output.shape"], [0, "output.dtype"], [0, "output"]],
            feature="ops",
            oracle="reference",
        )
        for row in FUNCTION_CASES
    ]

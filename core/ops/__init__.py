"""The functions a `forward` needs, on the tensors of every backend.

Names and semantics are the Array API standard's where it has them
(https://data-apis.org/array-api/), PyTorch's otherwise. Each function looks at the type of
its first tensor and calls that framework's own: native tensors, tracers, symbols and shape-only
`TensorSpec` alike. Operators (``+ @ x[:, 0]``) are the tensors' own. Types of results, and what is
asked of operators, are in the repository's docs/ops.md.

>>> import numpy
>>> from isomorph import ops
>>> ops.relu(numpy.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from ..framework import Ops
from .elementwise import (
    abs,
    add,
    astype,
    clip,
    divide,
    exp,
    gelu,
    leaky_relu,
    log,
    log_softmax,
    maximum,
    minimum,
    multiply,
    negative,
    pow,
    relu,
    sigmoid,
    silu,
    softmax,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from .reductions import cumsum, einsum, matmul, max, mean, sum
from .shaping import (
    concat,
    expand_dims,
    flatten,
    pad,
    permute_dims,
    reshape,
    shape,
    split,
    squeeze,
    stack,
)

__all__ = [
    "Ops",
    "abs",
    "add",
    "astype",
    "clip",
    "concat",
    "cumsum",
    "divide",
    "einsum",
    "exp",
    "expand_dims",
    "flatten",
    "gelu",
    "leaky_relu",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "minimum",
    "multiply",
    "negative",
    "pad",
    "permute_dims",
    "pow",
    "relu",
    "reshape",
    "shape",
    "sigmoid",
    "silu",
    "softmax",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "subtract",
    "sum",
    "tanh",
    "where",
]

"""Numbers that a framework could take for others: an operand's range, masks, byte order, operators' names."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from isomorph import errors, nn, ops, to_numpy

X = np.arange(8, dtype="float32").reshape(2, 4) / 8
INDICES = np.array([[1, 2], [3, 4]])
SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
FUNCTIONS = ("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum")


class Of(nn.Module):
    """A function of two halves, which do not broadcast, or of one input and a number."""

    def __init__(self, function, *numbers):
        super().__init__()
        self.function, self.numbers = function, numbers

    def forward(self, x):
        return self.function(x, *self.numbers) if self.numbers else self.function(x[:, :3], x[:, :2])


@pytest.mark.parametrize("name", [*SIGNS, *FUNCTIONS])
def test_an_operators_error_names_the_operator_that_was_written(name):
    function = SIGNS.get(name) or getattr(ops, name)
    with pytest.raises(errors.ForwardError) as caught:
        Of(function)(np.ones((2, 5), "float32"))
    assert f"do not broadcast in {name}." in str(caught.value)


def test_shapes_in_an_error_stand_as_they_were_written():
    with pytest.raises(errors.ForwardError, match=r"\(3, 7\) and \(2, 3\)"):
        Of(lambda a, b: np.ones((3, 7), "float32") - a)(np.ones((2, 5), "float32"))


@pytest.mark.parametrize("function", [ops.add, ops.maximum, operator.sub, operator.lt])
@pytest.mark.parametrize(
    ("dtype", "number"), [("uint8", 300), ("uint8", -1), ("int8", 128), ("int32", 2**31)]
)
def test_a_number_that_the_tensors_type_cannot_hold_is_an_error(backend, function, dtype, number):
    with pytest.raises(errors.ForwardError, match=f"{number} beside a tensor of {dtype}"):
        Of(function, number).to(backend)(np.array([[0, 5]], dtype))


@pytest.mark.parametrize("number", [255, 0])
def test_a_number_takes_the_tensors_type(backend, number):
    y = to_numpy(Of(ops.maximum, number).to(backend)(np.array([[0, 5]], "uint8")))
    assert y.dtype == "uint8"
    np.testing.assert_array_equal(y, [[number, max(number, 5)]])


@pytest.mark.parametrize("remembered", [False, True])
def test_arrays_in_another_byte_order_give_the_same(backend, remembered):
    dense = nn.Dense(3).initialize(seed=0).to(backend)
    table = nn.Embedding(10, 3).initialize(seed=0).to(backend)
    if remembered:
        dense(X), table(INDICES)
    swapped = to_numpy(dense(X.astype(">f4"))), to_numpy(table(INDICES.astype(">i8")))
    np.testing.assert_array_equal(swapped[0], to_numpy(dense(X)))
    np.testing.assert_array_equal(swapped[1], to_numpy(table(INDICES)))


@pytest.mark.parametrize("remembered", [False, True])
def test_a_masked_array_is_refused(backend, remembered):
    net = nn.Dense(3).initialize(seed=0).to(backend)
    if remembered:
        net(X)
    with pytest.raises(errors.InvalidArgumentError, match=r"without a mask.*[\s\S]*filled"):
        net(np.ma.masked_array(X, mask=X > 0.5))

"""Shapes and formulas: the symbolic answer, with numbers put in, is the numeric one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph import TensorSpec, nn
from isomorph.shape import Dim, Shape, broadcast, product

H = Dim.symbol("h")


def value(size, **symbols: int) -> int:
    """Evaluate a formula by Python itself."""
    return eval(str(size), {}, symbols)


@st.composite
def formulas(draw, depth: int = 3):
    """Build the same expression over a symbol and over a number."""
    number = draw(st.integers(1, 60))
    steps = draw(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 7)), max_size=depth))

    def build(size):
        for operator, operand in steps:
            if operator == "+":
                size = size + operand
            elif operator == "-":
                size = operand - size if operand % 2 else size - operand
            elif operator == "*":
                size = size * operand
            else:
                size = size // operand
        return size

    return number, build


@given(formulas())
def test_formula_agrees_with_numbers(case) -> None:
    number, build = case
    assert value(build(H), h=number) == build(number)


@given(formulas(), formulas())
def test_sums_and_products_agree_with_numbers(first, second) -> None:
    (number, left), (_, right) = first, second
    symbolic = left(H) * right(H) + left(H)
    assert value(symbolic, h=number) == left(number) * right(number) + left(number)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.integers(1, 3), st.integers(13, 40))
def test_convolution_formula_agrees_with_numbers(kernel, stride, padding, dilation, size) -> None:
    def height(given):
        net = nn.Conv1d(3, kernel, stride=stride, padding=padding, dilation=dilation)
        return net.infer(TensorSpec((2, 5, given))).shape[2]

    assert value(height(H), h=size) == height(size)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (H + 1 - 1, "h"),
        ((2 * H) // 2, "h"),
        (H // 2 // 2, "h//4"),
        (H * H - H, "h*h - h"),
        (H - H, "0"),
        ((4 * H + 3) // 2, "2*h + 1"),
        ((H + 1) // 2, "(h + 1)//2"),
        (3 - H, "-h + 3"),
        (H // H, "1"),
    ],
)
def test_normal_form(size, text: str) -> None:
    assert str(size) == text


def test_equal_formulas_are_equal() -> None:
    assert (H + 1) * 2 == 2 * H + 2
    assert hash((H + 1) * 2) == hash(2 * H + 2)
    assert Dim.symbol("w") != H
    assert H != 1


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [(((2, 1), (3,)), (2, 3)), (((H, 1), (3,)), (H, 3)), (((H,), (1,)), (H,)), ((), ())],
)
def test_broadcast(shapes, expected) -> None:
    assert broadcast(*shapes) == expected


def test_broadcast_refuses() -> None:
    with pytest.raises(ValueError, match="2 and 3 do not broadcast"):
        broadcast((2,), (3,))


def test_unknown_is_a_value_of_its_own() -> None:
    shape = Shape((256, None))
    assert not shape.is_known
    assert shape != (256, 0)
    assert shape != (256, -1)
    assert str(shape) == "(256, ?)"
    with pytest.raises(TypeError, match="not fully known"):
        shape.known()


def test_product_of_formulas() -> None:
    assert product((2, H, 3)) == 6 * H
    assert product(()) == 1

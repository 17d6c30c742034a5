"""What layers share, in numbers; the layers themselves are held by the conformance suite."""

from __future__ import annotations

import pytest

from isomorph.adapter import same_padding


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "expected"),
    [
        (12, 3, 2, 1, (0, 1)),
        (11, 3, 2, 1, (1, 1)),
        (7, 4, 1, 1, (1, 2)),
        (9, 3, 1, 3, (3, 3)),
        (8, 1, 3, 1, (0, 0)),
    ],
)
def test_same_padding_puts_the_extra_zero_at_the_end(size, kernel, stride, dilation, expected) -> None:
    assert same_padding(size, kernel, stride, dilation) == expected

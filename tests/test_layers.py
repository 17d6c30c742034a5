"""What layers share, in numbers; the layers themselves are held by the conformance suite."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph import Adapter, nn
from isomorph.adapter import same_padding
from isomorph.errors import InvalidArgumentError, NotSupportedError


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


def test_groups_of_half_precision_do_not_overflow(framework: Adapter) -> None:
    x = np.array([[[100, 500], [300, 700], [250, 650], [50, 450]]], "float16")
    net = nn.Sequential(nn.GroupNorm(2))
    try:
        net.to(framework.name, dtype="float16")
    except NotSupportedError:
        return
    grouped = x.astype("float64").reshape(1, 2, 4)
    expected = (grouped - grouped.mean(-1, keepdims=True)) / grouped.std(-1, keepdims=True)
    np.testing.assert_allclose(framework.to_numpy(net(x)), expected.reshape(x.shape), rtol=2e-3, atol=2e-3)


def test_a_group_of_one_value_alone_is_its_bias(framework: Adapter) -> None:
    net = nn.Sequential(nn.GroupNorm(3, bias_init=lambda name, shape, *_: np.arange(3.0))).to(framework.name)
    for x in (np.array([[5, -7, 9]], "float32"), np.ones((2, 3), "float32")):
        np.testing.assert_allclose(framework.to_numpy(net(x)), [[0, 1, 2]] * len(x), atol=1e-4)


def test_known_channels_divide_into_groups() -> None:
    with pytest.raises(InvalidArgumentError, match=r"nn.GroupNorm: in_features .*num_groups=3.*4"):
        nn.GroupNorm(3, in_features=4)

"""Every layer on every backend against the NumPy reference: shapes, values, both formats and modes."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph
from isomorph import Adapter, init, nn
from isomorph.conformance.layer_cases import CASES, Case
from isomorph.nn.rules import same_padding

FORMATS = ("channels_first", "channels_last")


def reference(case: Case, data_format: str, training: bool) -> tuple[nn.Module, np.ndarray]:
    net = case.make().initialize(seed=3).to("numpy", data_format=data_format).train(training)
    return net, net(case.inputs(data_format))


def assert_close(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    scale = max(float(np.abs(expected).max()), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer_agrees_with_reference(
    case: Case, framework: Adapter, data_format: str, training: bool
) -> None:
    if training and case.name == "Dropout":
        pytest.xfail("each framework draws its own elements; see test_dropout")
    expected_net, expected = reference(case, data_format, training)
    net = case.make().initialize(seed=3).to(framework.name, data_format=data_format).train(training)
    output = net(case.inputs(data_format))
    assert framework.owns(output)
    actual = framework.to_numpy(output)
    assert actual.shape == expected.shape == case.expected_shape(data_format)
    assert actual.dtype == expected.dtype
    assert_close(actual, expected, case.tolerance)
    for path, parameter in expected_net.state().items():
        mine = net.state()[path]
        assert tuple(mine.shape) == tuple(parameter.shape)
        if parameter.trainable:
            np.testing.assert_array_equal(mine.numpy(), parameter.numpy())
        else:
            assert_close(mine.numpy(), parameter.numpy(), 1e-5)


def test_every_exported_layer_has_a_case() -> None:
    abstract = {nn.Module, nn.Layer, nn.ModuleList, nn.ModuleDict}
    exported = {getattr(nn, name) for name in nn.__all__}
    layers = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert layers - abstract == {type(case.make()) for case in CASES}


def test_dropout_zeroes_and_scales(framework: Adapter) -> None:
    net = nn.Dropout(0.25).to(framework.name).train()
    output = framework.to_numpy(net(np.ones((100, 100), "float32")))
    assert set(np.unique(output.round(4))) == {np.float32(0), np.float32(1.3333)}
    assert abs((output == 0).mean() - 0.25) < 0.03


def test_dropout_draws_anew_on_each_call(framework: Adapter) -> None:
    net = nn.Dropout(0.5).to(framework.name).train()
    x = np.ones((20, 20), "float32")
    assert (framework.to_numpy(net(x)) != framework.to_numpy(net(x))).any()


@pytest.mark.parametrize("steps", [1, 3])
def test_running_statistics_after_steps(framework: Adapter, steps: int) -> None:
    nets = [nn.BatchNorm().to(name) for name in ("numpy", framework.name)]
    for step in range(steps):
        x = np.random.default_rng(step).standard_normal((5, 3, 2, 7)).astype("float32") + step
        for net in nets:
            net(x)
    for path, buffer in nets[0].buffers().items():
        np.testing.assert_allclose(nets[1].buffers()[path].numpy(), buffer.numpy(), rtol=1e-5)


def test_backend_names() -> None:
    assert next(info.name for info in isomorph.available()) == "numpy"


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


def test_same_padding_in_numbers(framework: Adapter) -> None:
    """Windows of 1 2 3 4 at stride 2 are 1 2 3 and 3 4 0; before, they would be 0 1 2 and 2 3 4."""
    net = nn.Conv1d(1, 3, stride=2, padding="same", bias=False, weight_init=init.Ones()).to(framework.name)
    output = framework.to_numpy(net(np.array([[[1, 2, 3, 4]]], "float32")))
    assert output.tolist() == [[[6, 7]]]


def test_convolution_is_not_flipped_in_numbers(framework: Adapter) -> None:
    """Cross-correlation, as every framework's convolution: 1*10 + 2*100 with the kernel 10 100."""
    net = nn.Conv1d(1, 2, bias=False).to(framework.name)
    net.weight.set([[[10, 100]]])
    assert framework.to_numpy(net(np.array([[[1, 2, 3]]], "float32"))).tolist() == [[[210, 320]]]

"""Scripts that make one layer in a framework's own API give what the net gives, without Isomorph."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isomorph
from isomorph import errors, nn, ops
from isomorph.conformance.cases.layers import IMAGES, ROWS, input_for
from isomorph.conformance.data import array
from isomorph.conformance.worker.build import module

FORMATS = ("channels_first", "channels_last")
LAYERS: dict[str, tuple[Any, Any]] = {}


def add(name: str, make: Any, x: np.ndarray, is_image: bool) -> None:
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if is_image and x.ndim > 2 else x
    LAYERS[name] = make, lambda data_format: last if data_format == "channels_last" else x


def more(name: str, make: Any, *shape: int) -> None:
    add(name, make, np.random.default_rng(0).standard_normal(shape).astype("float32"), is_image=True)


# Frameworks' own layers refuse empty inputs, and PyTorch's Flatten vectors: the scripts show that.
PLAIN = [row for row in ROWS if 0 not in row[2] and (row[1]["kind"] != "Flatten" or len(row[2]) > 1)]
for slug, spec, shape in PLAIN:
    x = array(input_for(spec, shape))
    add(f"{spec['kind']}-{slug}", functools.partial(module, spec, []), x, spec["kind"] in IMAGES)


for padding in (1, "same"):
    make = functools.partial(nn.Conv2d, 5, 3, dilation=2, stride=(2, 3), padding=padding)
    more(f"Conv2d-dilation-stride-{padding}", make, 2, 3, 11, 9)
for name in ("silu", "tanh", "sigmoid", "log_softmax", "leaky_relu"):
    more(f"Dense-{name}", functools.partial(nn.Dense, 5, activation=name), 2, 3)
more("Conv1d-softmax", lambda: nn.Conv1d(5, 3, activation="softmax"), 2, 3, 7)
more("Conv1d-function", lambda: nn.Conv1d(5, 3, activation=ops.gelu), 2, 3, 7)
more("Flatten-all", lambda: nn.Flatten(0), 2, 3, 5, 7)


class Named(nn.Conv1d):
    """A layer of another name that computes the same."""


more("Conv1d-subclass", lambda: Named(5, 3), 2, 3, 7)


@pytest.fixture
def writer(backend: str) -> Iterator[isomorph.Adapter]:
    """Return an adapter; what MXNet's scripts switch on is switched off behind them."""
    yield isomorph.backend(backend)
    if backend == "mxnet":
        import mxnet

        mxnet.npx.reset_np()


def net_of(name: str, adapter: isomorph.Adapter, data_format: str) -> tuple[Any, Any, dict[str, Any]]:
    make, inputs = LAYERS[name]
    x = inputs(data_format)
    net, generator = make(), np.random.default_rng(1)
    net.to(adapter.name, data_format=data_format)(x)
    for parameter in net.state().values():
        parameter.set(generator.uniform(0.5, 1.5, parameter.shape))
    return net, x, {name: parameter.numpy() for name, parameter in net.state().items()}


def run(source: str, parameters: dict[str, Any], x: Any) -> Any:
    assert "isomorph" not in source.lower()
    namespace: dict[str, Any] = {}
    exec(compile(source, "script", "exec"), namespace)
    return namespace["run"](parameters, x)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    ("name", "training"),
    [(name, mode) for name in LAYERS for mode in (False, True) if not mode or "BatchNorm" in name],
)
def test_a_script_gives_what_the_net_gives(writer, name, data_format, training):
    if writer.name == "numpy":
        with pytest.raises(errors.NotSupportedError, match=r"native\.script"):
            writer.native_script(LAYERS[name][0](), data_format, training)
        return
    net, x, parameters = net_of(name, writer, data_format)
    net.train(training)
    expected = writer.to_numpy(net(x))
    output = run(writer.native_script(net, data_format, training), parameters, x)
    assert (output.shape, output.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))


def test_dropout_drops_in_training(writer):
    if writer.name != "numpy":
        source = writer.native_script(nn.Dropout(0.5), "channels_first", True)
        output = run(source, {}, np.ones((100, 100), "float32"))
        assert set(np.unique(output)) == {0, 2}


def test_double_precision(writer):
    if writer.name in ("numpy", "jax"):
        return
    net = nn.Dense(3).initialize(seed=1).to(writer.name, dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 5))
    expected = writer.to_numpy(net(x))
    parameters = {name: parameter.numpy() for name, parameter in net.state().items()}
    output = run(writer.native_script(net, "channels_first", False), parameters, x)
    np.testing.assert_allclose(output, expected, rtol=1e-12)


class Strange(nn.Layer):
    """A layer that no script knows."""


class Doubled(nn.Dense):
    """A layer that computes otherwise."""

    def forward(self, x):
        return super().forward(x) * 2


@pytest.mark.parametrize(
    "layer",
    [Strange(), Doubled(3), nn.Dense(3, activation=lambda x: x)],
    ids=["kind", "forward", "activation"],
)
def test_what_has_no_script_is_refused(writer, layer):
    with pytest.raises(errors.NotSupportedError) as caught:
        writer.native_script(layer, "channels_first", False)
    assert caught.value.capability == "native.script"


def test_a_script_stands_alone(writer, tmp_path):
    if writer.name == "numpy":
        return
    net, x, parameters = net_of("BatchNorm-image", writer, "channels_last")
    expected = writer.to_numpy(net.eval()(x))
    np.savez(tmp_path / "case.npz", x=x, y=expected, **parameters)
    (tmp_path / "script.py").write_text(
        writer.native_script(net, "channels_last", False)
        + """
case = dict(numpy.load("case.npz"))
x, y = case.pop("x"), case.pop("y")
numpy.testing.assert_allclose(run(case, x), y, rtol=1e-5, atol=1e-5)
"""
    )
    command = [sys.executable, "-I", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""Calls of every signature: checked once, then native; nested, named, on several threads."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from isomorph import Adapter, TensorSpec, nn, ops, remember, to_numpy
from isomorph.errors import ForwardError, IsomorphError, ShapeMismatchError
from isomorph.trace import Trace

X = np.arange(10, dtype="float32").reshape(2, 5) / 10
M = np.arange(6, dtype="float32").reshape(2, 3) / 6


class Masked(nn.Module):
    """Two inputs, a flag and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3)

    def forward(self, x: Any, mask: Any = None, scale: float = 1.0, double: bool = False) -> Any:
        y = self.dense(x) * scale
        y = y if mask is None else y * mask
        return y + y if double else y


def expected(mask: Any = None, scale: float = 1.0, double: bool = False) -> Any:
    net = Masked().to("numpy").apply_init(X, seed=0)
    y = (X @ net.dense.weight.numpy().T + net.dense.bias.numpy()) * scale
    y = y if mask is None else y * mask
    return y * 2 if double else y


Pair = collections.namedtuple("Pair", ["x", "mask"])


@dataclasses.dataclass
class Batch:
    x: Any
    mask: Any
    name: str = "train"


class Nested(nn.Module):
    """Takes a container apart, and returns one."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3)

    def forward(self, batch: Any) -> Any:
        x, mask = self.parts(batch)
        y = self.dense(x)
        return self.joined(batch, y, y * mask)

    def parts(self, batch: Any) -> Any:
        if isinstance(batch, dict):
            return batch["x"], batch["mask"]
        return (batch.x, batch.mask) if hasattr(batch, "mask") else tuple(batch)

    def joined(self, batch: Any, first: Any, second: Any) -> Any:
        if isinstance(batch, dict):
            return {"y": first, "masked": second}
        if hasattr(batch, "_replace"):
            return batch._replace(x=first, mask=second)
        if dataclasses.is_dataclass(batch):
            return Batch(first, second, "out")
        return type(batch)([first, second])


CONTAINERS = {
    "dict": {"x": X, "mask": M},
    "list": [X, M],
    "tuple": (X, M),
    "named": Pair(X, M),
    "dataclass": Batch(X, M),
}

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "one": ((X,), {}),
    "two": ((X, M), {}),
    "keyword": ((X,), {"mask": M}),
    "all-by-keyword": ((), {"x": X, "mask": M}),
    "none": ((X, None), {}),
    "flags": ((X, M, 2.0), {"double": True}),
}


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[Trace]:
    """Return the passes of shapes that were started."""
    started: list[Trace] = []
    original = Trace.__init__

    def counted(self: Trace, *args: Any) -> None:
        started.append(self)
        original(self, *args)

    monkeypatch.setattr(Trace, "__init__", counted)
    return started


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_any_signature_gives_the_right_numbers(name: str, framework: Adapter) -> None:
    inputs, named = CALLS[name]
    net = Masked().initialize(seed=0).to(framework.name)
    values = {"mask": None, "scale": 1.0, "double": False}
    values.update(zip(("x", "mask", "scale"), inputs))
    values.update(named)
    wanted = expected(values["mask"], values["scale"], values["double"])
    for _ in range(2):
        np.testing.assert_allclose(to_numpy(net(*inputs, **named)), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CALLS)
def test_a_later_call_starts_no_pass(name: str, backend: str, traces: list[Trace]) -> None:
    inputs, named = CALLS[name]
    net = Masked().initialize(seed=0).to(backend)
    net(*inputs, **named)
    traces.clear()
    net(*inputs, **named)
    assert not traces


def test_a_vectors_later_call_starts_no_pass(backend: str, traces: list[Trace]) -> None:
    net = nn.Dense(3).initialize(seed=0).to(backend)
    net(X[0])
    traces.clear()
    net(X[1])
    assert not traces


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_of_tensors_go_in_and_come_out(name: str, framework: Adapter) -> None:
    batch = CONTAINERS[name]
    reference = Nested().initialize(seed=0).to("numpy")(batch)
    net = Nested().initialize(seed=0).to(framework.name)
    for _ in range(2):
        output = to_numpy(net(batch))
        assert type(output) is type(reference)
        for found, wanted in zip(_items(output), _items(reference)):
            if isinstance(wanted, np.ndarray):
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
            else:
                assert found == wanted


def _items(output: Any) -> list[Any]:
    if isinstance(output, dict):
        return [*output, *output.values()]
    return list(vars(output).values()) if dataclasses.is_dataclass(output) else list(output)


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_are_inferred_and_initialized(name: str, backend: str) -> None:
    net = Nested().to(backend).apply_init((CONTAINERS[name],), seed=0)
    assert net.dense.weight.shape == (3, 5)
    assert net.dense.weight.is_ready


def test_shapes_may_be_nested_in_infer() -> None:
    output = Nested().infer({"x": (None, 5), "mask": TensorSpec((None, 3), "float32")})
    assert str(output["y"]) == "TensorSpec((n, 3))"


def test_a_summary_of_nested_inputs() -> None:
    assert "(2, 3), (2, 3)" in str(Nested().summary([(2, 5), (2, 3)]))


def test_gradients_of_nested_inputs(differentiable: str) -> None:
    net = Nested().initialize(seed=0).to(differentiable)
    found = net.gradients(lambda y: ops.sum(y["masked"]), {"x": X, "mask": M})
    wanted = np.einsum("bo,bi->oi", M, X)
    np.testing.assert_allclose(found["dense.weight"], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "dict", "keyword"])
def test_a_later_batch_of_one_has_no_variance(kind: str, backend: str) -> None:
    class Normal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm()

        def forward(self, batch: Any) -> Any:
            return self.norm(batch["x"] if kind == "dict" else batch)

    def call(x: Any) -> Any:
        if kind == "keyword":
            return net(batch=x)
        return net({"x": x} if kind == "dict" else x)

    net = Normal().initialize(seed=0).to(backend)
    call(X)
    with pytest.raises(ShapeMismatchError, match="received 1"):
        call(X[:1])


def test_the_key_of_a_call_holds_types(framework: Adapter) -> None:
    class Kind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(1)

        def forward(self, x: Any, kind: Any) -> Any:
            return self.dense(x) * 0 + {bool: 1.0, int: 2.0, float: 3.0}[type(kind)]

    net = Kind().initialize(seed=0).to(framework.name)
    found = [float(to_numpy(net(X, kind))[0, 0]) for kind in (True, 1, 1.0, True)]
    assert found == [1.0, 2.0, 3.0, 1.0]


def test_numbers_count_by_value_where_calls_are_compiled(framework: Adapter) -> None:
    net = Masked().initialize(seed=0).to(framework.name)
    one = to_numpy(net(X, None, 1.0))
    for scale in (2.0, 3.0, 2.0, float("nan"), 4.0):
        np.testing.assert_allclose(to_numpy(net(X, None, scale)), one * np.float32(scale), rtol=1e-5)


def test_remembered_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember, "KINDS", 4)
    net = nn.Sequential(nn.Dense(3)).initialize(seed=0)
    for length in range(1, 12):
        net(np.ones((2, length, 5), "float32"))
    assert len(net._isomorph.runs) == 4


@pytest.mark.parametrize("place", ["inside", "layer", "sequential"])
def test_a_layer_takes_its_input_by_name(place: str, framework: Adapter) -> None:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.norm = nn.Dense(3), nn.Sequential(nn.LayerNorm())

        def forward(self, x: Any) -> Any:
            return self.norm(x=self.dense(x=x))

    places = {
        "inside": Inside,
        "layer": lambda: nn.Dense(3),
        "sequential": lambda: nn.Sequential(nn.Dense(3)),
    }
    make = places[place]
    reference = make().initialize(seed=0).to("numpy")
    net = make().initialize(seed=0).to(framework.name)
    for _ in range(2):
        found, wanted = to_numpy(net(x=X)), np.asarray(reference(x=X))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_name_that_a_layer_does_not_take() -> None:
    with pytest.raises(ForwardError, match=r"Dense takes \(x\)"):
        nn.Dense(3)(y=X)


def test_a_wrong_size_in_a_later_call_of_two_inputs(backend: str) -> None:
    net = Masked().initialize(seed=0).to(backend)
    net(X, M)
    with pytest.raises((ShapeMismatchError, ForwardError)):
        net(np.ones((2, 7), "float32"), M)
    np.testing.assert_allclose(to_numpy(net(X, M)), expected(M), rtol=1e-5, atol=1e-6)


def test_to_numpy_of_tensors_that_need_gradients(framework: Adapter) -> None:
    net = Masked().initialize(seed=0).to(framework.name)
    found = to_numpy({"y": net(X), "n": [1, None, "text"]})
    assert type(found["y"]) is np.ndarray
    assert found["n"] == [1, None, "text"]


# Threads.


def slow(name: str, shape: Any, dtype: str, generator: Any) -> Any:
    time.sleep(0.4)
    return np.ones(shape, dtype)


def test_an_unrelated_net_waits_for_nobody(backend: str) -> None:
    waiting = nn.Dense(3, weight_init=slow).to(backend)
    other = nn.Dense(3).initialize(seed=0).to(backend)
    thread = threading.Thread(target=waiting, args=(X,))
    thread.start()
    other(X)
    was_running = thread.is_alive()
    thread.join()
    assert was_running


def test_a_law_that_waits_for_another_nets_call_ends(backend: str) -> None:
    other = nn.Dense(3).initialize(seed=0).to(backend)

    def asking(name: str, shape: Any, dtype: str, generator: Any) -> Any:
        thread = threading.Thread(target=other, args=(X,))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        return np.ones(shape, dtype)

    net = nn.Dense(3, weight_init=asking).to(backend)
    assert to_numpy(net(X)).shape == (2, 3)


def test_types_changed_beside_calls_give_right_values_or_an_error(framework: Adapter) -> None:
    wide = "float16" if framework.name == "jax" else "float64"  # JAX as it is set up here has no float64
    net = nn.Sequential(nn.Dense(16, activation="relu"), nn.Dense(3)).initialize(seed=0).to(framework.name)
    wanted = to_numpy(net(X))
    wrong: list[Any] = []
    stop = threading.Event()

    def calls() -> None:
        while not stop.is_set():
            try:
                found = to_numpy(net(X))
            except IsomorphError:
                continue
            if not np.allclose(found, wanted, rtol=1e-2, atol=1e-3):
                wrong.append(found)

    threads = [threading.Thread(target=calls) for _ in range(3)]
    for thread in threads:
        thread.start()
    for dtype in (wide, "float32") * 5:
        net.to(dtype=dtype)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


FORKED = """
import os, threading, time
import numpy as np
import isomorph
from isomorph import init, nn

isomorph.backend("numpy")  # a fork while a module is imported is Python's own deadlock

def slow(name, shape, dtype, generator):
    time.sleep(0.4)
    return np.ones(shape, dtype)

x = np.ones((2, 5), "float32")
net, other = nn.Dense(3, weight_init=slow), nn.Dense(3, weight_init=init.Ones())
thread = threading.Thread(target=net, args=(x,))
thread.start()
time.sleep(0.1)
child = os.fork()
if child == 0:
    other(x)
    os._exit(0)
thread.join()
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_forked_while_a_net_is_made_ready_has_locks_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)

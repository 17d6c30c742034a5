"""One meaning of a forward: what it may use means the same on every backend, compiled or not."""

from __future__ import annotations

import dataclasses
import types
from typing import Any

import numpy as np
import pytest

from isomorph import Adapter, nn, ops, to_numpy
from isomorph.errors import InvalidArgumentError, IsomorphError, StructureError

X = np.arange(10, dtype="float32").reshape(2, 5) / 10
ROWS = np.concatenate([X, X[:1] + 1])

MODES = pytest.mark.parametrize("compile", [None, False])


def both(make: Any, framework: Adapter, compile: bool | None, *inputs: Any) -> None:
    """Call a net and its reference on the same inputs, twice, and compare the numbers."""
    reference = make().initialize(seed=0).to("numpy")
    net = make().initialize(seed=0).to(framework.name, compile=compile)
    for given in inputs:
        found, wanted = to_numpy(net(given)), np.asarray(reference(given))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


# Parameters and buffers of children.


class Reads(nn.Module):
    """A forward that reads what a child holds."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self.read = read
        self.dense, self.norm = nn.Dense(5), nn.BatchNorm()
        self.table, self.rest = nn.Embedding(4, 5), nn.ModuleList([nn.Conv1d(5, 1)])

    def forward(self, x: Any) -> Any:
        y = self.norm(self.dense(x))
        z = self.rest[0](ops.expand_dims(y, -1))
        return y + z[:, :, 0] + self.table(ops.astype(x * 0, "int32"))[:, 0] + self.read(self)


READS = {
    "dense": lambda net: ops.sum(net.dense.weight, axis=1),
    "layout": lambda net: ops.matmul(net.dense.weight, ops.permute_dims(net.table.weight, (1, 0)))[:, 0],
    "bias": lambda net: net.dense.bias * 2.0,
    "embedding": lambda net: net.table.weight[1],
    "scale": lambda net: net.norm.weight + net.norm.bias,
    "statistics": lambda net: net.norm.running_mean + net.norm.running_var,
    "listed": lambda net: net.rest[0].weight[0, :, 0],
}


@MODES
@pytest.mark.parametrize("name", READS)
def test_a_childs_parameters_and_buffers_are_read(
    name: str, compile: bool | None, framework: Adapter
) -> None:
    both(lambda: Reads(READS[name]), framework, compile, X, X)


def test_gradients_flow_into_a_childs_parameter(differentiable: str) -> None:

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode = nn.Dense(3, bias=False)

        def forward(self, x: Any) -> Any:
            return ops.matmul(self.encode(x), self.encode.weight)

    net = Tied().initialize(seed=0).to(differentiable)
    found = net.gradients(ops.sum, X)["encode.weight"]
    weight = net.encode.weight.numpy()
    ones = np.ones_like(X)
    wanted = (X @ weight.T).T @ ones + weight @ ones.T @ X
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_parameters_in_a_container_are_parameters(kind: type, framework: Adapter) -> None:
    class Gains(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pair = [nn.Parameter((5,)), nn.Parameter((5,))]
            self.gains = {"a": pair[0], "b": pair[1]} if kind is dict else kind(pair)

        def forward(self, x: Any) -> Any:
            first, second = ("a", "b") if kind is dict else (0, 1)
            return x * self.gains[first] + self.gains[second]

    both(Gains, framework, None, X, X)
    net = Gains().initialize(seed=0).to(framework.name)
    net(X)
    assert list(net.parameters()) == (["gains.a", "gains.b"] if kind is dict else ["gains.0", "gains.1"])


def test_a_build_sizes_parameters_in_a_container(framework: Adapter) -> None:
    class Gains(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gains = {"a": nn.Parameter((None,)), "b": nn.Parameter((None,))}

        def build(self, shape: Any) -> None:
            for gain in self.gains.values():
                gain.shape = (shape[-1],)

        def forward(self, x: Any) -> Any:
            return x * self.gains["a"] + self.gains["b"]

    both(lambda: nn.Sequential(nn.Dense(4), Gains()), framework, None, X, X)


# The batch's size, asked in Python.


def every(x: Any) -> Any:
    return ops.stack([row * 2.0 for row in x])


ASKS = {
    "equal": lambda x: x * (1.0 if x.shape[0] == 2 else 10.0),
    "in": lambda x: x * (1.0 if x.shape[0] in (2, 7) else 10.0),
    "dict": lambda x: x * {2: 1.0, 3: 4.0}[x.shape[0]],
    "compare": lambda x: x * (1.0 if x.shape[0] < 3 else 10.0),
    "len": lambda x: x / len(x),
    "iterate": every,
    "divide": lambda x: x * (1.0 / x.shape[0]),
    "text": lambda x: x * float(f"{x.shape[0]}"),
    "range": lambda x: sum(x * float(i) for i in range(x.shape[0])),
    "reshaped": lambda x: ops.reshape(x, (-1,))[: x.shape[0]] * 1.0,
}


@MODES
@pytest.mark.parametrize("name", ASKS)
def test_the_batchs_size_may_be_asked(name: str, compile: bool | None, framework: Adapter) -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(5)

        def forward(self, x: Any) -> Any:
            return ASKS[name](self.dense(x))

    both(Asks, framework, compile, X, ROWS, X, ROWS)


def test_a_size_may_be_returned(backend: str) -> None:
    class Returns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x: Any) -> Any:
            return self.dense(x), x.shape[0]

    net = Returns().initialize(seed=0).to(backend)
    assert [int(net(given)[1]) for given in (X, ROWS, X)] == [2, 3, 2]


# Python state.


@dataclasses.dataclass
class Settings:
    gain: float = 1.0


class Holds(nn.Module):
    """A forward that reads a number from what an attribute holds."""

    extra = {"gain": 1.0}

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3)
        self.numbers, self.names = [1.0], {"gain": [1.0]}
        self.settings, self.space = Settings(), types.SimpleNamespace(gain=1.0)
        self.array, self.plain = np.ones(1, "float32"), 1.0

    def forward(self, x: Any) -> Any:
        held = self.numbers[0] * self.names["gain"][0] * self.settings.gain * self.space.gain
        return self.dense(x) * (held * self.plain * type(self).extra["gain"] * float(self.array[0]))


def _set(name: str) -> Any:
    return {
        "list": lambda net: net.numbers.__setitem__(0, 3.0),
        "dict": lambda net: net.names["gain"].__setitem__(0, 3.0),
        "dataclass": lambda net: setattr(net.settings, "gain", 3.0),
        "namespace": lambda net: setattr(net.space, "gain", 3.0),
        "array": lambda net: net.array.__setitem__(0, 3.0),
        "attribute": lambda net: setattr(net, "plain", 3.0),
        "class": lambda net: setattr(type(net), "extra", {"gain": 3.0}),
        "class-dict": lambda net: type(net).extra.__setitem__("gain", 3.0),
    }[name]


@pytest.mark.parametrize(
    "name", ["list", "dict", "dataclass", "namespace", "array", "attribute", "class", "class-dict"]
)
def test_state_changed_between_calls_is_seen(name: str, backend: str) -> None:
    kind = type("Own", (Holds,), {"extra": {"gain": 1.0}})
    net = kind().initialize(seed=0).to(backend)
    before = to_numpy(net(X))
    to_numpy(net(X))
    _set(name)(net)
    np.testing.assert_allclose(to_numpy(net(X)), 3 * before, rtol=1e-5)


@pytest.mark.parametrize("how", ["replaced", "reloaded", "of-a-child", "of-a-base"])
def test_a_forward_changed_on_its_class_is_seen(how: str, backend: str) -> None:
    class Base(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x: Any) -> Any:
            return self.dense(x)

    class Derived(Base):
        pass

    def doubled(self: Any, x: Any) -> Any:
        return self.dense(x) * 2.0

    kind = Derived if how == "of-a-base" else Base
    net: Any = nn.Sequential(kind()) if how == "of-a-child" else kind()
    net.initialize(seed=0).to(backend)
    before = to_numpy(net(X))
    if how == "reloaded":
        Base.forward.__code__ = doubled.__code__
    else:
        Base.forward = doubled  # type: ignore[method-assign]
    np.testing.assert_allclose(to_numpy(net(X)), 2 * before, rtol=1e-5)


@pytest.mark.parametrize("statement", ["plain", "augmented", "private", "list", "dict"])
def test_a_forward_changes_no_python_state(statement: str, backend: str) -> None:
    class Changes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3)
            self.calls, self._calls, self.seen, self.table = 0, 0, [], {"n": 0}

        def forward(self, x: Any) -> Any:
            if statement == "plain":
                self.calls = 1
            elif statement == "augmented":
                self.calls += 1
            elif statement == "private":
                self._calls = 1
            elif statement == "list":
                self.seen.append(1)
            else:
                self.table["n"] += 1
            return self.dense(x)

    net = Changes().initialize(seed=0).to(backend)
    for _ in range(2):
        with pytest.raises(StructureError, match=r"forward (assigns|changes)"):
            net(X)
    assert (net.calls, net._calls, net.seen, net.table) == (0, 0, [], {"n": 0})
    assert net.dense.weight.shape == (3, None)


def test_what_attributes_hold_is_never_emptied_while_sizes_are_inferred() -> None:
    class Table(dict):
        def clear(self) -> None:
            raise AssertionError("another thread would find it empty")

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = Table(gain=2.0)

        def forward(self, x: Any) -> Any:
            return x * self.table["gain"]

    assert Reads().infer((2, 5)).shape == (2, 5)


class Running(nn.Module):
    """A running mean by hand, as the books write it."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.mean = nn.Dense(3), nn.Buffer((3,))

    def forward(self, x: Any) -> Any:
        y = self.dense(x)
        if self.training:
            self.mean.update(self.mean * 0.9 + ops.mean(y, axis=0) * 0.1)
        return y - self.mean


@MODES
def test_a_buffer_is_updated_in_forward(compile: bool | None, framework: Adapter) -> None:
    nets = [Running().initialize(seed=0).to(name, compile=compile) for name in ("numpy", framework.name)]
    for given in (X, ROWS, X):
        found = [to_numpy(net(given)) for net in nets]
        np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(nets[1].mean.numpy(), nets[0].mean.numpy(), rtol=1e-4, atol=1e-5)
    kept = nets[1].eval().mean.numpy()
    nets[1](X)
    np.testing.assert_array_equal(nets[1].mean.numpy(), kept)


def test_a_childs_buffer_is_updated(framework: Adapter) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Running()

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    nets = [Outer().initialize(seed=0).to(name) for name in ("numpy", framework.name)]
    for _ in range(2):
        for net in nets:
            net(X)
    np.testing.assert_allclose(*(net.inner.mean.numpy() for net in nets), rtol=1e-4, atol=1e-5)


def test_an_update_of_another_shape_is_refused(backend: str) -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Buffer((4,))

        def forward(self, x: Any) -> Any:
            self.mean.update(ops.mean(x, axis=0))
            return x

    with pytest.raises(IsomorphError, match=r"mean expects an update of shape \(4,\)"):
        Wrong().to(backend)(X)


# Modules outside the tree.


class _Holder:
    def __init__(self, part: Any) -> None:
        self.part = part


@pytest.mark.parametrize("place", ["set", "object", "closure", "deque"])
def test_a_module_outside_the_tree_is_refused(place: str, backend: str) -> None:
    import collections

    part = nn.Dense(3)

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            held = {"set": {part}, "object": _Holder(part), "deque": collections.deque([part])}
            self.held = held.get(place)

        def forward(self, x: Any) -> Any:
            if place == "object":
                return self.held.part(x)
            return part(x) if self.held is None else next(iter(self.held))(x)

    with pytest.raises(StructureError, match="Dense that is not part of the net"):
        Bag().to(backend)(X)


def test_a_parameter_outside_the_tree_is_refused(backend: str) -> None:
    gain = nn.Parameter((5,))

    class Free(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * gain

    with pytest.raises(StructureError, match="not part of the net"):
        Free().to(backend)(X)


# Constants, names, classes.

CONSTANTS = {
    "right": lambda y: y * np.array([1.0, 2.0, 3.0], "float32"),
    "left": lambda y: np.array([1.0, 2.0, 3.0], "float32") * y,
    "add": lambda y: ops.add(y, np.array([1.0, 2.0, 3.0], "float32")),
    "less": lambda y: np.float32(1.0) - y,
    "where": lambda y: ops.where(y > np.float32(0), y, np.zeros(3, "float32")),
    "matmul": lambda y: y @ np.ones((3, 2), "float32"),
}


@MODES
@pytest.mark.parametrize("name", CONSTANTS)
def test_numpys_constants_in_a_forward(name: str, compile: bool | None, framework: Adapter) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x: Any) -> Any:
            return CONSTANTS[name](self.dense(x))

    both(Weighted, framework, compile, X, X)


@pytest.mark.parametrize("key", ["type", "half", "apply", "name", "call", "build", "params", "scope"])
def test_names_that_frameworks_keep_may_be_keys(key: str, framework: Adapter) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.ModuleDict({key: nn.Dense(3)})

        def forward(self, x: Any) -> Any:
            return self.heads[key](x)

    both(Heads, framework, None, X)


def test_a_dot_in_a_name_is_refused() -> None:
    with pytest.raises(StructureError, match="has a dot"):
        setattr(nn.Module(), "a.b", nn.Dense(3))


@dataclasses.dataclass(eq=False)
class Head(nn.Module):
    """A module written as a dataclass."""

    units: int = 3
    inner: Any = None

    def __post_init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(self.units)

    def forward(self, x: Any) -> Any:
        y = self.dense(x)
        return y if self.inner is None else self.inner(y)


@dataclasses.dataclass
class Compared(Head):
    """One that compares by its fields, and so has no hash."""


@pytest.mark.parametrize("kind", [Head, Compared])
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_module_may_be_a_dataclass(kind: Any, is_nested: bool, framework: Adapter) -> None:
    both(lambda: kind(4, nn.Dense(2) if is_nested else None), framework, None, X)
    assert len({kind(), kind()}) == 2


class Slotted(nn.Module):
    """Attributes in ``__slots__``."""

    __slots__ = ("dense", "gain")

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.gain = nn.Dense(3), 2.0

    def forward(self, x: Any) -> Any:
        return self.dense(x) * self.gain


def test_a_module_may_have_slots(framework: Adapter) -> None:
    both(Slotted, framework, None, X)
    assert list(Slotted().parameters()) == ["dense.weight", "dense.bias"]


@pytest.mark.parametrize("argument", ["mask", "training"])
def test_an_argument_may_have_a_name_that_frameworks_keep(argument: str, framework: Adapter) -> None:
    scope: dict[str, Any] = {}
    code = f"def forward(self, x, {argument}=None):\n"
    code += f"    return self.dense(x) if {argument} is None else self.dense(x) * {argument}"
    exec(code, scope)

    def init(self: Any) -> None:
        nn.Module.__init__(self)
        self.dense = nn.Dense(3)

    kind: Any = type(nn.Module)("Masked", (nn.Module,), {"__init__": init, "forward": scope["forward"]})
    net = kind().initialize(seed=0).to(framework.name)
    plain, twice = to_numpy(net(X)), np.full((2, 3), 2, "float32")
    np.testing.assert_allclose(to_numpy(net(X, twice)), 2 * plain, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(net(X, **{argument: twice})), 2 * plain, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(net(X, None)), plain, rtol=1e-5)


@pytest.mark.parametrize("value", [None, 3.0, "abc", {"x": X}, [[1.0]]])
def test_what_is_no_tensor_is_refused_by_a_layer(value: Any, backend: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must be an array or tensor"):
        nn.Dense(3).to(backend)(value)

"""Edits of containers: all or nothing; slices that share their modules."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from isomorph import nn, to_numpy
from isomorph.errors import InvalidArgumentError, ShapeMismatchError, StructureError

X = np.random.default_rng(0).standard_normal((2, 5)).astype("float32")


def row() -> nn.Sequential:
    return nn.Sequential(nn.Dense(4), nn.ReLU(), nn.Dense(3))


def broken() -> Any:
    yield nn.Dense(4)
    raise ValueError("the generator's own")


class NoSuper(nn.Module):
    """A module that is not ready."""

    def __init__(self) -> None:
        pass


EDITS: dict[str, Callable[[Any], Any]] = {
    "insert": lambda net: net.insert(0, "x"),
    "insert-unready": lambda net: net.insert(0, NoSuper()),
    "insert-itself": lambda net: net.insert(1, net),
    "insert-index": lambda net: net.insert("0", nn.Dense(4)),
    "append": lambda net: net.append(None),
    "set": lambda net: net.__setitem__(0, 5),
    "set-none": lambda net: net.__setitem__(-1, None),
    "set-itself": lambda net: net.__setitem__(0, net),
    "set-range": lambda net: net.__setitem__(9, nn.Dense(4)),
    "delete-range": lambda net: net.__delitem__(9),
    "extend": lambda net: net.extend([nn.Dense(4), 3]),
    "extend-generator": lambda net: net.extend(broken()),
    "extend-itself": lambda net: net.extend([nn.Dense(4), net]),
}
TYPED = {"set-range": IndexError, "delete-range": IndexError, "extend-generator": ValueError}


@pytest.mark.parametrize("edit", EDITS)
def test_a_failed_edit_changes_nothing(backend: str, edit: str) -> None:
    net = row().to(backend)
    before = list(net)
    expected = to_numpy(net(X))
    native = net.native
    with pytest.raises(TYPED.get(edit, (InvalidArgumentError, StructureError))):
        EDITS[edit](net)
    assert [id(each) for each in net] == [id(each) for each in before]
    assert len(net) == 3
    assert net.native is native
    assert [each.path for each in net] == ["0", "1", "2"]
    np.testing.assert_array_equal(to_numpy(net(X)), expected)


def test_a_failed_edit_names_the_path() -> None:
    net = nn.Sequential(nn.ReLU(), row())
    with pytest.raises(InvalidArgumentError, match=r"^1: each item must be a module"):
        net[1].insert(0, "x")


def test_a_failed_assignment_keeps_the_native_net(backend: str) -> None:
    net = nn.Sequential(row()).to(backend)
    native = net.native
    with pytest.raises(StructureError, match="a cycle"):
        net[0][1] = net
    assert net.native is native


def test_deleting_an_unknown_name_changes_nothing() -> None:
    heads = nn.ModuleDict({"a": nn.Dense(2)})
    with pytest.raises(InvalidArgumentError, match="name must be one of a"):
        del heads["names"]
    assert heads.keys() == ("a",)


class Deletes(nn.Module):
    """Takes a layer out of the net while it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.body = row()

    def forward(self, x: Any) -> Any:
        del self.body[2]
        return self.body(x)


def test_a_forward_deletes_nothing() -> None:
    net = Deletes()
    with pytest.raises(StructureError, match="deleted during forward"):
        net.infer((2, 5))
    assert len(net.body) == 3


@pytest.mark.parametrize("first", ["whole", "part"])
@pytest.mark.parametrize("lowered", [True, False])
def test_a_slice_shares_modules_and_values(backend: str, first: str, lowered: bool) -> None:
    net = row().initialize(seed=1)
    if lowered or backend != "numpy":
        net.to(backend)
    if first == "whole":
        net(X)
    part = net[:2]
    assert isinstance(part, nn.Sequential)
    assert [id(each) for each in part] == [id(net[0]), id(net[1])]
    hidden = to_numpy(part(X))
    np.testing.assert_allclose(to_numpy(net[2:](hidden)), to_numpy(net(X)), rtol=1e-5, atol=1e-6)
    net[0].weight.set(np.zeros((4, 5)))
    net[0].bias.set(np.ones(4))
    np.testing.assert_allclose(to_numpy(part(X)), np.ones((2, 4)))
    assert list(net.parameters()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_failed_call_of_a_slice_changes_nothing(backend: str) -> None:
    net = nn.Sequential(nn.BatchNorm(), nn.Dense(3, in_features=7), nn.ReLU()).to(backend)
    with pytest.raises(ShapeMismatchError):
        net[:2](X)
    assert all(not each.shape.is_known for each in net[0].own_parameters().values())


def test_modes_of_a_slice_reach_the_net(backend: str) -> None:
    net = nn.Sequential(nn.Dense(4), nn.Dropout(0.9)).to(backend)
    net(X)
    net[1:].eval()
    np.testing.assert_allclose(to_numpy(net(X)), to_numpy(net[:1](X)), rtol=1e-5)


def test_an_edit_of_a_slice_leaves_the_net(backend: str) -> None:
    net = row().to(backend)
    expected, native = to_numpy(net(X)), net.native
    part = net[:]
    del part[0]
    assert net.native is native
    np.testing.assert_array_equal(to_numpy(net(X)), expected)


class Sliced(nn.Module):
    """Calls a part of a row in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.body = row()

    def forward(self, x: Any) -> Any:
        return self.body[2:](self.body[:2](x))


class SlicedItself(nn.Sequential):
    """A row whose forward goes by its own slices."""

    def forward(self, x: Any) -> Any:
        return self[2:](self[:2](x))


@pytest.mark.parametrize("kind", [Sliced, lambda: SlicedItself(*row())])
def test_a_forward_calls_a_slice(backend: str, kind: Callable[[], Any]) -> None:
    net = kind().to(backend)
    assert net.infer((2, 5)).shape == (2, 3)
    first = to_numpy(net(X))
    np.testing.assert_allclose(to_numpy(net(X)), first, rtol=1e-6)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))])
def test_a_copy_of_a_slice_is_a_net_of_its_own(backend: str, twin: Callable[[Any], Any]) -> None:
    net = row().to(backend)
    net(X)
    part = net[:2]
    alone = twin(part)
    expected = to_numpy(part(X))
    net[0].bias.set(np.ones(4) * 9)
    np.testing.assert_allclose(to_numpy(alone.to(backend)(X)), expected, rtol=1e-5)


MOVES: dict[str, Callable[[Any], Any]] = {
    "delete-first": lambda net: net.__delitem__(0),
    "delete-slice": lambda net: net.__delitem__(slice(0, 2)),
    "insert-first": lambda net: net.insert(0, nn.Dense(5)),
    "insert-second": lambda net: net.insert(1, nn.Dense(5)),
    "insert-one-that-is-there": lambda net: net.insert(0, net[2]),
    "twice": lambda net: (net.insert(0, nn.ReLU()), net.__delitem__(1)),
}


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("edit", MOVES)
def test_modules_that_moved_have_their_new_paths(backend: str, edit: str, lowered: bool) -> None:
    net = row().to(backend)
    if lowered:
        net(X)
    MOVES[edit](net)
    for path, parameter in net.state().items():
        assert parameter.name == path
    for position, module in enumerate(net):
        first = next(at for at, each in enumerate(net) if each is module)
        assert module.parent is net
        assert (module._isomorph.name, position >= first) == (str(first), True)

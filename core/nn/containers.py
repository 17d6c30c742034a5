"""Containers of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from .. import calls
from ..errors import InvalidArgumentError
from ..parameter import Parameter
from ..tracing import current
from ..tree import Tree, is_described
from .module import Module


class ModuleList(Module, holds=(list, Tree)):
    """Modules in a row, as an attribute of a net; it has no `forward` of its own.

    >>> blocks = nn.ModuleList([nn.Dense(3), nn.Dense(2)])
    >>> blocks.append(nn.Dense(1))
    >>> len(blocks), blocks[-1].units
    (3, 1)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.length = 0
        self.extend(modules)

    def append(self, module: Module) -> None:
        """Put a module at the end; raises `InvalidArgumentError` for anything else."""
        self._require(self.length, module)
        setattr(self, str(self.length), module)
        self.length += 1

    def extend(self, modules: Iterable[Module]) -> None:
        """Put modules at the end: all, or none where one of them is no module."""
        self._replace([*self, *modules])

    def insert(self, index: int, module: Module) -> None:
        """Put a module before this position."""
        if not isinstance(index, int):
            raise InvalidArgumentError.of(self.label, "index", "one position", index)
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index]
        self._replace(modules)

    def _require(self, position: int, module: Any) -> None:
        if not isinstance(module, Module):
            raise InvalidArgumentError.of(self.label, "each item", "a module", module)
        self._require_adoptable(str(position), module)

    def _replace(self, modules: list[Any]) -> None:
        """Hold these modules instead, once all of them can be."""
        before = list(self)
        for position, module in enumerate(modules):
            self._require(position, module)
        for position, module in enumerate(modules):
            if position >= len(before) or before[position] is not module:
                setattr(self, str(position), module)
        for position in range(len(modules), len(before)):
            delattr(self, str(position))
        if len(modules) != len(before):
            self.length = len(modules)
        for module in modules:
            if module.parent is self:
                module._isomorph.parent = None  # some moved: the first position of each is its place
        for position, module in enumerate(modules):
            self._adopt(str(position), module)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(position)) for position in range(self.length))

    def __getitem__(self, index: int | slice) -> Any:
        positions = range(self.length)[index]
        if isinstance(positions, int):
            return getattr(self, str(positions))
        return [getattr(self, str(position)) for position in positions]

    def __setitem__(self, index: int, module: Module) -> None:
        if not isinstance(index, int):
            raise InvalidArgumentError.of(self.label, "index", "one position", index)
        position = range(self.length)[index]
        self._require(position, module)
        setattr(self, str(position), module)


class Sequential(ModuleList, describes=True):
    """Modules called one after the other.

    >>> net = nn.Sequential(nn.Dense(256), nn.ReLU(), nn.Dense(10))
    >>> net(numpy.ones((2, 20), "float32")).shape
    (2, 10)
    >>> net[0].weight.shape, len(net)
    ((256, 20), 3)

    A slice holds the same modules: what it is called on goes through those of the net, lowered or not.
    To move it to a backend of its own, `copy.deepcopy` it.

    >>> net[:2](numpy.ones((2, 20), "float32")).shape, net[:2][0] is net[0]
    ((2, 256), True)
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        found = super().__getitem__(index)
        if not isinstance(found, list):
            return found
        part = Sequential()
        # Not by assignment, which a forward may not do; its modules keep their place in the net.
        vars(part).update({str(position): module for position, module in enumerate(found)}, length=len(found))
        part._isomorph.view = True
        return part

    def _call(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if not self._is_borrowed():
            return super()._call(inputs, named)
        in_forward = current() is not None or not all(map(is_described, self))
        return self.forward(*inputs, **named) if in_forward else calls.call_each(self, inputs, named)

    def _is_borrowed(self) -> bool:
        """Whether it is a slice whose modules are, all of them, in the net that it was taken from."""
        internals = self._isomorph
        return (
            internals.view
            and len(self) > 0
            and internals.binding is None
            and self.parent is None
            and all(not is_described(module) or module.parent not in (None, self) for module in self)
        )

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class _ByName(Module, describes=True):
    """What containers of named parts share."""

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()

    def _put(self, name: str, part: Any, kind: type, expected: str) -> None:
        where = f"nn.{type(self).__name__}"
        is_free = isinstance(name, str) and (name in self.names or not hasattr(self, name))
        if not is_free or not name or "." in name:
            wanted = "a string without dots that is no attribute"
            raise InvalidArgumentError.of(where, "each name", wanted, name)
        if not isinstance(part, kind):
            raise InvalidArgumentError.of(where, "each value", expected, part)
        setattr(self, name, part)
        self.names = (*(each for each in self.names if each != name), name)

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise InvalidArgumentError.choice(f"nn.{type(self).__name__}", "name", self.names, name)
        return getattr(self, name)

    def __delitem__(self, name: str) -> None:
        self[name]  # raises for a name that it lacks
        delattr(self, name)
        self.names = tuple(each for each in self.names if each != name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def keys(self) -> tuple[str, ...]:
        """Return the names, in order."""
        return self.names

    def values(self) -> list[Any]:
        """Return what has them, in order."""
        return [getattr(self, name) for name in self.names]

    def items(self) -> list[tuple[str, Any]]:
        """Return pairs of a name and what has it, in order."""
        return [(name, getattr(self, name)) for name in self.names]


class ModuleDict(_ByName, holds=(dict, Tree)):
    """Modules by name, as an attribute of a net; it has no `forward` of its own.

    >>> heads = nn.ModuleDict({"digit": nn.Dense(10)})
    >>> heads["parity"] = nn.Dense(2)
    >>> list(heads)
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self._put(name, module, Module, "a module")


class ParameterList(Module, holds=(list, Parameter)):
    """Parameters in a row, as an attribute of a net; a list or tuple of them becomes one.

    >>> gains = nn.ParameterList([nn.Parameter((3,)), nn.Parameter((None,))])
    >>> len(gains), gains[1].shape
    (2, (None,))
    """

    _holds_parameters = True

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        super().__init__()
        self.length = 0
        for parameter in parameters:
            self.append(parameter)

    def append(self, parameter: Parameter) -> None:
        """Put a parameter at the end."""
        if not isinstance(parameter, Parameter):
            raise InvalidArgumentError.of("nn.ParameterList", "each item", "a parameter", parameter)
        setattr(self, str(self.length), parameter)
        self.length += 1

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(position)) for position in range(self.length))

    def __getitem__(self, index: int) -> Any:
        return getattr(self, str(range(self.length)[index]))


class ParameterDict(_ByName, holds=(dict, Parameter)):
    """Parameters by name, as an attribute of a net; a dict of them becomes one.

    >>> gains = nn.ParameterDict({"left": nn.Parameter((3,))})
    >>> list(gains), gains["left"].shape
    (['left'], (3,))
    """

    _holds_parameters = True

    def __init__(self, parameters: Mapping[str, Parameter] | None = None) -> None:
        super().__init__()
        for name, parameter in (parameters or {}).items():
            self[name] = parameter

    def __setitem__(self, name: str, parameter: Parameter) -> None:
        self._put(name, parameter, Parameter, "a parameter")

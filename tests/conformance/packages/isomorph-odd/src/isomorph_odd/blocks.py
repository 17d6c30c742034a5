"""Blocks: each keeps its values in cells, under this framework's names, filled as late as can be."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Binding
from isomorph.backends.numpy import NumpyAdapter

from .adapter import OddAdapter
from .tensors import Tensor, plain, wrapped

# What this framework calls each parameter, and the order that it keeps axes in.
LAYOUTS: dict[type, dict[str, Any]] = {
    nn.Dense: {"weight": ("kernel", (1, 0)), "bias": "offset"},
    nn.Conv1d: {"weight": ("kernel", (2, 1, 0)), "bias": "offset"},
    nn.Conv2d: {"weight": ("kernel", (3, 1, 2, 0)), "bias": "offset"},
    nn.BatchNorm: {"weight": "scale", "bias": "offset", "running_mean": "average", "running_var": "spread"},
    nn.LayerNorm: {"weight": "scale", "bias": "offset"},
    nn.GroupNorm: {"weight": "scale", "bias": "offset"},
    nn.Embedding: {"weight": ("rows", (1, 0))},
}


class OddError(Exception):
    """All that this framework ever raises."""


class Cell:
    """A parameter's values: what it is to hold is laid out when it is first looked at."""

    def __init__(self, canonical: Any, axes: tuple[int, ...] | None) -> None:
        self.axes = tuple(range(canonical.ndim)) if axes is None else axes
        self._given, self._laid = canonical, None

    @property
    def laid(self) -> Any:
        """The values in this framework's layout."""
        if self._laid is None:
            self._laid, self._given = np.asfortranarray(self._given.transpose(self.axes)), None
        return self._laid

    @property
    def canonical(self) -> Any:
        """The values as formulas have them; to change them changes the cell."""
        return self.laid.transpose(np.argsort(self.axes)) if self.laid.ndim else self.laid

    def seen(self) -> Any:
        """Return a tensor with the values of now, as a forward reads them."""
        return State(np.array(self.canonical), self)


class State(Tensor):
    """A parameter's values as they were when they were read; an update changes the cell."""

    __slots__ = ("cell",)

    def __init__(self, values: Any, cell: Cell) -> None:
        super().__init__(values)
        self.cell = cell

    def update(self, tensor: Any) -> None:
        """Replace the values in the cell."""
        self.cell.canonical[...] = plain(tensor)


class Block:
    """A layer: a formula of NumPy's backend on this framework's tensors."""

    training = True

    def __getattr__(self, name: str) -> Any:
        names = vars(self).get("names", {})
        if name not in names:
            raise AttributeError(name)
        return self.cells[names[name]].seen()

    def __init__(self, formula: Any, names: dict[str, str]) -> None:
        self.formula, self.names = formula, names
        self.cells: dict[str, Cell] = {}

    def __call__(self, x: Any) -> Any:
        """Return the formula's value."""
        time.sleep(0.001)
        print(f"odd: {type(self.formula).__name__} on {x.shape}", file=sys.stderr)
        self.formula.training = self.training
        for name, own in self.names.items():
            setattr(self.formula, name, self.cells[own].canonical)
        try:
            return wrapped(self.formula(plain(x)))
        except Exception as cause:
            raise OddError(f"it did not work out ({cause})") from None


def _enter(kind: type) -> None:
    formula_of, _ = NumpyAdapter.table.get(kind, (Formula, {}))
    layouts = LAYOUTS.get(kind, {})

    @OddAdapter.lowers(kind, **layouts)
    def lower(layer: Any, binding: Binding) -> Block:
        numpy = Binding(_NUMPY, binding.root, binding.options, binding.lowering)
        native = {name: layout if isinstance(layout, str) else layout[0] for name, layout in layouts.items()}
        return Block(formula_of(layer, numpy), {name: native[name] for name in layer.own_parameters()})


class Formula:
    """A layer's own forward, on NumPy's arrays."""

    def __init__(self, layer: Any, binding: Binding) -> None:
        vars(self).update(vars(layer), data_format=binding.options.data_format)
        self.forward = type(layer).forward

    def __call__(self, x: Any) -> Any:
        """Return its value."""
        return self.forward(self, x)


_NUMPY = NumpyAdapter()
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
for _kind in (*NumpyAdapter.table, nn.GroupNorm):
    if _kind not in CONTAINERS:
        _enter(_kind)

"""A net's variables, which Flax keeps apart from its modules, and where each parameter is in them."""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flax
import jax
import numpy as np
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding, Slot, numpy_dtype
from isomorph.errors import DTypeMismatchError, LayerNotSupportedError, ShapeMismatchError, StructureError

from .framework import concrete, device_of, is_staged

Path = tuple[str, ...]
Tree = dict[str, Any]


@dataclasses.dataclass(eq=False)
class Place:
    """What a native module knows of the description it was lowered from."""

    binding: Binding
    module: nn.Module
    frozen: bool = False
    """Whether it stays in evaluation while other modules train."""
    slots: dict[int, Slot] = dataclasses.field(default_factory=dict)
    """Where it keeps each parameter (by id), or would if no other layer held it."""
    plain: dict[str, Any] = dataclasses.field(default_factory=dict)
    """A composite's attributes without modules; as fields, Flax would make tuples of lists."""

    def __deepcopy__(self, memo: Any) -> Place:
        return self


@dataclasses.dataclass(eq=False)
class State:
    """A net's variables, where each module's are, and its calls."""

    binding: Binding
    top: linen.Module
    paths: dict[int, Path] = dataclasses.field(default_factory=dict)
    routes: dict[int, list[str]] = dataclasses.field(default_factory=dict)
    variables: Tree = dataclasses.field(default_factory=dict)
    row: tuple[Tree, list[Any], Any] = dataclasses.field(default_factory=lambda: ({}, [], None))
    """Variables, the same in a row, which a call takes in less time, and what puts these together."""
    shapes: dict[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    """Canonical shapes by parameter, as Flax inferred them in its last `init`."""
    runners: dict[Any, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    calls: int = 0
    trains: bool = False
    draws: bool = False
    """Whether a layer that draws at random trains."""

    @property
    def places(self) -> Iterable[Place]:
        """What the native modules know, for each that needs to."""
        return self.binding.memory.get("places", {}).values()  # type: ignore[no-any-return]

    def path(self, slot: Slot) -> Path:
        """Return where a parameter is in the variables: with the first of its layers, if tied."""
        owner = self.binding.slots[id(slot.parameter)][0]
        return collection_of(owner), *self.paths[id(owner.module)], owner.native_name

    def value(self, slot: Slot) -> Any:
        """Return a parameter's value, None if there is none yet."""
        return find(self.variables, self.path(slot))

    def listed(self, module: nn.Module) -> dict[str, tuple[int, ...] | None]:
        """Return the shapes of a module's variables, by their paths from the module on."""
        found: dict[str, tuple[int, ...] | None] = {}
        tops = self._tops(module)
        for (collection, *path), value in flax.traverse_util.flatten_dict(self.variables).items():
            for top, above in tops:
                if tuple(path[: len(top)]) == top:
                    found["/".join((collection, *path[above:]))] = tuple(value.shape)
        return found

    def _tops(self, module: nn.Module) -> list[tuple[Path, int]]:
        """Return where a module's variables begin, and how many names are above it."""
        if id(module) in self.paths:
            return [(self.paths[id(module)], len(self.paths[id(module)]))]
        # Flax holds what is in a list or dict in the module around it.
        inside = [top for child in module.children().values() for top, _ in self._tops(child)]
        return [(top, len(top) - 1) for top in inside]

    def store(self, arrays: Iterable[tuple[Slot, Any]]) -> None:
        """Replace some values; trees handed out before stay as they are."""
        tree = self.variables
        for slot, array in arrays:
            tree = _replaced(tree, self.path(slot), array)
        self.replace(tree)

    def replace(self, variables: Tree) -> None:
        """Take other variables; what a user's `jax.jit` made of the old ones is forgotten."""
        self.variables = variables
        forget_staged(self.binding)

    def in_a_row(self) -> tuple[Tree, list[Any], Any]:
        """Return the variables of now as `row`; what puts them together is one object while it is equal."""
        variables, (known, _, before) = self.variables, self.row
        if known is not variables or before is None:
            leaves, treedef = jax.tree.flatten(variables)
            is_same = before is not None and treedef == before
            self.row = variables, leaves, before if is_same else treedef
        return self.row

    def restorer(self) -> Callable[[], None]:
        """Return what puts the variables of now back; the modules themselves never change."""
        kept, calls, is_seeded = self.variables, self.calls, "seed" in vars(self)

        def restore() -> None:
            self.replace(kept)
            self.calls = calls
            self.runners.clear()
            if not is_seeded:
                vars(self).pop("seed", None)

        return restore

    def update(self, module: nn.Module, updates: Tree) -> None:
        """Keep the buffers, such as running statistics, that a call changed."""
        if set(map(type, jax.tree.leaves(updates))) - {concrete()}:
            names = ", ".join(f'"{name}"' for name in updates)
            raise StructureError(
                f"{module.label} is called in training under a JAX transformation, which can't "
                "change the net's running statistics.\n  Use net.eval(), or "
                f"net.native.apply(net.variables, x, mutable=[{names}]), which returns them."
            )
        self.replace({**self.variables, **updates})

    def check_staging(self, module: nn.Module) -> None:
        """Note that a user's `jax.jit` holds the net's values; raises where it would hold random numbers."""
        if not is_staged():
            return
        if self.draws:
            raise StructureError(
                f"{module.label} is called in training under jax.jit, which would drop the same elements "
                "each time.\n  Use net.eval(), or net.native.apply(net.variables, x, "
                'rngs={"dropout": key}) with a key of each call.'
            )
        note_staged(module)

    def set_mode(self) -> None:
        """Take over each module's mode."""
        training = [module for module in self.modules if module.training]
        self.trains, self.draws = bool(training), any(getattr(module, "draws", False) for module in training)
        for place in self.places:
            place.frozen = self.trains and not place.module.training
        forget_staged(self.binding)

    @functools.cached_property
    def seed(self) -> int:
        """What the net's random draws follow from: a later seed is for initial values alone."""
        return self.binding.seed

    @functools.cached_property
    def modules(self) -> list[nn.Module]:
        """All there are."""
        return [module for _, module in self.binding.root.named_modules()]

    def once(self, make: Callable[..., Any], module: nn.Module, *kind: Any) -> Any:
        """Return what a function makes of a module in the net's present modes, made once for each kind.

        Raises `TypeError` for a kind that can't be hashed.
        """
        modes = tuple(module.training for module in self.modules)
        key = make, id(module), modes, kind
        if key not in self.runners:
            while len(self.runners) >= _RUNNERS:
                del self.runners[next(iter(self.runners))]
            self.runners[key] = make(self, module, *kind)
        return self.runners[key]

    def seeds(self) -> Any:
        """Return what a call's random draws follow from, the seed and a count; None if there are none."""
        if not self.draws:
            return None
        self.calls += 1
        return np.array((self.seed % 2**32, self.calls % 2**32), np.uint32)


# Calls of a net's modules that are kept compiled: of different modes, and of different arguments' kinds.
_RUNNERS = 128

# Modules, by id, whose values are in something that a user's jax.jit compiled.
_STAGED: dict[int, Any] = {}


def note_staged(module: nn.Module) -> None:
    """Note that a user's compiled code holds the values of a module."""
    if id(module) not in _STAGED:
        _STAGED[id(module)] = weakref.finalize(module, _STAGED.pop, id(module), None)


def forget_staged(binding: Binding) -> None:
    """Let JAX forget what it compiled, if that holds values or modes that a net no longer has.

    Its caches go by the function's identity, so that even a new jax.jit(net) would be the old one (0.7).
    """
    if not _STAGED or is_staged():
        return
    found = [id(module) for _, module in binding.root.named_modules() if id(module) in _STAGED]
    for each in found:
        _STAGED.pop(each).detach()
    if found:
        jax.clear_caches()


class Holder(linen.Module):
    """Makes one module of a net that is a list or dict."""

    modules: Any


def place_of(binding: Binding, module: nn.Module) -> Place:
    """Return what a module's native one is to know, one object for each module."""
    places = binding.memory.setdefault("places", {})
    return places.setdefault(id(module), Place(binding, module))  # type: ignore[no-any-return]


def state_of(binding: Binding) -> State:
    """Return the net's state, made once the whole net is lowered."""
    if "state" not in binding.memory:
        device_of(binding.options)
        native = binding.natives[id(binding.root)]
        state = State(binding, native if isinstance(native, linen.Module) else Holder(native))
        _find_paths(state)
        for owner, *others in binding.slots.values():
            for slot in (owner, *others):
                place = place_of(binding, slot.module)
                place.slots[id(slot.parameter)] = dataclasses.replace(slot)
            for slot in others:  # its values are where the first layer has them
                slot.native_name, slot.axes = owner.native_name, owner.axes
        binding.memory["state"] = state
    return binding.memory["state"]  # type: ignore[no-any-return]


def _find_paths(state: State) -> None:
    """Note the path that Flax gives each module when it binds the net, and the names on the way."""
    root = state.binding.root
    try:
        bound = state.top.bind({})
        for path, module in root.named_modules():
            route = path.split(".") if path else []
            _check(state.binding, module)
            native = follow(bound, route)
            state.routes[id(module)] = route
            if isinstance(native, linen.Module):
                state.paths[id(module)] = native.path
    except flax.errors.NameInUseError as cause:
        what = "two attributes that get the same name in Flax"
        hint = f"{cause} Flax calls the items of a list 'blocks' blocks_0, blocks_1: rename one of the two."
        raise LayerNotSupportedError.at(root.label, "jax", what, hint, "name.twice") from cause


def _check(binding: Binding, module: nn.Module) -> None:
    native = binding.natives.get(id(module))
    if not isinstance(native, (linen.Module, tuple, dict, type(None))):
        what = f"{type(module).__name__}: its lowering returned a {type(native).__name__}"
        hint = "Return a flax.linen.Module; isomorph.backends.jax.leaf makes one that knows its description."
        raise LayerNotSupportedError.at(module.label, "jax", what, hint, f"layer.{type(module).__name__}")


def follow(top: Any, route: list[str]) -> Any:
    """Return the native module that the names lead to; None in one whose lowering has taken it in."""
    native = top.modules if isinstance(top, Holder) else top
    for name in route:
        if isinstance(native, (tuple, linen.Sequential)):
            native = (native if isinstance(native, tuple) else native.layers)[int(name)]
        else:
            native = native[name] if isinstance(native, Mapping) else getattr(native, name, None)
    return native


def collection_of(slot: Slot) -> str:
    """Return the collection of Flax's variables that a parameter belongs to."""
    if not isinstance(slot.parameter, nn.Buffer):
        return "params"
    return "batch_stats" if getattr(slot.module, "statistics", False) else "buffers"


def find(tree: Any, path: Path) -> Any:
    """Return what a tree holds at a path, None if nothing."""
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _replaced(tree: Tree, path: Path, value: Any) -> Tree:
    name, *rest = path
    return {**tree, name: _replaced(tree.get(name, {}), tuple(rest), value) if rest else value}


def checked_shape(state: State, slot: Slot, tree: Tree) -> tuple[int, ...]:
    """Return the canonical shape of a parameter's values in a tree given by the user."""
    parameter, path = slot.parameter, state.path(slot)
    value = find(tree, path)
    if value is None or isinstance(value, Mapping):
        text = f"{parameter.name}: the variables have no {'/'.join(path)}."
        raise StructureError(text, path=parameter.name)
    shape = slot.canonical_shape(value.shape)
    known = parameter.shape
    if len(shape) != len(known) or any(n not in (None, m) for n, m in zip(known, shape)):
        raise ShapeMismatchError.at(parameter.name, "values of shape", known, shape)
    if value.dtype != numpy_dtype(parameter.dtype):
        raise DTypeMismatchError.at(parameter.name, parameter.dtype, value.dtype)
    return shape

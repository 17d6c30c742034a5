"""Requests for initial values, and giving values to what is ready to take them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidArgumentError
from .init.laws import Array, Law
from .parameter import Buffer, Parameter, Request, check_law, compile_pattern

if TYPE_CHECKING:
    from .nn.module import Module

# Below this many elements in all, starting threads costs more than it saves.
_PARALLEL_FROM = 1 << 20


def request(target: Module | Parameter, init: Any, seed: int | None, force: bool) -> None:
    """Record a request on a module or parameter and carry out what can be carried out.

    Raises `InvalidArgumentError` or `InitializerError`; then nothing is recorded or changed.
    """
    new = _checked_request(target, init, seed)
    if isinstance(target, Parameter):
        inside, root = [target], target.owner and target.owner.root
        lists = [target._requests]
    else:
        inside, root = _meant(target, new), target.root
        lists = [module.requests for _, module in target.named_modules()]
        lists += [parameter._requests for parameter in target.state().values()]
    learned = [parameter for parameter in inside if not isinstance(parameter, Buffer)]
    ready = [parameter for parameter in learned if parameter.is_ready]
    if ready and not force:
        warnings.warn(
            f"{len(ready)} of {len(learned)} parameters of {_label(target)} are initialized "
            "already and keep their values; force=True draws them anew.",
            UserWarning,
            stacklevel=3,
        )
        if len(ready) == len(learned):
            return
    before = [list(each) for each in lists]
    entropy = root._isomorph.entropy if root is not None else None
    if force and new.law is not None:
        for each in lists:
            each[:] = [old.seed_alone() for old in each if old.seed is not None]
    lists[0].append(new)
    if root is not None and force:
        root._isomorph.entropy = None
    try:
        draw_values(inside, force)
    except BaseException:
        for each, old in zip(lists, before):
            each[:] = old
        if root is not None:
            root._isomorph.entropy = entropy
        raise


def _meant(module: Module, request: Request) -> list[Parameter]:
    """Return the parameters that a request on a module is about: all, or those its patterns match."""
    patterns, state = request.patterns, module.state()
    if not patterns:
        return list(state.values())
    return [p for path, p in state.items() if any(pattern.fullmatch(path) for pattern in patterns)]


def _label(target: Module | Parameter) -> str:
    return target.name if isinstance(target, Parameter) else target.label


def _checked_request(target: Module | Parameter, init: Any, seed: int | None) -> Request:
    where = f"{_label(target)}.initialize"
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise InvalidArgumentError.of(where, "seed", "a non-negative integer or None", seed)
    if not isinstance(init, dict):
        return Request(check_law(where, init), {}, seed)
    if isinstance(target, Parameter):
        raise InvalidArgumentError.of(where, "init", "one law; patterns are for modules", init)
    patterns = {compile_pattern(text): check_law(where, law) for text, law in init.items()}
    paths = list(target.state())
    for pattern in patterns:
        if not any(pattern.fullmatch(path) for path in paths):
            hint = "A pattern is a regular expression that matches a whole path."
            raise InvalidArgumentError.choice(where, "each pattern", paths, pattern.pattern, hint)
    return Request(None, patterns, seed)


def together(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return those whose layer's parameters all have known shapes; a layer is drawn as one."""
    return [p for p in parameters if all(sibling.shape.is_known for sibling in p._siblings())]


def draw_values(parameters: Iterable[Parameter], force: bool = False) -> None:
    """Draw values for all that can have them, then store them: all or nothing."""
    chosen = [p for p in together(parameters) if force or not p.is_ready]
    if not chosen:
        return
    fresh = []
    for parameter, value in zip(chosen, _draw_all(chosen)):
        slot = parameter._slot
        if slot is not None and slot.binding.adapter.is_ready(slot):
            slot.write(value)
        else:
            parameter._value = value
            fresh.append(parameter)
    store(fresh)


def store(parameters: Iterable[Parameter]) -> None:
    """Hand values that wait in a lowered net's parameters to its native modules.

    A module's parameters are handed over together, once all of them have values.
    """
    slots = [p._slot for p in parameters if p._slot is not None and p._value is not None]
    for binding in {id(slot.binding): slot.binding for slot in slots}.values():
        touched = {
            id(slot.module): slot.module
            for first in slots
            if first.binding is binding
            for slot in binding.slots[id(first.parameter)]
        }
        complete = {
            key: module
            for key, module in touched.items()
            if all(parameter.is_ready for parameter in module.own_parameters().values())
        }
        # A tied parameter is handed over by the first module that holds it.
        whole = [
            module
            for module in complete.values()
            if all(
                p._value is None or (p._slot is not None and id(p._slot.module) in complete)
                for p in module.own_parameters().values()
            )
        ]
        if whole:
            binding.adapter.materialize(binding, whole)


def _draw_all(parameters: list[Parameter]) -> list[Array]:
    """Draw in the declared order; large nets of built-in laws on several threads."""
    roots = {id(p.owner.root): p.owner.root for p in parameters if p.owner is not None}
    for root in roots.values():
        root.state()  # settles the canonical paths, by which values are keyed
        root.entropy()  # drawn here, once, before any thread asks for it
    laws = [parameter.init for parameter in parameters]
    size = sum(parameter.shape.size for parameter in parameters)
    built_in = all(isinstance(law, Law) and type(law).__module__.startswith("isomorph.init.") for law in laws)
    if not built_in or size < _PARALLEL_FROM:
        return [parameter.draw() for parameter in parameters]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(Parameter.draw, parameters))

"""A trial made smaller, part by part, as long as it shows the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from .oracle import Oracle
from .trials import Trial

Steps = list[Any]


def reduced(trial: Trial, shows: Callable[[Trial], bool]) -> Trial:
    """Return the least trial that taking out one part after the other leads to.

    Args:
        trial: Where to start.
        shows: Whether a trial still shows what it is kept for.
    """
    while True:
        for steps in smaller(trial.steps):
            made = scripted(steps)
            if made is not None and shows(made):
                trial = made
                break
        else:
            return trial


def scripted(steps: Steps) -> Trial | None:
    """Return steps with what the model says of them; None where it has no answer."""
    oracle, trial = Oracle(), Trial()
    for verb, arguments in steps:
        plain = {name: value for name, value in arguments.items() if name != "goes_on"}
        try:
            expected = oracle.take([verb, plain])
        except Exception:
            return None
        trial.expected.append(expected)
        trial.steps.append([verb, {**plain, "goes_on": True} if expected.error else plain])
    return trial


def smaller(steps: Steps) -> Iterator[Steps]:
    """Yield steps with one part less: a step, an argument, a module, a line, an option."""
    for position in reversed(range(1, len(steps))):
        yield steps[:position] + steps[position + 1 :]
    for position, (verb, arguments) in enumerate(steps):
        for name in arguments:
            if name == "spec":
                changed = [{**arguments, "spec": spec} for spec in _less(arguments["spec"])]
            else:
                changed = [{key: value for key, value in arguments.items() if key != name}]
            for each in changed:
                yield [*steps[:position], [verb, each], *steps[position + 1 :]]


def _less(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a module with one part less."""
    children = spec.get("children")
    if isinstance(children, list):
        if len(children) == 1 and spec["kind"] == "Sequential":
            yield children[0]
        for position, child in enumerate(children):
            rest = children[:position] + children[position + 1 :]
            yield {**spec, "children": rest}
            for less in _less(child):
                yield {**spec, "children": [*children[:position], less, *children[position + 1 :]]}
    elif children is not None:
        for name, child in children.items():
            yield {**spec, "children": {key: value for key, value in children.items() if key != name}}
            for less in _less(child):
                yield {**spec, "children": {**children, name: less}}
    if spec["kind"] == "Graph":
        yield from _shorter(spec)
    else:
        for name in [each for each in spec if each not in ("kind", "children")]:
            yield {key: value for key, value in spec.items() if key != name}


def _shorter(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a user's module without one line of its forward; what needed its result takes its input."""
    for position, (result, _, arguments, *_) in enumerate(spec["program"]):
        names = [
            each for each in _flat(arguments) if isinstance(each, str) and not each.startswith(("self.", "="))
        ]
        for name in names[:1]:
            made = copy.deepcopy(spec)
            del made["program"][position]
            made["program"] = [
                [line[0], line[1], _renamed(line[2], result, name), *line[3:]] for line in made["program"]
            ]
            made["output"] = _renamed([spec["output"]], result, name)[0]
            yield made
    for part in ("ties", "build", "parameters"):
        if part in spec:
            yield {name: value for name, value in spec.items() if name != part}


def _flat(arguments: list[Any]) -> list[Any]:
    return [each for one in arguments for each in (one if isinstance(one, list) else [one])]


def _renamed(arguments: list[Any], old: str, new: str) -> list[Any]:
    return [
        _renamed(each, old, new) if isinstance(each, list) else new if each == old else each
        for each in arguments
    ]

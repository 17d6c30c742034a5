"""How a case is written down: short names for nets, arrays and steps, all of them plain data."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread
from isomorph.conformance.layers import CORE_LAYERS
from isomorph.conformance.model import rules
from isomorph.conformance.spec import SUITE

Data = dict[str, Any]
Case = dict[str, Any]
Step = list[Any]
# What nets are made of that no backend may leave out.
CORE = (*CORE_LAYERS, "Graph", "share")


def layer(kind: str, **options: Any) -> Data:
    """Return a layer as data."""
    return {"kind": kind, **options}


def dense(units: int, **options: Any) -> Data:
    """Return a Dense layer."""
    return layer("Dense", units=units, **options)


def chain(*children: Data) -> Data:
    """Return a Sequential."""
    return {"kind": "Sequential", "children": list(children)}


def graph(program: list[Any], output: Any, **parts: Any) -> Data:
    """Return a user's own module: children, parameters, build, inputs, ties."""
    return {"kind": "Graph", "program": program, "output": output, **parts}


def law(name: str, **options: Any) -> Data:
    """Return an initial law."""
    return {"law": name, **options}


def values_for(spec: Data, shape: tuple[int, ...], data_format: str = "channels_first") -> Data:
    """Return values for each parameter of one layer that meets an input of a shape."""
    sizes = rules.infer(spec, shape, None, None, False, data_format).parameters
    declared, found = rules.declared(spec), {}
    for salt, (name, size) in enumerate(sizes.items(), 1):
        positive = {"scale": 0.5, "offset": 2.0} if declared[name].positive else {}
        found[name] = {**spread(*[n for n in size if n is not None], salt=salt), **positive}
    return found


def case(
    name: str,
    clause: str,
    steps: list[Step],
    ask: list[Any],
    *,
    feature: str,
    oracle: str = "rules",
    needs: tuple[str, ...] = (),
    expect: Data | None = None,
    timeout: float = 30.0,
    since: str = SUITE,
    status: str = "active",
) -> Case:
    """Return one case; its level is the first part of its id, its capabilities follow from its steps."""
    made: Case = {
        "id": name,
        "clause": clause,
        "level": name.partition(".")[0],
        "feature": feature,
        "capabilities": capabilities(steps),
        "since": since,
        "status": status,
        "oracle": oracle,
        "needs": list(needs),
        "timeout": timeout,
        "steps": steps,
        "ask": ask,
    }
    return {**made, "expect": expect} if expect else made


def needs_of_calls(steps: list[Any]) -> tuple[str, ...]:
    """Return what a case needs whose calls differ: that a second one may have another batch size."""
    calls = [step for step in steps if step[0] == "call"]
    return ("core.infer.another-batch-size",) if any(step != calls[0] for step in calls) else ()


def core_case(name: str, clause: str, steps: list[Any], ask: list[Any], **more: Any) -> Case:
    """Return a case of the core; one that needs a capability belongs to another level."""
    level = more.pop("level", "core")
    feature = more.pop("feature", name.split(".")[0])
    return case(f"{level}.{name}", clause, steps, ask, feature=feature, **more)


def train_case(name: str, clause: str, steps: list[Any], ask: list[Any], **more: Any) -> Case:
    """Return a case of training."""
    return core_case(name, clause, steps, ask, level="train", **more)


def capabilities(steps: list[Step]) -> list[str]:
    """Return what a backend must support for these steps beyond the core."""
    found: set[str] = set()
    for verb, arguments in steps:
        found |= {f"layer.{kind}" for kind in kinds(arguments) if kind not in CORE}
        dtype = arguments.get("dtype") if verb == "to" else None
        if dtype not in (None, "float32"):
            found.add(f"dtype.{dtype}")
        if verb == "to" and arguments.get("compile"):
            found.add("compile")
        if verb == "gradients":
            found.add("gradients")
        if verb == "native":
            found.add("native.parameters")
        if verb == "op" and "float16" in str(arguments):
            found.add("tensor.float16")
        if verb == "native_script":
            found.add("native.script")
        if verb == "variables":
            found.add("variables")
    return sorted(found)


def kinds(data: Any) -> set[str]:
    """Return the kinds of layers that data mention, at any depth."""
    if isinstance(data, dict):
        own = {data["kind"]} if isinstance(data.get("kind"), str) else set()
        return own.union(*(kinds(each) for each in data.values()))
    if isinstance(data, list):
        return set().union(*(kinds(each) for each in data))
    return set()

"""The differential lane: what backends showed for the same steps, pair by pair.

It needs no expected value; so it sees texts, messages, and whatever no case asks for.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from .compare import close, decode
from .judge import expected_of
from .model.machine import UNKNOWN, Expected

Seen = dict[str, Any]
Difference = dict[str, Any]
# Errors that quote the framework's own words.
_QUOTING = ("NativeCallError",)
# What a step returns that is the framework's own: classes, names; whether a layer is made of its own
# forward. A net's backend is asked by P-12, a user's own class by W-4.
_OWN = ("classes", "listed", "backend", "user_class")
_FACTS = ("path", "name", "kind", "state", "shape", "dtype", "trainable", "requested")


def differences(
    cases: list[dict[str, Any]],
    answers: dict[str, dict[str, list[Seen]]],
    statuses: dict[str, dict[str, str]],
) -> list[Difference]:
    """Return every difference between backends that passed a case.

    Args:
        cases: The cases that ran.
        answers: By backend and case id, what the worker saw.
        statuses: By backend and case id; only what passed is compared, the rest is reported anyway.
    """
    found: list[Difference] = []
    for case in cases:
        name = case["id"]
        passed = [backend for backend in answers if statuses[backend].get(name) == "pass"]
        for one, two in itertools.combinations(passed, 2):
            seen = first(expected_of(case), (answers[one][name], one), (answers[two][name], two))
            if seen is not None:
                step, observable, *values = seen
                line = f"{name} · step {step} · {observable} · {one}: {values[0]} · {two}: {values[1]}"
                found.append(
                    {
                        "id": name,
                        "step": step,
                        "observable": observable,
                        "backends": [one, two],
                        "values": values,
                        "line": " ".join(line.split())[:600],
                    }
                )
    return found


def first(
    expected: list[Expected], one: tuple[list[Seen], str], two: tuple[list[Seen], str]
) -> tuple[int, str, str, str] | None:
    """Return the first difference of two backends' answers: step, observable, and both values.

    Args:
        expected: What the model says, which tells what is left to chance.
        one: What the one saw, and its name.
        two: The same of the other.
    """
    for step, (left, right) in enumerate(zip(one[0], two[0])):
        exact = _exact(left, one[1]), _exact(right, two[1])
        for observable, value in exact[0].items():
            other = exact[1].get(observable)
            if value != other:
                return step, observable, str(value)[:200], str(other)[:200]
        if step >= len(expected):
            continue
        for observable, value, other in _numbers(left, right, expected[step]):
            scale, terms = expected[step].scale, 4 * expected[step].terms
            difference = close(decode(other), decode(value), value["dtype"], terms, scale)
            if difference is not None:
                return step, observable, *difference
    return None


def _exact(seen: Seen, backend: str) -> dict[str, Any]:
    """Return everything that must be the same to the letter."""
    found: dict[str, Any] = {
        f"{fact} of {net}": [each[fact] for each in state]
        for net, state in seen["state"].items()
        for fact in _FACTS
    }
    found |= {"aliases": seen["aliases"], "law calls": seen["law_calls"], "warnings": len(seen["warnings"])}
    error = seen["error"]
    if error is not None:
        known = error["type"] not in _QUOTING
        facts = {
            name: value for name, value in error.items() if name not in ("backend", "traceback", "cause")
        }
        facts["message"] = _without_name(error["message"], backend) if known else ""
        found["error"] = facts if known else error["type"]
    result = seen["result"]
    found |= {name: value for name, value in result.items() if name not in (*_OWN, *_ARRAYS)}
    found["output types"] = [(each["dtype"], each["shape"]) for each in result.get("output", [])]
    found["gradients of"] = sorted((k, each["dtype"]) for k, each in result.get("gradients", {}).items())
    return found


_ARRAYS = ("output", "gradients", "value")


def _without_name(message: str, backend: str) -> str:
    """Return a message without the backend's own name: "The torch backend" is "The self backend"."""
    return re.sub(rf"\b{re.escape(backend)}\b", "self", message)


def _numbers(left: Seen, right: Seen, expected: Any) -> list[tuple[str, Seen, Seen]]:
    """Return the arrays to be compared numerically, where the spec does not leave them to chance."""
    found: list[tuple[str, Seen, Seen]] = []
    one, two = left["result"], right["result"]
    if all(each is not UNKNOWN for each in expected.result.get("output", [UNKNOWN])):
        found += [("output", a, b) for a, b in zip(one.get("output", []), two.get("output", []))]
    if "gradients" in one:
        found += [
            (f"gradient of {path}", each, two["gradients"][path]) for path, each in one["gradients"].items()
        ]
    for net, state in expected.state.items():
        values = [{each["path"]: each["value"] for each in seen["state"][net]} for seen in (left, right)]
        for each in state:
            if each["value"] is not None and each["value"] is not UNKNOWN:
                one_value, two_value = (value.get(each["path"]) or {} for value in values)
                if "data" in one_value and "data" in two_value:
                    found.append((f"value of {each['path']}", one_value, two_value))
    return found

"""The differential lane: it sees what no case asks for, and nothing that the spec leaves open."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from isomorph.conformance.differential import differences
from isomorph.conformance.manifest import by_id, load
from isomorph.conformance.process import Worker

NAMES = (
    "core.state.texts",
    "core.defer.read-before-data",
    "core.defer.first-call-uninitialized",
    "layers.dense.plain.values",
    "layers.embedding.out-of-range",
    "train.dropout.draws-anew",
    "core.share.module",
)
KNOWN = by_id(load())


@pytest.fixture(scope="module")
def seen() -> dict[str, list[Any]]:
    """Return what the reference's worker really answered."""
    worker = Worker("numpy")
    try:
        return {name: worker.run(KNOWN[name]["steps"], 60).seen for name in NAMES}
    finally:
        worker.close()


def found(seen: dict[str, Any], name: str, change: Callable[[Any], None], status: str = "pass") -> list[Any]:
    other = copy.deepcopy(seen[name])
    change(other)
    answers = {"one": {name: seen[name]}, "two": {name: other}}
    return differences([KNOWN[name]], answers, {"one": {name: "pass"}, "two": {name: status}})


def replace(tensor: dict[str, Any], values: np.ndarray) -> None:
    raw = np.ascontiguousarray(values).tobytes()
    tensor.update(data=base64.b64encode(raw).decode(), sha="0" * 24)


def values_of(tensor: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"]).reshape(tensor["shape"]).copy()


@pytest.mark.parametrize("name", NAMES)
def test_equal_answers_do_not_differ(seen: dict[str, Any], name: str) -> None:
    assert found(seen, name, lambda other: None) == []


def test_a_text_that_no_case_compares(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        other[4]["result"]["text"] += "!"

    (difference,) = found(seen, "core.state.texts", change)
    assert (difference["step"], difference["observable"], difference["backends"]) == (
        4,
        "text",
        ["one", "two"],
    )


def test_an_error_message(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        other[2]["error"]["message"] = "no"

    (difference,) = found(seen, "core.defer.read-before-data", change)
    assert difference["observable"] == "error"


def test_a_backends_own_name_in_a_message_is_no_difference(seen: dict[str, Any]) -> None:
    name = "core.defer.read-before-data"
    answers = {backend: {name: copy.deepcopy(seen[name])} for backend in ("one", "two")}
    for backend, steps in answers.items():
        steps[name][2]["error"]["message"] = f"The {backend} backend has no value."
    passed = {backend: {name: "pass"} for backend in answers}
    assert differences([KNOWN[name]], answers, passed) == []


def test_a_number_beyond_rounding(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        output = other[-1]["result"]["output"][0]
        replace(output, values_of(output) + np.float32(1e-4))

    (difference,) = found(seen, "layers.dense.plain.values", change)
    assert difference["observable"] == "output"


def test_a_number_within_rounding(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        output = other[-1]["result"]["output"][0]
        replace(output, np.nextafter(values_of(output), np.float32(9)))

    assert found(seen, "layers.dense.plain.values", change) == []


@pytest.mark.parametrize(
    ("name", "step"), [("train.dropout.draws-anew", 3), ("core.defer.first-call-uninitialized", 2)]
)
def test_what_chance_decides_may_differ(seen: dict[str, Any], name: str, step: int) -> None:
    def change(other: Any) -> None:
        output = other[step]["result"]["output"][0]
        replace(output, values_of(output) + 1)

    assert found(seen, name, change) == []


def test_a_frameworks_own_message_may_differ(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        other[3]["error"]["message"] = "another framework's words"

    assert found(seen, "layers.embedding.out-of-range", change) == []


def test_sharing(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        other[3]["aliases"]["net"].clear()

    (difference,) = found(seen, "core.share.module", change)
    assert difference["observable"] == "aliases"


def test_what_failed_anyway_is_not_told_twice(seen: dict[str, Any]) -> None:
    def change(other: Any) -> None:
        other[4]["result"]["text"] = ""

    assert found(seen, "core.state.texts", change, status="fail") == []

"""The suite as data: every clause a case, every layer cases, nothing symmetric, nothing stale."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections import Counter
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph import errors, nn, ops
from isomorph.conformance import manifest as manifests
from isomorph.conformance import spec
from isomorph.conformance.compare import COMPARISONS, ROUNDINGS, epsilon
from isomorph.conformance.data import array
from isomorph.conformance.judge import expected_of
from isomorph.conformance.layers import CONTAINERS, CORE_LAYERS, RECORDS
from isomorph.conformance.model.machine import UNKNOWN
from isomorph.conformance.profile import questions
from isomorph.conformance.suite import shuffled
from isomorph.conformance.worker import __main__ as worker
from isomorph.conformance.worker.session import Session

MANIFEST = manifests.load()
CASES = MANIFEST["cases"]


def arrays(data: Any) -> list[dict[str, Any]]:
    if isinstance(data, dict):
        own = [data] if data.get("fill") == "spread" else []
        return own + [each for value in data.values() for each in arrays(value)]
    return [each for value in data for each in arrays(value)] if isinstance(data, list) else []


def test_manifest_is_what_the_tables_say() -> None:
    stale = "run: python -m isomorph.conformance.manifest > conformance/manifest.json"
    assert manifests.digest(manifests.compiled()) == manifests.digest(MANIFEST), stale


def test_specification_page_is_current() -> None:
    page = files("isomorph.conformance").joinpath("SPEC.md").read_text()
    assert page == spec.page(), "run: python -m isomorph.conformance.spec > conformance/SPEC.md"


@given(st.integers(0, 2**32))
def test_another_order_keeps_needs_first(seed: int) -> None:
    order = [case["id"] for case in shuffled(CASES, seed)]
    place = {name: position for position, name in enumerate(order)}
    assert sorted(order) == sorted(case["id"] for case in CASES)
    assert order != [case["id"] for case in CASES]
    assert all(place[need] < place[case["id"]] for case in CASES for need in case["needs"])


def test_manifest_passes_its_lint() -> None:
    assert manifests.faults(MANIFEST) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": "core.defer.first-call"}, "there twice"),
        ({"needs": ["core.unheard-of"]}, "don't come before"),
        ({"clause": "D-99"}, "clause 'D-99'"),
        ({"oracle": "the code itself"}, "oracle"),
        ({"steps": [["skip", {}]]}, "no step 'skip'"),
        ({"ask": []}, "asks nothing"),
        ({"ask": [[0, "luck"]]}, "asks for 'luck'"),
        ({"ask": [[9, "shapes"]]}, "of step 9"),
        ({"oracle": "published", "expect": None}, "published number"),
    ],
)
def test_lint_finds(change: dict[str, Any], fault: str) -> None:
    first = {**CASES[0], "id": "core.defer.first-call", "needs": []}
    broken = {**MANIFEST, "cases": [first, {**CASES[1], **change}]}
    assert any(fault in each for each in manifests.faults(broken))


@pytest.mark.parametrize("status", ["provisional", "retired"])
def test_lint_finds_a_need_that_does_not_count(status: str) -> None:
    needed, other = ({**case, "needs": []} for case in CASES[:2])
    needed["status"], other["needs"] = status, [needed["id"]]
    broken = {**MANIFEST, "cases": [needed, other]}
    assert any("is active and needs" in each for each in manifests.faults(broken))


def test_lint_finds_a_clause_without_a_case() -> None:
    cases = [case for case in CASES if case["clause"] != "D-15"]
    assert "clause D-15 has no case" in manifests.faults({**MANIFEST, "cases": cases})


def test_no_tolerance_is_as_wide_as_what_is_expected() -> None:
    wide = []
    for case in CASES:
        expected = expected_of(case)
        for step in {step for step, name, *_ in case["ask"] if name == "output"}:
            seen = expected[step].result
            for value, dtype in zip(seen.get("output", ()), seen.get("dtypes", ())):
                if value is UNKNOWN or not np.any(value):
                    continue
                greatest = np.abs(np.asarray(value, "float64")[np.isfinite(value)]).max(initial=0.0)
                scale = max(expected[step].scale, greatest)
                allowed = ROUNDINGS * epsilon(dtype) * math.sqrt(expected[step].terms) * scale
                if greatest and allowed > 0.15 * greatest:
                    wide.append((case["id"], round(allowed / greatest, 3)))
    assert wide == []


def test_there_are_enough_active_cases() -> None:
    assert sum(case["status"] == "active" for case in CASES) >= 600


def test_every_exported_layer_has_cases_of_shapes_values_and_its_native_object() -> None:
    exported = {getattr(nn, name) for name in nn.__all__}
    layers = {each.__name__ for each in exported if isinstance(each, type) and issubclass(each, nn.Layer)}
    ids = [case["id"] for case in CASES]
    for name in layers - {"Layer", *CORE_LAYERS} | {"Dense"}:
        feature = name.lower()
        assert f"layers.{feature}.plain.shapes" in ids
        assert f"layers.{feature}.plain.values" in ids
        assert f"extras.native.{feature}.class" in ids


def test_every_exported_layer_has_a_record() -> None:
    exported = {getattr(nn, name) for name in nn.__all__}
    layers = {each.__name__ for each in exported if isinstance(each, type) and issubclass(each, nn.Layer)}
    assert set(RECORDS) == layers - {"Layer"}
    assert set(CONTAINERS) <= set(nn.__all__)


def test_every_capability_that_cases_need_is_asked() -> None:
    assert {each for case in CASES for each in case["capabilities"]} <= set(questions())


def test_every_capability_is_needed_by_a_case() -> None:
    needed = {each for case in CASES for each in case["capabilities"]}
    assert set(questions()) == needed


def test_every_function_of_ops_has_a_case() -> None:
    asked = {case["steps"][0][1].get("op") for case in CASES if case["feature"] == "ops"}
    assert set(ops.__all__) - {"Ops"} <= asked


def test_no_capability_removes_a_core_case() -> None:
    assert [case["id"] for case in CASES if case["level"] == "core" and case["capabilities"]] == []


def test_every_verb_and_observable_is_used() -> None:
    verbs = {verb for case in CASES for verb, _ in case["steps"]}
    assert verbs == {name[3:] for name in vars(Session) if name.startswith("do_")}
    assert {ask[1] for case in CASES for ask in case["ask"]} == set(COMPARISONS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_data_is_asymmetric(case: dict[str, Any]) -> None:
    """No zeros, no two equal elements: a transposed, swapped or dropped one changes a number."""
    for spec_of in arrays(case["steps"]):
        if spec_of["dtype"] not in ("float32", "float64"):
            continue
        values = array(spec_of)
        assert (values != 0).all()
        assert np.unique(values).size == values.size


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_model_knows_what_the_case_asks(case: dict[str, Any]) -> None:
    """An output that the spec leaves open, or that is all alike, would be no question."""
    expected = expected_of(case)
    for step, observable, *options in case["ask"]:
        if observable != "output" or options or case["oracle"] == "relation":
            continue
        for value in expected[step].result["output"]:
            assert value is not UNKNOWN
            assert np.size(value) < 4 or np.unique(value).size > 1


def test_published_numbers_are_what_the_model_says() -> None:
    for case in CASES:
        for step, facts in case.get("expect", {}).items():
            state = expected_of(case)[int(step)].state["net"]
            if "shapes" in facts:
                assert {each["path"]: each["shape"] for each in state} == facts["shapes"], case["id"]


def test_needs_form_no_long_chains() -> None:
    depth: dict[str, int] = {}
    for case in CASES:
        depth[case["id"]] = 1 + max((depth[need] for need in case["needs"]), default=0)
    assert max(depth.values()) <= 8


def test_ids_are_stable_words() -> None:
    for case in CASES:
        assert all(part and part == part.strip("-") for part in case["id"].split(".")), case["id"]
        assert case["id"] == case["id"].lower()


def test_manifest_is_plain_json() -> None:
    text = files("isomorph.conformance").joinpath("manifest.json").read_text()
    assert json.loads(text) == MANIFEST
    assert Counter(case["level"] for case in CASES).keys() == set(manifests.LEVELS)


@pytest.mark.parametrize(
    ("inside", "is_ours"),
    [("calls.py", True), ("backends/torch/calls.py", False), ("../other/calls.py", False)],
)
def test_a_warning_is_told_apart_wherever_the_package_lies(
    inside: str, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "__file__", "/home/backends/isomorph/errors.py")
    name = os.path.normpath(f"/home/backends/isomorph/{inside}")
    assert worker._is_ours(warnings.WarningMessage("told", UserWarning, name, 1)) is is_ours

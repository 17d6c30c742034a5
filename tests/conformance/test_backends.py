"""The gate: every backend runs the whole suite and conforms; all of them agree, pair by pair."""

from __future__ import annotations

from typing import Any

import pytest

from isomorph.conformance import manifest, suite
from isomorph.conformance.judge import GOOD


@pytest.fixture(scope="module")
def report(expected: tuple[str, ...]) -> dict[str, Any]:
    return suite.run(suite.Settings(expected, timeouts=4.0))


def test_backend_conforms(report: dict[str, Any], backend: str) -> None:
    entry = next(each for each in report["backends"] if each["name"] == backend)
    bad = [result["line"] for result in entry["results"] if result["status"] not in GOOD]
    assert bad == []
    assert entry["problems"] == []
    assert entry["state"] == "conforms"


def test_every_case_ran(report: dict[str, Any]) -> None:
    active = [case["id"] for case in manifest.load()["cases"] if case["status"] == "active"]
    for entry in report["backends"]:
        assert [result["id"] for result in entry["results"]] == active
        assert entry["executed"] == entry["required"] == len(active)


def test_backends_do_not_differ(report: dict[str, Any]) -> None:
    assert [each["line"] for each in report["differences"]] == []


def test_verdict(report: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert report["verdict"] == {"ok": True, "required": len(expected), "why": []}

"""A legal but odd backend passes everything: where it fails, a case asks more than its clause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import installed

from isomorph.conformance import manifest, suite
from isomorph.conformance.judge import GOOD

ODD = Path(__file__).parent / "packages" / "isomorph-odd"
# The only things that it says it can't do.
REFUSED = {"gradients", "compile", "native.script", "dtype.bfloat16"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with installed(ODD, tmp_path_factory.mktemp("odd")):
        yield suite.run(suite.Settings(("odd", "numpy"), timeouts=4.0))


def test_it_conforms(report: dict[str, Any]) -> None:
    entry = report["backends"][0]
    assert [each["line"] for each in entry["results"] if each["status"] not in GOOD] == []
    assert (entry["state"], entry["problems"]) == ("conforms", [])


def test_it_is_refused_nothing_that_it_can_do(report: dict[str, Any]) -> None:
    needs = {case["id"]: set(case["capabilities"]) for case in manifest.load()["cases"]}
    refused = [each["id"] for each in report["backends"][0]["results"] if each["status"] == "unsupported"]
    assert refused
    assert all(needs[name] & REFUSED for name in refused)


def test_nobody_sees_its_oddities_from_outside(report: dict[str, Any]) -> None:
    assert [each["line"] for each in report["differences"]] == []
    assert report["verdict"]["ok"]

"""A suite that can't fail proves nothing: every broken backend is caught by the case that names its fault.

Here a mutant of the reference meets the level of the case that kills it, but for the covering tables; a
mutant of another backend that case and what it needs. In `docs/mutants.md` they met the whole suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isomorph import registry
from isomorph.conformance import manifest, mutants
from isomorph.conformance.judge import GOOD
from isomorph.conformance.mutants.bench import Bench, level_of

TABLE = Path(__file__).parents[2] / "docs" / "mutants.md"
CASES = manifest.by_id(manifest.load())
OWN = mutants.of(registry.DEFAULT)
LEAST = 60


def failed(results: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, result in results.items() if result["status"] not in (*GOOD, "blocked")]


def shown(backend: str) -> list[tuple[str, str, str]]:
    """Return (name, fault, killer) of a backend's mutants from the page."""
    section = TABLE.read_text().partition(f"## {backend}:")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([\w-]+) \| (.+?) \| `([\w.-]+)` \|", section, re.MULTILINE)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(registry.DEFAULT) as running:
        yield running


@pytest.mark.parametrize("mutant", OWN, ids=lambda mutant: mutant.name)
def test_mutant_of_the_reference_is_killed_and_takes_few_along(mutant: mutants.Mutant, bench: Bench) -> None:
    bad = failed(bench.run(mutant.name, level_of(mutant.kills)))
    assert mutant.kills in bad
    assert len(bad) <= 1 + mutant.beside, bad


def test_the_reference_is_well_once_mutants_are_gone(bench: Bench) -> None:
    bench.run(OWN[0].name, (OWN[0].kills,))
    assert failed(bench.run(None)) == []


def test_mutants_are_killed_and_on_the_page(backend: str, subtests: pytest.Subtests) -> None:
    with Bench(backend) as running:
        of_it = running.mutants()
        facts = [(each["name"].partition(".")[2], each["fault"], each["kills"]) for each in of_it]
        assert sorted(facts) == sorted(shown(backend))
        assert len({each["name"] for each in of_it}) == len(of_it)
        if backend == registry.DEFAULT:
            return
        assert failed(running.run(None, tuple(each["kills"] for each in of_it))) == []
        for mutant in of_it:
            with subtests.test(mutant["name"]):
                assert mutant["kills"] in failed(running.run(mutant["name"], (mutant["kills"],)))


def test_there_are_enough_and_of_every_kind() -> None:
    assert len(OWN) >= LEAST
    chapters = {CASES[each.kills]["clause"].partition("-")[0] for each in OWN}
    # Gradients and compiled calls are other backends' own.
    assert chapters == {"A", "D", "E", "F", "I", "L", "M", "N", "P", "S", "W"}


def test_every_mutant_says_what_is_wrong() -> None:
    assert all(len(each.fault) > 20 for each in OWN)


def test_no_mutant_survives_on_the_page() -> None:
    text = TABLE.read_text()
    assert "**survives**" not in text
    assert sum(len(shown(info.name)) for info in registry.available()) >= LEAST

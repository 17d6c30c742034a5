"""What the reports have in common: root failures, the matrix and the changes since an earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from isomorph.conformance.report import changes, facts, matrix

Report = dict[str, Any]


def backend_of(report: Report, name: str) -> dict[str, Any]:
    return next(backend for backend in report["backends"] if backend["name"] == name)


def result(id: str, status: str, needs: str | None = None) -> dict[str, Any]:
    return {"id": id, "status": status, "needs": needs}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param([result("a", "pass"), result("b", "xfail")], {}, id="none"),
        pytest.param([result("b", "blocked", "a"), result("a", "fail")], {"a": ["b"]}, id="one"),
        pytest.param(
            [result("a", "crash"), result("b", "blocked", "a"), result("c", "blocked", "b")],
            {"a": ["b", "c"]},
            id="chain",
        ),
        pytest.param(
            [result("a", "fail"), result("b", "fail", "a")], {"a": [], "b": []}, id="two of their own"
        ),
        pytest.param([result("b", "blocked", "elsewhere")], {"b": []}, id="unknown cause"),
        pytest.param([result("a", "xfail"), result("b", "blocked", "a")], {"b": []}, id="good cause"),
        pytest.param(
            [result("a", "blocked", "b"), result("b", "blocked", "a")], {"b": ["a"], "a": ["b"]}, id="cycle"
        ),
        pytest.param([result("p", "fail"), result("a", "fail")], {"a": []}, id="provisional"),
    ],
)
def test_roots(results: list[dict[str, Any]], expected: dict[str, list[str]]) -> None:
    cases = {"p": {"id": "p", "status": "provisional"}}
    found = facts.roots({"results": results}, cases)
    assert {root.result["id"]: [blocked["id"] for blocked in root.blocked] for root in found} == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"line": "a.b · step 2 call · wrong"}, "step 2 call · wrong", id="id left out"),
        pytest.param({"line": "a.b: blocked by a.c"}, "blocked by a.c", id="id and colon left out"),
        pytest.param({"line": "a.bc is wrong"}, "a.bc is wrong", id="another id kept"),
        pytest.param({"line": "\x1b[31mwrong\x1b[0m\x00"}, "wrong", id="unprintable"),
        pytest.param({"reason": "not yet"}, "not yet", id="reason"),
        pytest.param({"needs": "a.c"}, "blocked by a.c", id="blocked"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_message(given: dict[str, str], expected: str) -> None:
    assert facts.message({"id": "a.b", **given}) == expected


@pytest.mark.parametrize(
    ("statuses", "text", "tone"),
    [
        ({"pass": 12}, "12/12", "good"),
        ({"pass": 11, "fail": 1}, "11/12 · 1 fail", "bad"),
        ({"pass": 1, "fail": 1, "blocked": 2}, "1/4 · 1 fail · 2 blocked", "bad"),
        ({"unsupported": 4}, "no (probed)", "none"),
        ({"pass": 9, "unsupported": 3}, "9/9 · 3 no", "good"),
        ({"xfail": 2}, "xfail 2", "warn"),
        ({"pass": 10, "xfail": 2}, "10/12 · xfail 2", "warn"),
        ({"pass": 10, "xfail": 1, "crash": 1}, "10/12 · 1 crash · xfail 1", "bad"),
        ({"missing": 2}, "0/2 · 2 missing", "bad"),
    ],
)
def test_matrix_cell(statuses: dict[str, int], text: str, tone: str, report: Report) -> None:
    ids = [f"core.defer.{number}" for number in range(sum(statuses.values()))]
    names = [status for status, count in statuses.items() for _ in range(count)]
    cases = [{"id": id, "level": "core", "feature": "defer", "status": "active"} for id in ids]
    backend = backend_of(report, "numpy") | {"results": [result(*pair) for pair in zip(ids, names)]}
    (level,) = matrix.levels(report | {"backends": [backend]}, {"cases": cases})
    assert level.rows[0].cells[0] == (text, tone)


def test_matrix_does_not_count_provisional_cases(report: Report, manifest: Report) -> None:
    rows = {row.feature: row for level in matrix.levels(report, manifest) for row in level.rows}
    assert rows["embedding"].cells[1].text == "3/3"


def test_matrix_levels_are_all_or_nothing(report: Report, manifest: Report) -> None:
    level = matrix.levels(report, manifest)[1]
    texts = ["holds 23/23", "not held 18/23", "broken", "22/23, 1 expected to fail", "absent"]
    assert [cell.text for cell in level.cells] == texts
    assert [cell.tone for cell in level.cells] == ["good", "bad", "bad", "warn", "none"]


def test_matrix_rows_follow_the_manifest(report: Report, manifest: Report) -> None:
    found = [(level.name, row.feature) for level in matrix.levels(report, manifest) for row in level.rows]
    assert found == list(dict.fromkeys((case["level"], case["feature"]) for case in manifest["cases"]))


def test_matrix_shows_results_that_the_manifest_lacks(report: Report, manifest: Report) -> None:
    backend_of(report, "torch")["results"].append(result("core.stray.values", "fail"))
    rows = {row.feature: row for level in matrix.levels(report, manifest) for row in level.rows}
    assert rows["stray"].cells[1].text == "0/1 · 1 fail"


@pytest.mark.parametrize(
    ("kind", "id"),
    [
        ("new_failures", "layers.conv2d.shapes"),
        ("fixed", "core.defer.values"),
        ("other", "layers.norm.values"),
        ("new_cases", "core.infer.values"),
        ("gone_cases", "core.retired.values"),
    ],
)
def test_changes(kind: str, id: str, report: Report, previous: Report) -> None:
    assert [(c.id, c.backend) for c in getattr(changes.compare(report, previous), kind)] == [(id, "torch")]


def test_nothing_changed_against_itself(report: Report) -> None:
    found = changes.compare(report, report)
    assert not any(found[1:])


def test_a_part_of_the_suite_has_no_gone_cases(report: Report, previous: Report) -> None:
    found = changes.compare(report | {"selection": ["layers.conv2d.shapes"]}, previous)
    assert not found.gone_cases
    assert not found.new_cases
    assert found.new_failures


def test_a_backend_that_vanished_is_one_change(report: Report, previous: Report) -> None:
    backend_of(report, "jax").update(state="absent", results=[])
    found = changes.compare(report, previous)
    assert found.backends == ("jax: conforms before, absent now",)
    assert len(found.gone_cases) == 1

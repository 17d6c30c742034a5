"""The written reports say what the report says, in each format, whatever text it holds."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from isomorph.conformance import report as reports
from isomorph.conformance import suite
from isomorph.conformance.judge import STATUSES
from isomorph.conformance.manifest import LEVELS, load
from isomorph.conformance.report import badge, changes, facts, html, junit, markdown, payload

Report = dict[str, Any]


def backend_of(report: Report, name: str) -> dict[str, Any]:
    return next(backend for backend in report["backends"] if backend["name"] == name)


def result_of(report: Report, name: str, id: str) -> dict[str, Any]:
    return next(result for result in backend_of(report, name)["results"] if result["id"] == id)


def test_every_format_is_written(report: Report, manifest: Report, previous: Report, tmp_path: Path) -> None:
    names = {path.name for path in reports.write(report, manifest, tmp_path / "new" / "folder", previous)}
    badges = {f"badge-{name}.svg" for name in ("numpy", "torch", "tensorflow", "jax", "mxnet")}
    assert names == {"report.json", "junit.xml", "summary.md", "scoreboard.html"} | badges
    assert names == {path.name for path in (tmp_path / "new" / "folder").iterdir()}


def test_report_json_is_the_report(report: Report, manifest: Report, tmp_path: Path) -> None:
    reports.write(report, manifest, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_writing_changes_nothing_it_was_given(report: Report, manifest: Report, tmp_path: Path) -> None:
    before = copy.deepcopy((report, manifest))
    reports.write(report, manifest, tmp_path, report)
    assert (report, manifest) == before


def test_badges_of_other_backends_are_removed_and_nothing_else(
    report: Report, conforming: Report, manifest: Report, tmp_path: Path
) -> None:
    kept = [tmp_path / name for name in ("badge.svg", "badge-mine.png", "notes.svg")]
    for path in kept:
        path.write_text("mine")
    reports.write(report, manifest, tmp_path)
    written = reports.write(conforming, manifest, tmp_path)
    assert {path.name for path in written} >= {"badge-numpy.svg", "badge-jax.svg"}
    assert set(tmp_path.iterdir()) == {*written, *kept}


def test_the_sample_has_the_fields_of_the_manifest(manifest: Report) -> None:
    fields = [{name for case in cases for name in case} for cases in (manifest["cases"], load()["cases"])]
    assert fields[0] == fields[1]


def test_the_sample_holds_every_status(report: Report) -> None:
    assert {r["status"] for b in report["backends"] for r in b["results"]} == set(STATUSES)


@pytest.mark.parametrize("name", ["report", "previous", "conforming"])
def test_reports_follow_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    jsonschema.Draft202012Validator.check_schema(reports.schema())
    jsonschema.Draft202012Validator(reports.schema()).validate(request.getfixturevalue(name))


def test_a_run_follows_the_schema() -> None:
    settings = suite.Settings(("numpy",), selection=("layers.dense.plain.values",), shuffle=3)
    jsonschema.Draft202012Validator(reports.schema()).validate(suite.run(settings))


def test_the_schema_names_every_status() -> None:
    assert set(reports.schema()["$defs"]["status"]["enum"]) == set(STATUSES) == set(facts.WORST_FIRST)


def test_the_schema_names_every_level() -> None:
    (pattern,) = reports.schema()["$defs"]["backend"]["properties"]["levels"]["patternProperties"]
    assert pattern == f"^({'|'.join(LEVELS)})$"


def test_statuses_are_shown_worst_first() -> None:
    assert facts.WORST_FIRST[0] == "fail"
    assert facts.WORST_FIRST[-4:] == ("blocked", "xfail", "unsupported", "pass")


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from objects(inner, f"{path}/{index}")


@pytest.mark.parametrize(
    "schema", [pytest.param(found, id=path or "/") for path, found in objects(reports.schema())]
)
def test_the_schema_leaves_no_object_open(schema: dict[str, Any]) -> None:
    assert "additionalProperties" in schema


def torch(report: Report) -> dict[str, Any]:
    return backend_of(report, "torch")


def first(report: Report) -> dict[str, Any]:
    return torch(report)["results"][0]


def expectation(report: Report) -> dict[str, Any]:
    report["backends"] = copy.deepcopy(report["backends"])
    return torch(report)["expectations"][0]


FAULTS: dict[str, Callable[[Report], Any]] = {
    "another version": lambda r: r.update(schema=2),
    "unknown property": lambda r: r.update(extra=1),
    "unknown property of a backend": lambda r: torch(r).update(extra=1),
    "unknown property of a result": lambda r: first(r).update(extra=1),
    "unknown property of the verdict": lambda r: r["verdict"].update(extra=1),
    "unknown property of a difference": lambda r: r["differences"][0].update(extra=1),
    "unknown status": lambda r: first(r).update(status="skip"),
    "unknown state": lambda r: torch(r).update(state="skipped"),
    "unknown level": lambda r: torch(r)["levels"].update(bonus={"required": 1, "passed": 1}),
    "missing property": lambda r: r.pop("differences"),
    "missing shuffle": lambda r: r.pop("shuffle"),
    "shuffle that is no seed": lambda r: r.update(shuffle="yes"),
    "missing expectations": lambda r: torch(r).pop("expectations"),
    "unknown property of an expectation": lambda r: expectation(r).update(extra="1"),
    "expectation without reason": lambda r: expectation(r).pop("reason"),
    "bound that is no number": lambda r: expectation(r).update(bound="1e-3"),
    "versions that are no text": lambda r: expectation(r).update(versions={"torch": 3}),
    "result without status": lambda r: first(r).pop("status"),
    "pass without log": lambda r: first(r).pop("log"),
    "failure without line": lambda r: result_of(r, "torch", "layers.conv2d.shapes").pop("line"),
    "failure without command": lambda r: result_of(r, "torch", "layers.conv2d.shapes").pop("command"),
    "blocked by nothing": lambda r: result_of(r, "torch", "layers.conv2d.values").update(needs=None),
    "blocked without cause": lambda r: result_of(r, "torch", "layers.conv2d.values").pop("needs"),
    "xfail without reason": lambda r: result_of(r, "torch", "layers.norm.values").pop("reason"),
    "counts without a status": lambda r: torch(r)["counts"].pop("missing"),
    "capability without answer": lambda r: torch(r)["capabilities"].update(compile=None),
    "conforms with problems": lambda r: backend_of(r, "numpy").update(problems=["expired"]),
    "broken without message": lambda r: backend_of(r, "tensorflow").update(message=""),
    "red verdict without reason": lambda r: r["verdict"].update(why=[]),
    "green verdict with reasons": lambda r: r["verdict"].update(ok=True),
    "part of the suite that conforms": lambda r: r.update(selection=["core.defer.shapes"]),
    "whole suite that only passes": lambda r: backend_of(r, "numpy").update(state="passes"),
    "manifest without its hash": lambda r: r.update(manifest="3f3f"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_schema_refuses(fault: str, report: Report) -> None:
    FAULTS[fault](report)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(reports.schema()).validate(report)


def suites(report: Report, manifest: Report) -> dict[str, ElementTree.Element]:
    return {suite.get("name", ""): suite for suite in ElementTree.fromstring(junit.render(report, manifest))}


def outcome(report: Report, manifest: Report, backend: str, name: str) -> tuple[str, str]:
    case = suites(report, manifest)[backend].find(f"testcase[@name='{name}']")
    assert case is not None
    children = [child for child in case if child.tag in ("failure", "error", "skipped")]
    assert len(children) < 2
    return (children[0].tag, children[0].get("message", "")) if children else ("passed", "")


def test_junit_has_a_suite_for_each_backend(report: Report, manifest: Report) -> None:
    assert list(suites(report, manifest)) == ["verdict", "numpy", "torch", "tensorflow", "jax", "mxnet"]


def test_junit_has_a_test_for_each_result(report: Report, manifest: Report) -> None:
    cases = suites(report, manifest)["jax"].findall("testcase")
    assert [case.get("name") for case in cases] == [
        result["id"] for result in backend_of(report, "jax")["results"]
    ]


@pytest.mark.parametrize(
    ("id", "element", "message"),
    [
        ("core.defer.shapes", "passed", ""),
        ("layers.conv2d.shapes", "failure", "1 of 770 numbers differs"),
        ("core.errors.values", "failure", "an expectation says it fails"),
        ("core.sharing.values", "error", "no such path 'b'"),
        ("layers.lstm.values", "error", "SIGSEGV"),
        ("train.gradients.values", "error", "no answer in 10 s"),
        ("core.errors.second-call", "error", "missing"),
        ("layers.conv2d.values", "error", "blocked by layers.conv2d.shapes"),
        ("layers.norm.values", "skipped", "framework-bug: the running variance"),
        ("extras.device.values", "skipped", "NotSupportedError"),
        ("layers.embedding.second-call", "skipped", "provisional, not counted: fail"),
        ("expectation layers.x.y: no case has this id", "failure", "no case has this id"),
    ],
)
def test_junit_outcome(id: str, element: str, message: str, report: Report, manifest: Report) -> None:
    found, text = outcome(report, manifest, "torch", id)
    assert found == element
    assert message in text


@pytest.mark.parametrize(("name", "element"), [("mxnet", "skipped"), ("tensorflow", "error")])
def test_junit_says_that_a_backend_did_not_run(
    name: str, element: str, report: Report, manifest: Report
) -> None:
    assert outcome(report, manifest, name, "backend") == (element, backend_of(report, name)["message"])


@pytest.mark.parametrize("attribute", ["tests", "failures", "errors", "skipped"])
def test_junit_counts_its_own_elements(attribute: str, report: Report, manifest: Report) -> None:
    top = ElementTree.fromstring(junit.render(report, manifest))
    tag = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}[attribute]
    for element in (top, *top):
        assert int(element.get(attribute, "-1")) == len(list(element.iter(tag)))


def test_junit_of_a_report_without_results_is_red(report: Report, manifest: Report) -> None:
    empty = report | {"backends": []}
    assert outcome(empty, manifest, "verdict", "verdict")[0] == "failure"


def test_junit_of_a_conforming_report_is_green(conforming: Report, manifest: Report) -> None:
    top = ElementTree.fromstring(junit.render(conforming, manifest))
    assert (top.get("failures"), top.get("errors")) == ("0", "0")


@pytest.mark.parametrize("name", ["command", "script", "expected", "received"])
def test_junit_failure_holds(name: str, report: Report, manifest: Report) -> None:
    case = suites(report, manifest)["torch"].find("testcase[@name='layers.conv2d.shapes']")
    assert case is not None
    assert result_of(report, "torch", "layers.conv2d.shapes")[name] in (case.findtext("failure") or "")


def test_junit_drops_what_xml_forbids(report: Report, manifest: Report) -> None:
    case = suites(report, manifest)["torch"].find("testcase[@name='layers.conv2d.shapes']")
    assert case is not None
    assert case.findtext("system-err") == "UserWarning:  control characters  and <b>markup</b>"


def test_markdown_starts_with_the_verdict(report: Report, manifest: Report) -> None:
    line = markdown.render(report, manifest).splitlines()[0]
    assert line == "**Does not conform**: torch: 7 failed; tensorflow: broken; mxnet: absent but required"


@pytest.mark.parametrize(
    ("selection", "is_ok", "words"),
    [
        (None, True, "**Conforms**"),
        (["core.defer.shapes"], True, "**Part of the suite, passes**"),
        (["core.defer.shapes"], False, "**Part of the suite, does not pass**: why"),
    ],
)
def test_markdown_verdict(
    selection: Any, is_ok: bool, words: str, conforming: Report, manifest: Report
) -> None:
    verdict = {"ok": is_ok, "required": 2, "why": [] if is_ok else ["why"]}
    text = markdown.render(conforming | {"selection": selection, "verdict": verdict}, manifest)
    assert text.startswith(words)


def test_markdown_table_has_a_row_for_each_backend(report: Report, manifest: Report) -> None:
    rows = [line for line in markdown.render(report, manifest).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(report["backends"])
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


def test_markdown_gives_each_root_failure_its_command(report: Report, manifest: Report) -> None:
    text = markdown.render(report, manifest)
    for root in facts.roots(torch(report), facts.cases_by_id(manifest)):
        assert f"**{root.result['status']}** `{root.result['id']}`" in text
        assert f"\n  {root.result['command']}\n" in text


def test_markdown_folds_blocked_cases(report: Report, manifest: Report) -> None:
    text = markdown.render(report, manifest)
    assert "`layers.conv2d.values`" not in text
    assert "It blocks 2 more." in text


def test_markdown_escapes_markup(report: Report, manifest: Report) -> None:
    text = re.sub(r"</?(details|summary)>", "", markdown.render(report, manifest))
    assert not re.search(r"(?<!\\)<", text)


def test_markdown_keeps_code(report: Report, manifest: Report) -> None:
    assert "symmetric: ``kernel // 2`` a side." in markdown.render(report, manifest)


def test_markdown_stays_short(report: Report, manifest: Report) -> None:
    for result in torch(report)["results"]:
        result.update(status="fail", line="wrong", command="isomorph conformance run")
    text = markdown.render(report, manifest)
    assert text.count("```sh") == 50
    assert "and 13 more root failures" in text


def test_markdown_counts_what_changed(report: Report, manifest: Report, previous: Report) -> None:
    text = markdown.render(report, manifest, changes.compare(report, previous))
    assert "new failures 1 · fixed 1 · other 1 · new cases 1 · gone cases 1." in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("numpy", "conforms · core 24/24 · layers 23/23 · train 8/8 · extras 8/8 · xfail 0 · 2026.11"),
        ("torch", "fails · core 21/24 · layers 18/23 · train 7/8 · extras 4/4 · xfail 1 · 2026.11"),
        ("tensorflow", "broken · 2026.11"),
        ("mxnet", "absent · 2026.11"),
    ],
)
def test_badge_text(name: str, words: str, report: Report) -> None:
    svg = ElementTree.fromstring(badge.render(report, backend_of(report, name)))
    space = "{http://www.w3.org/2000/svg}"
    assert svg.findtext(f"{space}title") == f"{name}: {words}"
    assert [text.text for text in svg.iter(f"{space}text")] == [name, words]


def test_badge_of_a_part_claims_nothing(report: Report) -> None:
    part = report | {"selection": ["core.defer.shapes"]}
    svg = badge.render(part, backend_of(part, "numpy"))
    assert "part of the suite" in svg
    assert "conforms" not in svg


def test_badge_colour_follows_the_state(report: Report) -> None:
    fills = {}
    for name in ("numpy", "jax", "torch", "tensorflow", "mxnet"):
        svg = ElementTree.fromstring(badge.render(report, backend_of(report, name)))
        fills[name] = list(svg.iter("{http://www.w3.org/2000/svg}rect"))[1].get("fill")
    assert fills["numpy"] == fills["jax"]
    assert fills["torch"] == fills["tensorflow"]
    assert len(set(fills.values())) == 3


class Page(HTMLParser):
    """Collects a page's elements and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def test_page_refers_to_nothing_outside_itself(report: Report, manifest: Report) -> None:
    page = Page(html.render(report, manifest))
    targets = [v for _, attrs in page.elements for name, v in attrs.items() if name in ("src", "href")]
    assert targets
    assert all(target == "data:," or (target or "").startswith("#") for target in targets)


@pytest.mark.parametrize(("seed", "is_shown"), [(None, False), (0, True), (7, True)])
def test_page_says_how_cases_were_shuffled(
    seed: int | None, is_shown: bool, report: Report, manifest: Report
) -> None:
    page = html.render(report | {"shuffle": seed}, manifest)
    assert (f"<dt>Shuffle</dt><dd>seed {seed}</dd>" in page) == is_shown
    assert ("Shuffle" in page) == is_shown


def test_page_carries_capabilities(report: Report, manifest: Report) -> None:
    found = {case["id"]: case.get("capabilities") for case in payload.payload(report, manifest)["cases"]}
    assert found["extras.compile.values"] == ["compile"]
    assert found["core.defer.values"] is None


def test_page_has_the_two_scripts_that_it_means_to_have(report: Report, manifest: Report) -> None:
    page = Page(html.render(report, manifest))
    assert len(page.scripts) == 2
    assert json.loads(page.scripts[0])["backends"][1]["name"] == "torch"


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!--", "\u2028", "\ud800", "a & b"])
def test_embedded_data_cannot_close_its_element(text: str) -> None:
    found = payload.embedded({"text": text})
    assert "<" not in found
    assert json.loads(found) == {"text": text}


def test_page_keeps_a_repeated_log_line_once(report: Report, manifest: Report) -> None:
    lines = payload.payload(report, manifest)["lines"]
    assert len(lines) == len(set(lines))
    assert html.render(report, manifest).count("call: node 399 ") == 1


def test_page_cuts_text_that_is_too_long(report: Report, manifest: Report) -> None:
    result_of(report, "torch", "layers.lstm.values")["stderr"] = "x" * 3_000_000
    text = html.render(report, manifest)
    assert len(text) < 300_000
    assert "2980000 more characters: see report.json" in text


def test_page_of_3500_results_is_small(large: tuple[Report, Report]) -> None:
    report, manifest = large
    assert sum(len(backend["results"]) for backend in report["backends"]) >= 3500
    assert len(html.render(report, manifest)) < 1_500_000

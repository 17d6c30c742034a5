"""The report as JUnit XML: a suite for the verdict, then one for each backend."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ..verdict import headline
from .facts import Record, case_of, cases_by_id, is_provisional, message, plain

_ELEMENTS = {
    **dict.fromkeys(("fail", "xpass"), "failure"),
    **dict.fromkeys(("error", "crash", "timeout", "missing", "blocked"), "error"),
    **dict.fromkeys(("xfail", "unsupported"), "skipped"),
}


def render(report: Record, manifest: Record) -> str:
    """Return the report as JUnit XML; expected failures and probed "no"s are skipped tests."""
    cases = cases_by_id(manifest)
    top = Element("testsuites", name=f"isomorph conformance {report['suite']}")
    _add_verdict(top, report)
    for backend in report["backends"]:
        _add_backend(top, report, backend, cases)
    for suite in top:
        _count(suite, suite.iter("testcase"))
    _count(top, top.iter("testcase"))
    top.set("time", f"{report['wall_s']:.3f}")
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def _add_verdict(top: Element, report: Record) -> None:
    # A report without a single result must be red too.
    suite = SubElement(top, "testsuite", name="verdict", timestamp=report["started"].rstrip("Z"), time="0")
    case = SubElement(suite, "testcase", classname="verdict", name="verdict", time="0")
    if not report["verdict"]["ok"]:
        _outcome(case, "failure", headline(report).capitalize(), "; ".join(report["verdict"]["why"]))


def _add_backend(top: Element, report: Record, backend: Record, cases: dict[str, Record]) -> None:
    name = backend["name"]
    suite = SubElement(top, "testsuite", name=name, timestamp=report["started"].rstrip("Z"))
    suite.set("time", f"{backend['wall_s']:.3f}")
    properties = SubElement(suite, "properties")
    facts = {
        "adapter": backend["adapter"],
        "suite": report["suite"],
        "manifest": report["manifest"],
        "isomorph": report["isomorph"],
        "python": report["python"],
        "platform": report["platform"],
        **backend["versions"],
    }
    for key, value in facts.items():
        SubElement(properties, "property", name=plain(key), value=plain(value))
    if backend["state"] in ("absent", "broken"):
        case = SubElement(suite, "testcase", classname=name, name="backend", time="0")
        element = "error" if backend["state"] == "broken" else "skipped"
        _outcome(case, element, backend["state"], backend["message"])
    for problem in backend["problems"]:
        case = SubElement(suite, "testcase", classname=name, name=plain(problem), time="0")
        _outcome(case, "failure", "problem", problem)
    for result in backend["results"]:
        _add_result(suite, name, result, case_of(cases, result["id"]))


def _add_result(suite: Element, backend: str, result: Record, case: Record) -> None:
    element = SubElement(
        suite,
        "testcase",
        classname=plain(f"{backend}.{case['level']}.{case['feature']}"),
        name=plain(result["id"]),
        time=f"{(result.get('ms') or 0) / 1000:.6f}",
    )
    status = result["status"]
    if status in _ELEMENTS and is_provisional(case):
        _outcome(
            element, "skipped", status, f"provisional, not counted: {status}: {message(result) or status}"
        )
    elif status in _ELEMENTS:
        _outcome(element, _ELEMENTS[status], status, message(result) or status, _details(result))
    if result.get("log") and status != "pass":
        SubElement(element, "system-out").text = plain("\n".join(result["log"]))
    if result.get("stderr"):
        SubElement(element, "system-err").text = plain(result["stderr"])


def _details(result: Record) -> str:
    names = ("clause", "step", "verb", "observable", "expected", "received", "command")
    lines = [f"{name}: {result[name]}" for name in names if result.get(name) is not None]
    return "\n".join([*lines, *(["", result["script"]] if result.get("script") else [])])


def _outcome(case: Element, element: str, kind: str, message: str, text: str = "") -> None:
    child = SubElement(case, element, message=plain(message))
    if element != "skipped":
        child.set("type", kind)
    child.text = plain(text) or None


def _count(suite: Element, cases: Iterable[Element]) -> None:
    found = list(cases)
    suite.set("tests", str(len(found)))
    for element, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(element) is not None for case in found)))

"""Reports of a conformance run: JSON, JUnit XML, Markdown, badges and a scoreboard."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from . import badge, html, junit, markdown
from .changes import compare

__all__ = ["schema", "write"]


def write(
    report: dict[str, Any], manifest: dict[str, Any], folder: Path, previous: dict[str, Any] | None = None
) -> list[Path]:
    """Write a report in every format.

    Args:
        report: the report, as ``schema()`` describes it.
        manifest: the manifest that the report answers; its ``clauses`` are the clauses' texts by id.
        folder: where the files go; made if it is not there.
        previous: an earlier report, to show what changed since.

    Returns:
        The files written: ``report.json``, ``junit.xml``, ``summary.md``, ``scoreboard.html`` and a
        ``badge-<backend>.svg`` for each backend. Badges of other backends are removed.
    """
    changes = compare(report, previous) if previous else None
    texts = {
        "report.json": json.dumps(report, indent=1, allow_nan=False) + "\n",
        "junit.xml": junit.render(report, manifest),
        "summary.md": markdown.render(report, manifest, changes),
        "scoreboard.html": html.render(report, manifest, changes),
        **{f"badge-{backend['name']}.svg": badge.render(report, backend) for backend in report["backends"]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("badge-*.svg"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``report.json``."""
    text = files("isomorph.conformance.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found

"""The report as one self-contained HTML page that works without a network."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from importlib.resources import files
from string import Template
from urllib.parse import quote

from ..verdict import headline
from .changes import Changes
from .facts import Record, bad_counts, moment, plain, scores, versions
from .matrix import Cell, levels
from .payload import embedded, payload


def render(report: Record, manifest: Record, changes: Changes | None = None) -> str:
    """Return the scoreboard: the matrix as HTML, every case as data that its script shows on demand."""
    style, script = _resource("scoreboard.css"), _resource("scoreboard.js")
    return Template(_resource("scoreboard.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        style=style,
        script=script,
        data=embedded(payload(report, manifest, changes)),
        suite=_escape(report["suite"]),
        tone="warn" if report["selection"] is not None else "good" if report["verdict"]["ok"] else "bad",
        headline=_escape(headline(report).capitalize()),
        why="".join(f"<li>{_escape(reason)}</li>" for reason in report["verdict"]["why"]),
        facts="".join(_facts(report)),
        backends="".join(_backend(backend) for backend in report["backends"]),
        matrix="".join(_matrix(report, manifest)),
    )


def _resource(name: str) -> str:
    return files("isomorph.conformance.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _facts(report: Record) -> Iterator[str]:
    asked = report["selection"]
    facts = {
        "Suite": f"{report['suite']}, spec {report['spec']}",
        "Asked": "the whole suite" if asked is None else f"{len(asked)} cases",
        "Isomorph": report["isomorph"],
        "Python": report["python"],
        "Platform": report["platform"],
        "Started": f"{moment(report)}, took {report['wall_s']:.0f} s",
    }
    if report.get("shuffle") is not None:
        facts["Shuffle"] = f"seed {report['shuffle']}"
    for name, value in facts.items():
        yield f"<div><dt>{name}</dt><dd>{_escape(value)}</dd></div>"
    for name in ("manifest", "command"):
        words = " ".join(f'<span class="word">{_escape(word)}</span>' for word in report[name].split())
        yield f'<div class="wide"><dt>{name.title()}</dt><dd><code>{words}</code></dd></div>'


def _backend(backend: Record) -> str:
    state = backend["state"]
    tone = {"conforms": "good", "passes": "good", "absent": "none"}.get(state, "bad")
    lines = [f'<p class="versions">{_escape(versions(backend))}</p>']
    if state in ("absent", "broken"):
        lines.append(f"<p>{_escape(backend['message'])}</p>")
    else:
        lines += [
            _parts("score", scores(backend)),
            _parts("bad", bad_counts(backend)),
            _parts("run", _run(backend)),
        ]
    if backend["problems"]:
        problems = "".join(f"<li>{_escape(problem)}</li>" for problem in backend["problems"])
        lines.append(f'<ul class="problems">{problems}</ul>')
    heading = f'<h3>{_escape(backend["name"])} <span class="state {tone}">{_escape(state)}</span></h3>'
    return f'<li class="backend {tone}">{heading}{"".join(lines)}</li>'


def _run(backend: Record) -> list[str]:
    return [
        f"executed {backend['executed']} of {backend['required']}",
        f"{backend['wall_s']:.1f} s",
        f"{backend['peak_mb']:.0f} MB",
        *([f"restarts {backend['restarts']}"] if backend["restarts"] else []),
    ]


def _parts(kind: str, parts: list[str]) -> str:
    return f'<p class="parts {kind}">' + " ".join(f"<span>{_escape(part)}</span>" for part in parts) + "</p>"


def _matrix(report: Record, manifest: Record) -> Iterator[str]:
    names = [backend["name"] for backend in report["backends"]]
    heads = "".join(f'<th scope="col">{_escape(name)}</th>' for name in names)
    yield f'<thead><tr><th scope="col">Feature</th>{heads}</tr></thead>'
    for level in levels(report, manifest):
        cells = "".join(f'<td class="{cell.tone}">{_escape(cell.text)}</td>' for cell in level.cells)
        yield f'<tbody><tr class="level"><th scope="rowgroup">{_escape(level.name)}</th>{cells}</tr>'
        for row in level.rows:
            plain = "" if any(cell.tone != "good" for cell in row.cells) else ' class="plain"'
            cells = "".join(
                _cell(name, level.name, row.feature, cell) for name, cell in zip(names, row.cells)
            )
            yield f'<tr{plain}><th scope="row">{_escape(row.feature)}</th>{cells}</tr>'
        yield "</tbody>"


def _cell(backend: str, level: str, feature: str, cell: Cell) -> str:
    text = _escape(cell.text)
    if cell.text in ("absent", "broken", "not run"):
        return f'<td class="{cell.tone}">{text}</td>'
    target = "/".join(quote(part, safe="") for part in (backend, level, feature))
    label = _escape(f"{feature} on {backend}: {cell.text}")
    return f'<td class="{cell.tone}"><a href="#{target}" aria-label="{label}">{text}</a></td>'


def _escape(text: str) -> str:
    return html.escape(plain(text))

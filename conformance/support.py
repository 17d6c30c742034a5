"""A page of what each backend can do and where it knowingly differs: ``docs/backends.md``."""

from __future__ import annotations

import datetime

from isomorph import registry

from . import profile
from .layers import CONTAINERS, RECORDS
from .manifest import by_id, load
from .worker.sites import profile_path

HEAD = """# What each backend can do

Made from the backends' own profiles (`conformance.toml`) by `python -m isomorph.conformance.support`;
a test fails when it is stale, and the suite holds every answer against the backend.
"""


def page() -> str:
    """Return the page in Markdown; no framework is imported."""
    profiles = {info.name: _profile(info) for info in registry.available()}
    lines = [HEAD, "## Layers", "", *_head("layer", profiles)]
    lines += [_row(name, [_has(name, each) for each in profiles.values()]) for name in _layers()]
    lines += ["", "## Capabilities", "", *_head("capability", profiles)]
    lines += [
        _row(name, [name not in each.lacks for each in profiles.values()]) for name in profile.QUESTIONS
    ]
    lines += ["", "## Known differences", ""]
    for name, each in profiles.items():
        lines += [f"### {name}", *(_differences(each) or ["None."]), ""]
    return "\n".join(lines)


def _profile(info: registry.BackendInfo) -> profile.Profile:
    path = profile_path(info.entry_point.module)
    text, ids = path.read_text(), set(by_id(load()))
    return profile.read(text, str(path), ids, {}, datetime.date.min, layers=())


def _layers() -> list[str]:
    return sorted((*RECORDS, *CONTAINERS), key=str.lower)


def _has(layer: str, of: profile.Profile) -> bool:
    """Whether a backend has a layer: the profile claims a native class for each that it has."""
    return layer in CONTAINERS or layer in of.data["native"]


def _head(head: str, profiles: dict[str, profile.Profile]) -> list[str]:
    return [f"| {head} | {' | '.join(profiles)} |", "|---" * (len(profiles) + 1) + "|"]


def _row(name: str, answers: list[bool]) -> str:
    return f"| {name} | {' | '.join('yes' if answer else 'no' for answer in answers)} |"


def _differences(of: profile.Profile) -> list[str]:
    lines = [f"- No `{name}`: {of.lacks[name]}" for name in profile.QUESTIONS if name in of.lacks]
    for row in of.data.get("expect", []):
        bound = f" At most {row['bound']:g} of the greatest number." if row.get("bound") else ""
        lines.append(f"- `{row['id']}` ({row['kind']}): {row['reason']}{bound}")
    lines += [f"- {row['what']} Why: {row['why']} At most: {row['bound']}" for row in of.data.get("note", [])]
    return lines


if __name__ == "__main__":
    print(page(), end="")

"""A page of what each backend can do and where it knowingly differs: ``docs/backends.md``."""

from __future__ import annotations

import datetime

from isomorph import nn, registry

from . import profile
from .layers import CORE_LAYERS
from .manifest import by_id, load
from .worker.sites import profile_path

HEAD = """# What each backend can do

Made from the backends' own profiles (`conformance.toml`) by `python -m isomorph.conformance.support`;
a test fails when it is stale, and the suite holds every answer against the backend.
"""


def page() -> str:
    """Return the page in Markdown; no framework is imported."""
    profiles = {info.name: _profile(info) for info in registry.available()}
    capabilities = [name for name in profile.questions() if not name.startswith("layer.")]
    lines = [HEAD, "## Layers", "", *_table("layer", [f"layer.{name}" for name in _layers()], profiles)]
    lines += ["", "## Capabilities", "", *_table("capability", capabilities, profiles)]
    lines += ["", "## Known differences", ""]
    for name, each in profiles.items():
        lines += [f"### {name}", *(_differences(each) or ["None."]), ""]
    return "\n".join(lines)


def _profile(info: registry.BackendInfo) -> profile.Profile:
    path = profile_path(info.entry_point.module)
    versions: dict[str, str | None] = {}
    return profile.read(path.read_text(), str(path), set(by_id(load())), versions, datetime.date.min)


def _layers() -> list[str]:
    exported = (getattr(nn, name) for name in nn.__all__)
    kinds = [each for each in exported if isinstance(each, type) and issubclass(each, nn.Module)]
    return sorted((kind.__name__ for kind in kinds if kind not in (nn.Module, nn.Layer)), key=str.lower)


def _table(head: str, names: list[str], profiles: dict[str, profile.Profile]) -> list[str]:
    lines = [f"| {head} | {' | '.join(profiles)} |", "|---" * (len(profiles) + 1) + "|"]
    for name in names:
        shown = name.removeprefix("layer.")
        answers = (shown in CORE_LAYERS or each.capabilities[name] for each in profiles.values())
        lines.append(f"| {shown} | {' | '.join('yes' if answer else 'no' for answer in answers)} |")
    return lines


def _differences(of: profile.Profile) -> list[str]:
    lines = []
    for row in of.data.get("expect", []):
        bound = f" At most {row['bound']:g} of the greatest number." if row.get("bound") else ""
        lines.append(f"- `{row['id']}` ({row['kind']}): {row['reason']}{bound}")
    lines += [f"- {row['what']} Why: {row['why']} At most: {row['bound']}" for row in of.data.get("note", [])]
    return lines


if __name__ == "__main__":
    print(page(), end="")

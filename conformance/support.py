"""A page of what each backend can do and where it knowingly differs."""

from __future__ import annotations

import isomorph
from isomorph import nn

HEAD = """# What each backend can do

Made from the adapters' own tables by `python -m isomorph.conformance.support`; a test fails when it
is stale.

## Layers
"""


def layers() -> list[type]:
    """Return every exported layer and container that a backend lowers by its table."""
    exported = [getattr(nn, name) for name in nn.__all__]
    kinds = [kind for kind in exported if isinstance(kind, type) and issubclass(kind, nn.Module)]
    layers = [kind for kind in kinds if kind not in (nn.Module, nn.Layer)]
    return sorted(layers, key=lambda kind: kind.__name__.lower())


def page() -> str:
    """Return the page in Markdown; loads every installed backend."""
    adapters = [isomorph.backend(info.name) for info in isomorph.available() if info.is_installed]
    names = " | ".join(adapter.name for adapter in adapters)
    lines = [HEAD, f"| layer | {names} |", "|---" * (len(adapters) + 1) + "|"]
    for kind in layers():
        marks = " | ".join("yes" if kind in adapter.table else "no" for adapter in adapters)
        lines.append(f"| {kind.__name__} | {marks} |")
    lines += ["", "## Declared deviations", ""]
    for adapter in adapters:
        lines.append(f"### {adapter.name}")
        for deviation in adapter.deviations:
            lines.append(f"- {deviation.what} Why: {deviation.why} At most: {deviation.bound}")
        if not adapter.deviations:
            lines.append("None.")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")

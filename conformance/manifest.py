"""The manifest: every case of the suite as data, with the digest that names it.

``python -m isomorph.conformance.manifest > conformance/manifest.json`` compiles it from the
tables in `isomorph.conformance.cases`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from .spec import CLAUSES, MAJOR, SUITE

Case = dict[str, Any]
Manifest = dict[str, Any]
LEVELS = ("core", "layers", "train", "extras")
ORACLES = ("rules", "reference", "stream", "published", "relation", "profile")
STATUSES = ("active", "provisional", "retired")
# A dozen cases that tell a broken harness from a broken backend.
SMOKE = (
    "core.defer.shapes-before-data",
    "core.defer.nothing-held",
    "core.defer.initialize-records",
    "core.defer.first-call",
    "core.defer.law-once-in-order",
    "core.defer.failed-call-leaves-no-trace",
    "core.init.law.uniform",
    "core.init.default.dense",
    "core.state.set-then-call",
    "core.state.move-and-back",
    "core.share.module",
    "layers.dense.plain.values",
)


def compiled() -> Manifest:
    """Return the manifest as the tables say it; needs the test tools that make covering tables."""
    from .cases import every
    from .cases.foundation import founded

    cases = founded(every())
    return {"suite": SUITE, "spec": MAJOR, "oracle": _oracle(), "smoke": list(SMOKE), "cases": cases}


@lru_cache(maxsize=1)
def load() -> Manifest:
    """Return the manifest that this release ships."""
    text = files("isomorph.conformance").joinpath("manifest.json").read_text()
    manifest: Manifest = json.loads(text)
    return manifest


def digest(manifest: Manifest) -> str:
    """Return the manifest's SHA-256, which names the suite."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def by_id(manifest: Manifest) -> dict[str, Case]:
    """Return the cases by id, in order."""
    return {case["id"]: case for case in manifest["cases"]}


def with_needs(names: Iterable[str], manifest: Manifest) -> list[str]:
    """Return the ids and all that they need, in the manifest's order."""
    needs = {case["id"]: case["needs"] for case in manifest["cases"]}
    wanted, found = list(names), set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += needs[name]
    return [name for name in needs if name in found]


def faults(manifest: Manifest) -> list[str]:
    """Return what is wrong with a manifest: the lint that every release passes."""
    from .compare import COMPARISONS
    from .worker.session import known_verbs

    found: list[str] = []
    known: set[str] = set()
    clauses = {clause.id for clause in CLAUSES}
    active = {case["id"] for case in manifest["cases"] if case["status"] == "active"}
    for case in manifest["cases"]:
        name = case["id"]
        if name in known:
            found.append(f"{name}: the id is there twice")
        if not set(case["needs"]) <= known:
            found.append(f"{name}: needs {sorted(set(case['needs']) - known)}, which don't come before it")
        # What does not count must not keep what counts from running.
        uncounted = [need for need in case["needs"] if case["status"] == "active" and need not in active]
        if uncounted:
            found.append(f"{name}: is active and needs {uncounted}, which are not")
        known.add(name)
        for field, allowed in (
            ("clause", clauses),
            ("level", LEVELS),
            ("oracle", ORACLES),
            ("status", STATUSES),
        ):
            if case[field] not in allowed:
                found.append(f"{name}: {field} {case[field]!r} is none of {sorted(allowed)}")
        for verb, _ in case["steps"]:
            if verb not in known_verbs():
                found.append(f"{name}: there is no step {verb!r}")
        if not case["ask"]:
            found.append(f"{name}: asks nothing")
        for step, observable, *_ in case["ask"]:
            if observable not in COMPARISONS or not 0 <= step < len(case["steps"]):
                found.append(f"{name}: asks for {observable!r} of step {step}")
        if case["oracle"] == "published" and not case.get("expect"):
            found.append(f"{name}: a published number is named but not given")
    met = {case["clause"] for case in manifest["cases"]}
    found += [f"clause {name} has no case" for name in sorted(clauses - met)]
    return found


def _oracle() -> str:
    """Return the digest of the oracle's sources: another oracle is another suite."""
    here = files("isomorph.conformance")
    texts = []
    for folder in map(here.joinpath, ("layers", "model")):
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".py"))
        texts += [folder.joinpath(name).read_text() for name in names]
    texts += [here.joinpath(name).read_text() for name in ("compare.py", "data.py")]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def text(manifest: Manifest) -> str:
    """Return the manifest as the file holds it: one case a line."""
    head = {name: value for name, value in manifest.items() if name != "cases"}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in manifest["cases"])
    return json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + lines + "\n]}\n"


if __name__ == "__main__":
    print(text(compiled()), end="")

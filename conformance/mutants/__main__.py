"""Run every mutant and write the table: ``python -m isomorph.conformance.mutants > docs/mutants.md``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from isomorph import registry
from isomorph.conformance import manifest
from isomorph.conformance.judge import GOOD

from .bench import Bench, level_of

# Where the suite takes longer than this, a mutant meets only the cases around the one that kills it.
SLOW_S = 45.0
HEAD = """# Mutants

Deliberately broken backends: one fault each, put into the library or an adapter inside the worker's
process. Made by `python -m isomorph.conformance.mutants` from a real run; a test fails when a mutant
is not in it, or survives. *Beside* counts other cases that failed, *blocked* those that were not run
because a case that they need failed, *ran* how many were asked: all, or those of its feature and clause.
"""


def around(case: dict[str, Any], cases: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the ids of the cases near one: of its feature, and of its clause."""
    near = (each for each in cases if (each["level"], each["feature"]) == (case["level"], case["feature"])
            or each["clause"] == case["clause"])  # fmt: skip
    return tuple(each["id"] for each in near)


def row(bench: Bench, mutant: dict[str, Any], selection: tuple[str, ...] | None) -> tuple[str, bool]:
    """Run one mutant; return its line of the table, and whether it was killed as it must be."""
    results = bench.run(mutant["name"], selection)
    statuses = {name: result["status"] for name, result in results.items()}
    bad = [name for name, status in statuses.items() if status not in (*GOOD, "blocked")]
    beside, blocked = len(set(bad) - {mutant["kills"]}), list(statuses.values()).count("blocked")
    near = len(set(bad).intersection(level_of(mutant["kills"])) - {mutant["kills"]})
    name, killed = mutant["name"].partition(".")[2], mutant["kills"] in bad
    kills = f"`{mutant['kills']}`" if killed else f"**survives** `{mutant['kills']}`"
    line = f"| {name} | {mutant['fault']} | {kills} | {beside} | {blocked} | {len(results)} |"
    return line, killed and near <= mutant["beside"]


def main() -> int:
    """Print the table; return 1 if a mutant survives or takes more of its level along than it may."""
    parser = argparse.ArgumentParser(prog="python -m isomorph.conformance.mutants", description=__doc__)
    parser.add_argument("--of", help="only the mutants of this backend")
    parser.add_argument("--only", help="only this mutant")
    options = parser.parse_args()
    cases = manifest.load()["cases"]
    known = manifest.by_id(manifest.load())
    print(HEAD)
    wrong: list[str] = []
    for info in registry.available():
        if not info.is_installed or options.of not in (None, info.name):
            continue
        with Bench(info.name) as bench:
            clock = time.perf_counter()
            own = bench.run(None)
            assert all(each["status"] in GOOD for each in own.values()), f"{info.name} does not conform"
            slow = time.perf_counter() - clock > SLOW_S
            mutants = [each for each in bench.mutants() if options.only in (None, each["name"])]
            print(f"## {info.name}: {len(mutants)}\n")
            print("| mutant | fault | killed by | beside | blocked | ran |\n|---|---|---|---|---|---|")
            for mutant in mutants:
                selection = around(known[mutant["kills"]], cases) if slow else None
                line, good = row(bench, mutant, selection)
                print(line, flush=True)
                wrong += [] if good else [mutant["name"]]
            print()
    print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

"""What the conformance suite costs: time and memory for each backend, and the harness's own share.

``python benchmarks/conformance.py [BACKEND,BACKEND]``. The harness's share is the time that is not
spent in steps: pipes, the model, comparisons; starting the framework is shown apart.
"""

from __future__ import annotations

import sys
import time

from isomorph import registry
from isomorph.conformance import suite
from isomorph.conformance.judge import expected_of
from isomorph.conformance.manifest import load
from isomorph.conformance.process import Worker


def start_of(name: str) -> float:
    clock = time.perf_counter()
    worker = Worker(name)
    took = time.perf_counter() - clock
    worker.close()
    return took


def main() -> None:
    installed = [info.name for info in registry.available() if info.is_installed]
    names = tuple(sys.argv[1].split(",")) if len(sys.argv) > 1 else tuple(installed)
    cases = load()["cases"]
    clock = time.perf_counter()
    for case in cases:
        expected_of(case)
    model = time.perf_counter() - clock
    print(f"{len(cases)} cases; the model's answers, once for all backends: {model:.1f} s\n")
    print("| backend | start | whole gate alone | in steps | harness per case | worker's peak memory |")
    print("|---|---|---|---|---|---|")
    for name in names:
        start = start_of(name)
        (entry,) = suite.run(suite.Settings((name,)))["backends"]
        steps = sum(result["ms"] for result in entry["results"]) / 1e3
        harness = 1e3 * (entry["wall_s"] - start - steps) / len(cases)
        print(
            f"| {name} | {start:.1f} s | {entry['wall_s']:.1f} s | {steps:.1f} s | {harness:.1f} ms "
            f"| {entry['peak_mb']:.0f} MB |"
        )
    if len(names) > 1:
        clock = time.perf_counter()
        report = suite.run(suite.Settings(names))
        took = time.perf_counter() - clock
        word = "all conform" if report["verdict"]["ok"] else "NOT all conform"
        print(f"\nall {len(names)} side by side: {took:.0f} s, {word}")


if __name__ == "__main__":
    main()

"""Measure Isomorph against hand-written native code in the same run.

    python benchmarks/run.py [--backends numpy,torch] [--json FILE]

Each backend is measured in a process of its own. Times are the least of several rounds, in which
ours and the native one alternate; a ratio near one means that nothing of ours is on the hot path.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import platform
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

ROUNDS = 15
WIDTH, LAYERS = 12288, 96
MLP_SIZES = [4096, 6144, 6144, 6144]  # 100.7 million parameters


def alternate(ours: Any, native: Any, seconds: float = 0.12) -> tuple[float, float]:
    """Return the least time of one call of each, in seconds."""
    for _ in range(3):
        ours(), native()
    start = time.perf_counter()
    native()
    count = max(1, int(seconds / ROUNDS / max(time.perf_counter() - start, 1e-7)))
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for index, call in enumerate((ours, native)):
            start = time.perf_counter()
            for _ in range(count):
                call()
            best[index] = min(best[index], (time.perf_counter() - start) / count)
    return best[0], best[1]


def nets() -> dict[str, Any]:
    """Return the two nets of the benchmark and their inputs."""
    from isomorph import nn

    mlp = nn.Sequential(nn.Dense(256, activation="relu"), nn.Dense(10))
    cnn = nn.Sequential(
        nn.Conv2d(16, 3, padding=1),
        nn.BatchNorm(),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 3, padding=1, activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(10),
    )
    generator = np.random.default_rng(0)
    return {
        "mlp": (mlp, generator.standard_normal((2, 20)).astype("float32")),
        "cnn": (cnn, generator.standard_normal((32, 3, 32, 32)).astype("float32")),
    }


def _call_and_wait(wait: Any, call: Any, x: Any) -> Any:
    return wait(call(x))


def measure_calls(backend: str) -> list[dict[str, Any]]:
    """Compare bound calls with the hand-written nets, eager and compiled."""
    from native import CALLS

    import isomorph

    rows = []
    for name, kinds in CALLS[backend]().items():
        for kind, native in kinds.items():
            net, data = nets()[name]
            net.to(backend, compile=kind == "compiled").eval()
            adapter = isomorph.backend(backend)
            x = adapter.from_numpy(data, net._isomorph.options)
            block = (lambda y: y.block_until_ready()) if backend == "jax" else (lambda y: y)
            calls = [partial(_call_and_wait, block, call, x) for call in (net, native)]
            ours, theirs = alternate(*calls)
            rows.append(row(f"{name} {kind} call", backend, ours, theirs))
    return rows


def row(what: str, backend: str, ours: float, native: float) -> dict[str, Any]:
    """Return one line of the table; times in microseconds."""
    return {
        "what": what,
        "backend": backend,
        "ours_us": ours * 1e6,
        "native_us": native * 1e6,
        "ratio": ours / native,
    }


def measure_materializing(backend: str) -> list[dict[str, Any]]:
    """Compare values for an MLP of a hundred million parameters with the framework's own."""
    import resource

    from native import default_initialization

    from isomorph import nn

    native = default_initialization(backend, MLP_SIZES)
    x = np.zeros((1, MLP_SIZES[0]), "float32")

    def ours() -> Any:
        net = nn.Sequential(*(nn.Dense(units) for units in MLP_SIZES[1:])).to(backend)
        return net.apply_init(x, seed=0)

    def timed(call: Any) -> float:
        gc.collect()
        start = time.perf_counter()
        kept = call()
        elapsed = time.perf_counter() - start
        del kept
        return elapsed

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = timed(ours)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    pairs = [(timed(ours), timed(native)) for _ in range(3)]
    parameters = sum((a + 1) * b for a, b in itertools.pairwise(MLP_SIZES)) * 4
    result = row("100 M parameters", backend, min(first, *(a for a, _ in pairs)), min(b for _, b in pairs))
    return [{**result, "peak_over_parameters": peak / parameters}]


def measure_infer() -> list[dict[str, Any]]:
    """Time shape inference of a deep wide net and of ten thousand layers."""
    from isomorph import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(), nn.LayerNorm()
            self.mix = [nn.Dense(WIDTH) for _ in range(4)]
            self.up, self.down = nn.Dense(4 * WIDTH, activation="gelu"), nn.Dense(WIDTH)

        def forward(self, x):
            y = self.norm1(x)
            for dense in self.mix:
                y = dense(y)
            x = x + y
            return x + self.down(self.up(self.norm2(x)))

    stacks = {
        f"infer {LAYERS} blocks of width {WIDTH}": (
            lambda: nn.Sequential(*(Block() for _ in range(LAYERS))),
            WIDTH,
        ),
        "infer 10,000 Dense": (lambda: nn.Sequential(*(nn.Dense(8) for _ in range(10_000))), 8),
    }
    rows = []
    for what, (make, width) in stacks.items():
        times = []
        for _ in range(3):
            net = make()
            gc.collect()
            start = time.perf_counter()
            net.infer((None, None, width))
            times.append(time.perf_counter() - start)
        net = make()
        gc.collect()
        tracemalloc.start()
        net.infer((None, None, width))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        count = sum(p.shape.size for p in net.parameters().values())
        rows.append({"what": what, "parameters": count, "seconds": min(times), "peak_megabytes": peak / 1e6})
    return rows


def measure_imports() -> list[dict[str, Any]]:
    """Time imports and the command line's help in fresh processes."""
    programs = {
        "import isomorph": "import isomorph",
        "from isomorph import nn": "from isomorph import nn",
        "import numpy": "import numpy",
    }
    rows = []
    for what, program in programs.items():
        timed = f"import time; t = time.perf_counter(); {program}; print(time.perf_counter() - t)"
        runs = [float(subprocess.check_output([sys.executable, "-c", timed])) for _ in range(7)]
        rows.append({"what": what, "seconds": min(runs)})
    runs = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "isomorph.cli", "--help"], capture_output=True, check=True)
        runs.append(time.perf_counter() - start)
    return [*rows, {"what": "isomorph --help, the whole process", "seconds": min(runs)}]


def main() -> None:
    """Measure everything, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", default="numpy,torch,tensorflow,jax,mxnet")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        rows = measure_calls(options.only) + measure_materializing(options.only)
        print("\n" + json.dumps(rows))
        return
    report: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    report["inference"], report["imports"] = measure_infer(), measure_imports()
    report["calls"] = []
    for backend in options.backends.split(","):
        print(f"measuring {backend}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, __file__, "--only", backend], stdout=subprocess.PIPE, text=True, check=True
        )
        report["calls"] += json.loads(done.stdout.strip().splitlines()[-1])
    for line in report["inference"]:
        print(
            f"{line['what']}: {line['parameters']:,} parameters, {line['seconds'] * 1e3:.1f} ms, "
            f"peak {line['peak_megabytes']:.1f} MB"
        )
    for line in report["imports"]:
        print(f"{line['what']}: {line['seconds'] * 1e3:.0f} ms")
    print(f"\n{'what':24}{'backend':12}{'ours us':>12}{'native us':>12}{'ratio':>8}{'peak/params':>13}")
    for line in report["calls"]:
        peak = f"{line['peak_over_parameters']:.2f}" if "peak_over_parameters" in line else ""
        print(
            f"{line['what']:24}{line['backend']:12}{line['ours_us']:12.1f}{line['native_us']:12.1f}"
            f"{line['ratio']:8.3f}{peak:>13}"
        )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

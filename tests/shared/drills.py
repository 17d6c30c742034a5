"""Small suites for backends that go wrong, and how they are run."""

from __future__ import annotations

import copy
from importlib.resources import files
from pathlib import Path
from typing import Any

from isomorph.conformance import manifest, suite
from isomorph.conformance.cases.write import case, dense, layer, spread

DRILLS = Path(__file__).parents[1] / "conformance" / "packages" / "isomorph-drills"
PROFILE = Path(str(files("isomorph.backends.numpy").joinpath("conformance.toml")))


def net(name: str, units: int, *inputs: int) -> dict[str, Any]:
    steps: list[Any] = [
        ["construct", {"spec": dense(units)}],
        ["to", {}],
        ["initialize", {"seed": 11}],
        ["call", {"inputs": [spread(*(inputs or (2, 5)))]}],
    ]
    return case(
        f"layers.drill.{name}",
        "D-4",
        steps,
        [[3, "output"]],
        feature="drill",
        oracle="reference",
        timeout=2.0,
    )


def relu(name: str = "relu") -> dict[str, Any]:
    steps: list[Any] = [
        ["construct", {"spec": layer("ReLU")}],
        ["to", {}],
        ["call", {"inputs": [spread(2, 3)]}],
    ]
    return case(f"layers.drill.{name}", "L-10", steps, [[2, "output"]], feature="drill")


def of(*cases: dict[str, Any]) -> dict[str, Any]:
    return {**manifest.load(), "cases": list(cases)}


# The request behind the trouble does not fit into a pipe's buffer.
LARGE = {**net("after", 5), "steps": copy.deepcopy(net("after", 5)["steps"])}
LARGE["steps"][3][1]["inputs"] = [{"values": [[0.123456789] * 20000], "dtype": "float32"}]
REDUCED = of(net("before", 7), net("trouble", 97), LARGE)


def run(name: str, suite_of: dict[str, Any] = REDUCED, **settings: Any) -> dict[str, Any]:
    settings = {"profile": PROFILE, "memory_mb": 400.0, **settings}
    return suite.run(suite.Settings((name,), **settings), manifest=suite_of)


def results(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (entry,) = report["backends"]
    assert entry["state"] != "broken", entry["message"]
    return {each["id"].rpartition(".")[2]: each for each in entry["results"]}

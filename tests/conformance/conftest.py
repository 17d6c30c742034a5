"""A realistic report, with text that would break careless markup, and a browser to look at it."""

from __future__ import annotations

import copy
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from isomorph.conformance.judge import STATUSES
from isomorph.conformance.report import write

FEATURES = {
    "core": {
        "defer": "D-1",
        "infer": "D-4",
        "initial": "I-2",
        "state": "S-1",
        "sharing": "S-6",
        "errors": "E-1",
    },
    "layers": {
        "dense": "L-1",
        "conv2d": "L-2",
        "pool2d": "L-3",
        "norm": "L-4",
        "lstm": "L-7",
        "embedding": "L-6",
    },
    "train": {"gradients": "T-1", "freeze": "T-2"},
    "extras": {"compile": "X-1", "device": "X-2"},
}
ASPECTS = ("shapes", "values", "unknown-before-data", "second-call")
HOSTILE = "</script><script>document.title = 'owned'</script> <img src=x onerror=\"alert('1')\"> & \"quoted\""
STEPS = [
    ["construct", {"kind": "Conv2d", "filters": 5, "kernel_size": 3, "padding": "same", "in_channels": None}],
    ["to", {"seed": 7, "dtype": "float32"}],
    ["call", {"inputs": [{"shape": [2, 3, 7, 11], "dtype": "float32", "fill": "spread"}]}],
]
CLAUSE = f"Padding is symmetric: ``kernel // 2`` a side. {HOSTILE}"
ARRAY = "float32 (2, 5, 7, 11) [0.1179 -0.2231 0.0484 0.3312 -0.1007 0.2750 ...]"

OTHER = f"1 of 770 numbers differs: 0.9999, not 0.2750 {HOSTILE}"


def make_manifest(copies: int = 1) -> dict[str, Any]:
    """Return a manifest of 64 cases, or of as many times more."""
    cases = [
        {
            "id": f"{level}.{feature}.{aspect}" + (f".{number}" if number else ""),
            "clause": clause,
            "level": level,
            "feature": feature,
            "capabilities": [feature] if level == "extras" else [],
            "since": "2026.11",
            "status": "provisional" if (feature, aspect) == ("embedding", "second-call") else "active",
            "oracle": "rules" if aspect == "shapes" else "reference",
            "needs": [] if aspect == "shapes" else [f"{level}.{feature}.shapes"],
            "timeout": 10,
            "steps": STEPS,
            "ask": [[2, "output"], [2, "shapes"]],
            "expect": {"2": {"shapes": {"weight": [5, 3, 3, 3], "bias": [5]}}},
        }
        for number in range(copies)
        for level, features in FEATURES.items()
        for feature, clause in features.items()
        for aspect in ASPECTS
    ]
    texts = {clause: f"{feature} answers alike on every backend." for _, feature, clause in _clauses()}
    return {
        "suite": "2026.11",
        "spec": 1,
        "clauses": {**texts, "L-2": CLAUSE},
        "cases": cases,
    }


def _clauses() -> list[tuple[str, str, str]]:
    return [
        (level, feature, clause)
        for level, features in FEATURES.items()
        for feature, clause in features.items()
    ]


BAD_RESULTS = {
    "core.sharing.values": {
        "status": "error",
        "line": "core.sharing.values: step 1 to: ValueError: no such path 'b'",
    },
    "core.errors.values": {
        "status": "xpass",
        "line": "core.errors.values · step 2 call · an expectation says it fails: remove the expectation",
    },
    "core.errors.second-call": {"status": "missing"},
    "layers.conv2d.shapes": {
        "status": "fail",
        "step": 2,
        "verb": "call",
        "observable": "output",
        "clause": "L-2",
        "expected": ARRAY,
        "received": OTHER,
        "line": "layers.conv2d.shapes · step 2 call · output · "
        f"expected {ARRAY} · received {OTHER} · L-2: {CLAUSE}",
        "script": "import native\n\nlayer = native.Conv2d(3, 5, 3)\nprint(layer(x))  # </script>",
        "stderr": "\x1b[31mUserWarning\x1b[0m: \x00 control characters \ud800 and <b>markup</b>",
        "log": [
            "construct: ok",
            "to: ok",
            *(f"call: node {number} float32 (2, 5, 7, 11)" for number in range(400)),
        ],
    },
    "layers.conv2d.values": {"status": "blocked", "needs": "layers.conv2d.shapes"},
    "layers.conv2d.unknown-before-data": {"status": "blocked", "needs": "layers.conv2d.values"},
    "layers.lstm.values": {
        "status": "crash",
        "attempts": 2,
        "order_dependent": True,
        "line": "layers.lstm.values: step 2 call: the worker died of SIGSEGV",
        "stderr": "Fatal Python error: Segmentation fault",
    },
    "layers.embedding.second-call": {
        "status": "fail",
        "step": 2,
        "line": "a provisional case fails",
        "observable": "output",
    },
    "train.gradients.values": {
        "status": "timeout",
        "line": "train.gradients.values: step 2 call: no answer in 10 s",
    },
    "layers.norm.values": {
        "status": "xfail",
        "reason": "framework-bug: the running variance is biased (review by 2027-05-01)",
    },
    **{
        f"extras.device.{aspect}": {
            "status": "unsupported",
            "reason": "device: asked for one, it raised NotSupportedError",
        }
        for aspect in ASPECTS
    },
}

EXPECTATION = {
    "id": "layers.norm.values",
    "kind": "framework-bug",
    "observable": "output",
    "bound": 1e-3,
    "received": "",
    "reason": "the running variance is biased",
    "url": "https://example.org/issues/1",
    "versions": {"torch": "<3"},
    "review": "2027-05-01",
}


def make_backend(name: str, manifest: dict[str, Any], state: str, answers: dict[str, Any]) -> dict[str, Any]:
    """Return one backend's part of a report; cases that `answers` lacks pass."""
    absent = state in ("absent", "broken")
    results = [] if absent else [_result(name, case["id"], answers) for case in manifest["cases"]]
    status = {result["id"]: result["status"] for result in results}
    active = [case for case in manifest["cases"] if case["status"] == "active"]
    levels = {}
    for level in FEATURES:
        asked = [case["id"] for case in active if case["level"] == level]
        asked = [id for id in asked if status.get(id) != "unsupported"]
        levels[level] = {"required": len(asked), "passed": sum(status.get(id) == "pass" for id in asked)}
    counts = Counter(status.values())
    return {
        "name": name,
        "adapter": f"isomorph.backends.{name}:Adapter",
        "versions": {} if state == "absent" else {name: "2.13.0"},
        "state": state,
        "message": {
            "absent": f'not installed: pip install "isomorph[{name}]"',
            "broken": "ImportError: <lib> & so",
        }.get(state, ""),
        "capabilities": {"compile": True, "device": False},
        "counts": {name: counts[name] for name in STATUSES},
        "levels": levels,
        "required": len(active),
        "executed": 0 if absent else len(active) - counts["missing"],
        "wall_s": 0 if absent else 31.2,
        "peak_mb": 0 if absent else 612.5,
        "restarts": 1 if counts["crash"] else 0,
        "expectations": [EXPECTATION] if counts["xfail"] else [],
        "problems": ["expectation layers.x.y: no case has this id"] if counts["fail"] else [],
        "results": results,
    }


def _result(backend: str, id: str, answers: dict[str, Any]) -> dict[str, Any]:
    result = {
        "id": id,
        "status": "pass",
        "ms": 12.1,
        "attempts": 1,
        "log": ["construct: ok", f"call: {ARRAY}"],
    }
    if id in answers:
        result |= {
            "command": f"isomorph conformance run --backend {backend} --case {id} --trace",
            **answers[id],
        }
    return copy.deepcopy(result)


def make_report(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a report on a manifest: one backend has every status, one is absent, one broken."""
    good = {id: answer for id, answer in BAD_RESULTS.items() if answer["status"] in ("xfail", "unsupported")}
    backends = [
        make_backend("numpy", manifest, "conforms", {}),
        make_backend("torch", manifest, "fails", BAD_RESULTS),
        make_backend("tensorflow", manifest, "broken", {}),
        make_backend("jax", manifest, "conforms", good),
        make_backend("mxnet", manifest, "absent", {}),
    ]
    return {
        "schema": 1,
        "suite": manifest["suite"],
        "spec": manifest["spec"],
        "manifest": "sha256:" + "3f" * 32,
        "started": "2026-11-22T07:00:00Z",
        "wall_s": 93.1,
        "isomorph": "0.1.0",
        "python": "3.11.7",
        "platform": "Linux-x86_64",
        "command": "isomorph conformance run --backend all --report conformance --previous old/report.json",
        "selection": None,
        "shuffle": None,
        "verdict": {
            "ok": False,
            "required": 5,
            "why": ["torch: 7 failed", "tensorflow: broken", "mxnet: absent but required"],
        },
        "backends": backends,
        "differences": [
            {
                "id": "layers.dense.values",
                "step": 2,
                "observable": "output",
                "backends": ["torch", "jax"],
                "values": ["float32 (2, 5) [0.1 0.2 ...]", f"float32 (2, 5) [0.1 0.3 ...] {HOSTILE}"],
                "line": "layers.dense.values · step 2 · output · torch and jax differ by 0.1",
            }
        ],
    }


def make_previous(report: dict[str, Any]) -> dict[str, Any]:
    """Return an earlier report: one case passed, one failed, one was absent, one is gone since."""
    earlier = copy.deepcopy(report) | {"suite": "2026.08", "started": "2026-08-01T07:00:00Z"}
    torch = earlier["backends"][1]
    statuses = {"layers.conv2d.shapes": "pass", "core.defer.values": "fail", "layers.norm.values": "pass"}
    for result in torch["results"]:
        result["status"] = statuses.get(result["id"], result["status"])
        if result["status"] == "fail":
            result |= {"line": "it failed", "command": "isomorph conformance run"}
    torch["results"] = [result for result in torch["results"] if result["id"] != "core.infer.values"]
    torch["results"].append(
        {"id": "core.retired.values", "status": "pass", "ms": 1.0, "attempts": 1, "log": []}
    )
    return earlier


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    return make_manifest()


@pytest.fixture
def report(manifest: dict[str, Any]) -> dict[str, Any]:
    return make_report(manifest)


@pytest.fixture
def previous(report: dict[str, Any]) -> dict[str, Any]:
    return make_previous(report)


@pytest.fixture
def conforming(manifest: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Return a report of two backends that conform."""
    backends = [backend for backend in report["backends"] if backend["state"] == "conforms"]
    return report | {
        "backends": backends,
        "verdict": {"ok": True, "required": 2, "why": []},
        "differences": [],
    }


@pytest.fixture(scope="session")
def large() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a report of 3,520 results, and its manifest."""
    manifest = make_manifest(copies=11)
    report = make_report(manifest)
    for index, backend in enumerate(report["backends"]):
        if not backend["results"]:
            report["backends"][index] = make_backend(backend["name"], manifest, "fails", BAD_RESULTS)
    return report, manifest


SWITCHES = (
    *("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync", "window-size=1280,900"),
)


class Browser:
    """A driver with the few gestures that these tests make."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(
        self,
        page: Path,
        address: str = "",
        width: int = 1280,
        theme: str = "light",
        phone: bool | None = None,
    ) -> None:
        mobile = width < 500 if phone is None else phone
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get("about:blank")
        self.driver.get(page.as_uri() + address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        script = (
            "return [...document.querySelectorAll(arguments[0])].filter((node) => node.checkVisibility())"
        )
        return list(self.run(script, selector))

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        script = "return arguments[0].map((node) => node.innerText.replace(/\\s+/g, ' ').trim())"
        return list(self.run(script, self.all(selector)))

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def wait(self, script: str) -> Any:
        return WebDriverWait(self.driver, 10).until(lambda driver: driver.execute_script(f"return {script}"))

    def wait_for(self, selector: str, text: str) -> None:
        WebDriverWait(self.driver, 10).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector).text == text
        )

    def wait_until(self, open: bool) -> None:
        self.wait(f"document.getElementById('detail').open === {str(open).lower()}")

    @property
    def hash(self) -> str:
        return str(self.run("return decodeURIComponent(location.hash)"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    # Debian's name; GitHub's machines have the other.
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver_path = shutil.which("chromedriver")
    if binary is None or driver_path is None:
        missing = "No chromium and chromedriver on the PATH; CONTRIBUTING.md says how to get them."
        if os.environ.get("ISOMORPH_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in SWITCHES:
        options.add_argument(f"--{switch}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver_path, log_output=os.devnull)
    driver = webdriver.Chrome(options, service)
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def page(report: Any, manifest: Any, previous: Any, tmp_path: Path) -> Path:
    write(report, manifest, tmp_path, previous)
    return tmp_path / "scoreboard.html"


@pytest.fixture
def large_page(large: Any, tmp_path: Path) -> Path:
    write(*large, tmp_path)
    return tmp_path / "scoreboard.html"

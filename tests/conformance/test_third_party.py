"""Backends from elsewhere: the page that makes one, command by command, and a real one over autograd."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from isomorph.conformance import profile, skeleton
from isomorph.conformance.manifest import load
from isomorph.errors import InvalidArgumentError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "prove-your-backend.md"
AUTOGRAD = Path(__file__).parent / "packages" / "isomorph-autograd"
RUN = "isomorph conformance run --backend mylib"
GREEN = "conforms: every required case ran and is as it must be"
# The whole suite on a busy machine.
LONGEST_S = 300


def run(command: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    given = {**os.environ, **offline, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=given, timeout=LONGEST_S, check=False
    )


@dataclass
class Walk:
    """A page's commands, followed in an environment over this one: what is installed there is not here."""

    folder: Path
    printed: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bin = self.folder / "environment" / "bin"
        venv.create(self.bin.parent, symlinks=True)
        base = {"base": str(self.bin.parent), "platbase": str(self.bin.parent)}
        below = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        Path(sysconfig.get_path("purelib", "venv", base), "below.pth").write_text("\n".join(below) + "\n")
        calls = {"pip": "-m pip", "pytest": "-m pytest", "isomorph": "-m isomorph.cli"}
        for name, call in calls.items():
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec "{self.bin}/python" {call} "$@"\n')
            script.chmod(0o755)

    def follow(self, page: Path) -> None:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        for line in "".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)).splitlines():
            command, _, comment = (part.strip() for part in line.partition("  # "))
            if command.startswith("cd "):
                self.folder /= command[3:]
                continue
            done = run(["bash", "-c", command], self.folder, PATH=path)
            expected = re.match(r"exit code (\d)", comment)
            assert done.returncode == int(expected[1] if expected else 0), command + done.stdout + done.stderr
            self.printed.append((command, done.stdout))

    def outputs(self, command: str) -> list[str]:
        return [printed for each, printed in self.printed if each == command]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    made = Walk(tmp_path_factory.mktemp("third-party"))
    made.follow(PAGE)
    return made


def test_an_unanswered_profile_is_refused_with_every_question(walk: Walk) -> None:
    refused = walk.outputs(RUN)[0]
    for name, question in profile.QUESTIONS.items():
        assert f"lacks {name} gives no reason; take it out if the answer is yes: {question}" in refused


def test_once_answered_the_package_conforms_and_what_it_lacks_is_probed(walk: Walk) -> None:
    assert walk.outputs(RUN)[1].rstrip().endswith(GREEN)
    report = json.loads((walk.folder / "report" / "report.json").read_text())
    mylib, numpy = report["backends"]
    assert (mylib["state"], numpy["state"], report["differences"]) == ("conforms", "conforms", [])
    assert mylib["executed"] == mylib["required"]
    assert mylib["counts"]["unsupported"] > 500
    assert mylib["levels"]["core"]["passed"] == mylib["levels"]["core"]["required"] > 150


def test_a_broken_formula_is_named_as_the_page_shows(walk: Walk) -> None:
    red = walk.outputs(RUN)[2]
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    parts = shown.split("…\n")  # what the page leaves out
    assert red.startswith(parts[0])
    assert all(part in red for part in parts)
    assert "layers.dense.no-bias.values ·" not in red


def test_the_package_holds_what_the_page_lists(tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path / "isomorph-mylib") for path in skeleton.write("mylib", tmp_path)}
    (table,) = re.findall(r"\| file \| what it holds \|\n(.*?)\n\n", PAGE.read_text(), re.DOTALL)
    listed = re.findall(r"^\| `(.+?)`", table, re.MULTILINE)
    assert all(any(str(path).startswith(name) for path in written) for name in listed)
    assert {str(path) for path in written if not str(path).startswith(tuple(listed))} == {
        "src/isomorph_mylib/__init__.py"
    }


def test_smoke_runs_as_many_cases_as_the_page_says(walk: Walk) -> None:
    (few, more) = re.findall(r"# (\d+) cases and the (\d+) they need", PAGE.read_text())[0]
    assert len(load()["smoke"]) == int(few)
    (printed,) = walk.outputs("isomorph conformance smoke --backend mylib")
    total = int(few) + int(more)
    assert printed.startswith(f"mylib: well ({total} of {total} cases)")


def test_the_badge_is_written_and_the_report_believed(walk: Walk) -> None:
    assert walk.outputs("isomorph conformance verify report") == ["the report is sound: mylib conforms\n"]
    assert "mylib: conforms · core" in (walk.folder / "report" / "badge-mylib.svg").read_text()


def test_nothing_of_a_template_is_left(walk: Walk) -> None:
    texts = [
        path.read_text() for path in walk.folder.rglob("*") if path.suffix in (".py", ".toml", ".yml", ".md")
    ]
    assert len(texts) > 8
    assert not re.search("MODULE|CLASS|SUITE|QUESTIONS|NAME", "".join(texts).replace("isomorph-NAME", ""))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "My",
        "my_lib",
        "2lib",
        "my--lib",
        "-lib",
        "lib-",
        "a/b",
        "../x",
        "mylib\n",
        "all",
        "torch",
        "keras",
    ],
)
def test_a_name_that_no_backend_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="new-backend: the name must be"):
        skeleton.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_of_several_words_is_spelled_as_each_place_needs(tmp_path: Path) -> None:
    skeleton.write("my-lib2x", tmp_path / "new" / "folder")
    package = tmp_path / "new" / "folder" / "isomorph-my-lib2x"
    assert 'my-lib2x = "isomorph_my_lib2x:MyLib2xAdapter"' in (package / "pyproject.toml").read_text()
    assert (package / "src" / "isomorph_my_lib2x" / "adapter.py").is_file()


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "isomorph-mylib"
    mine.mkdir()
    (mine / "README.md").write_text("mine")
    with pytest.raises(InvalidArgumentError, match="must be a new folder"):
        skeleton.write("mylib", tmp_path)
    assert [path.name for path in mine.iterdir()] == ["README.md"]
    done = run([sys.executable, "-m", "isomorph.cli", "conformance", "new-backend", "mylib"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "It exists already. Nothing was written" in done.stderr


# A real one: HIPS autograd, in a distribution of its own.


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the package into a folder; return what makes it visible."""
    folder = tmp_path_factory.mktemp("autograd")
    # A copy, so that the build leaves nothing behind.
    source = folder / "source"
    run(["cp", "-r", str(AUTOGRAD), str(source)], folder)
    target = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    done = run([sys.executable, "-m", "pip", "install", *target, str(source)], folder)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder / "site"), os.environ.get("PYTHONPATH"))))}


def test_autograd_conforms_with_gradients(installed: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "isomorph.cli", "conformance", "run", "--backend", "autograd"]
    done = run([*command, "--report", "report"], tmp_path, **installed)
    assert done.stdout.rstrip().endswith(GREEN), done.stdout + done.stderr
    (backend,) = json.loads((tmp_path / "report" / "report.json").read_text())["backends"]
    assert backend["adapter"] == "isomorph_autograd.adapter:AutogradAdapter"
    assert set(backend["versions"]) == {"autograd", "scipy", "numpy"}
    assert backend["levels"]["train"]["passed"] == backend["levels"]["train"]["required"] > 60
    assert backend["counts"]["xfail"] == 0


def test_a_framework_whose_tensors_are_arrays_takes_no_net_from_the_reference(
    installed: dict[str, str], tmp_path: Path
) -> None:
    program = """
import numpy
from isomorph import nn, ops
x = numpy.linspace(-1, 1, 10, dtype="float32").reshape(2, 5)
nn.Dense(3).to("autograd")(x)
net = nn.Dense(3)
net(x)
assert net.backend == "numpy", net.backend
"""
    done = run([sys.executable, "-c", program], tmp_path, **installed)
    assert done.returncode == 0, done.stderr


def test_functions_of_arrays_and_of_a_frameworks_tensors_are_the_frameworks(
    installed: dict[str, str], tmp_path: Path
) -> None:
    """Conditions and constants are plain arrays there, also while gradients are taken."""
    program = """
import numpy, isomorph
from isomorph import nn, ops
x = numpy.linspace(-1, 1, 10, dtype="float32").reshape(2, 5)
isomorph.backend("numpy")
ops.relu(x)                                    # the reference has met arrays first
class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(5)
    def forward(self, x):
        y = self.dense(x)
        y = ops.where(y > 0, y, y * 0.5)
        return ops.exp(ops.concat([x, y], 1))
def loss(y):
    return ops.sum(y * y)
net = Gate().initialize(seed=0).to("autograd")
found = net.gradients(loss, x)["dense.bias"]
step, values = 1e-3, []
for position in range(5):
    for sign in (1, -1):
        net.dense.bias[position] += sign * step
        values.append(float(loss(net(x).astype("float64"))))
        net.dense.bias[position] -= sign * step
expected = (numpy.array(values[::2]) - numpy.array(values[1::2])) / (2 * step)
numpy.testing.assert_allclose(found, expected, rtol=1e-2)
"""
    done = run([sys.executable, "-c", program], tmp_path, **installed)
    assert done.returncode == 0, done.stderr


def test_the_autograd_package_is_short_enough_to_read() -> None:
    lines = [line for path in AUTOGRAD.rglob("*.py") for line in path.read_text().splitlines()]
    assert len(lines) < 370


# In CI.


def inputs_of(workflow: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    inputs: dict[str, Any] = yaml.safe_load(workflow.read_text())[True]["workflow_call"]["inputs"]
    return inputs


def callers(tmp_path: Path) -> list[dict[str, Any]]:
    skeleton.write("mylib", tmp_path)
    own = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    theirs = yaml.safe_load((tmp_path / "isomorph-mylib/.github/workflows/conformance.yml").read_text())
    shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    jobs = [job for each in (*own, theirs, *shown) for job in each.get("jobs", {}).values()]
    return [job for job in jobs if "conformance.yml" in job.get("uses", "")]


def test_callers_of_the_reusable_workflow_give_what_it_takes(tmp_path: Path) -> None:
    inputs = inputs_of(ROOT / ".github" / "workflows" / "conformance.yml")
    required = {name for name, each in inputs.items() if each.get("required")}
    found = callers(tmp_path)
    assert len(found) == 4
    for job in found:
        assert required <= set(job["with"]) <= set(inputs)


def test_the_workflows_steps_are_the_commands_that_exist() -> None:
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "conformance.yml").read_text())["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert 'isomorph conformance run --backend "$BACKEND" --report conformance-report $ARGUMENTS' in commands
    assert all("continue-on-error" not in step for step in job["steps"])
    for command in commands:
        assert run(["bash", "-n", "-c", command], ROOT).returncode == 0

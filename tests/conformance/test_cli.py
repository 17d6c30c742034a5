"""`isomorph conformance`: exit codes, what it prints, reports that can be verified."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from isomorph.conformance.console import show_case
from isomorph.conformance.manifest import by_id, load, with_needs

PART = ("core.defer.first-call", "layers.dense.plain.values", "train.gradients.dense")


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "isomorph.cli", "conformance", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a whole run on the reference."""
    folder = tmp_path_factory.mktemp("report")
    done = command("run", "--backend", "numpy", "--report", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def edited(report: Path, folder: Path, change: Any) -> Path:
    read = json.loads((report / "report.json").read_text())
    change(read)
    path = folder / "report.json"
    path.write_text(json.dumps(read))
    return path


def test_run_writes_every_report(report: Path) -> None:
    names = {path.name for path in report.iterdir()}
    assert names == {"report.json", "junit.xml", "summary.md", "badge-numpy.svg", "scoreboard.html"}


def test_run_of_a_part(tmp_path: Path) -> None:
    selected = [word for name in PART for word in ("--case", name)]
    done = command("run", "--backend", "numpy", *selected, "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout
    asked = json.loads((tmp_path / "report.json").read_text())["selection"]
    assert "part of the suite, passes" in done.stdout
    assert set(asked) == set(with_needs(PART, load()))


def test_a_case_brings_what_it_needs() -> None:
    name = "layers.conv2d.stride.values"
    count = len(with_needs((name,), load()))
    assert count > 1
    assert f"{count} of {count}" in command("run", "--backend", "numpy", "--case", name).stdout


def test_an_unknown_id_is_an_error_with_the_nearest() -> None:
    done = command("run", "--backend", "numpy", "--case", "core.defer.frst-call")
    assert done.returncode == 2
    assert "core.defer.first-call" in " ".join(done.stderr.split())


@pytest.mark.parametrize("option", [("--backend", "pytroch"), ("--backend", "numpy", "--require", "nobody")])
def test_a_backend_that_is_not_there_fails(option: tuple[str, ...]) -> None:
    done = command("run", *option, "--case", PART[0])
    assert done.returncode == 1
    assert "absent" in done.stdout
    assert "does not pass" in done.stdout
    assert "answer the questions" not in done.stdout


def test_trace_prints_each_step() -> None:
    done = command("run", "--backend", "numpy", "--case", PART[1], "--trace")
    assert "call: float32 (2, 7)" in done.stdout


def test_list_filters_by_clause() -> None:
    done = command("list", "--clause", "D-1")
    assert "core.defer.shapes-before-data  D-1  rules" in done.stdout
    assert all("  D-1  " in line for line in done.stdout.splitlines()[:-1])


def test_list_json_is_the_cases() -> None:
    found = json.loads(command("list", "--level", "extras", "--json").stdout)
    assert {case["level"] for case in found} == {"extras"}


def test_show_prints_clause_steps_and_what_is_asked() -> None:
    done = command("show", "core.defer.first-call")
    assert "D-4: The first call on data gives every parameter its sizes" in done.stdout
    assert "asks shapes: {'0.weight': [7, 5]" in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("core.infer.chain-values", "asks output: float32 (2, 3)\n          [[ 0.01367004"),
        ("layers.conv2d.stride.values", "asks output: float32 (2, 5, 5, 3)\n          [[[["),
        ("layers.conv2d.stride.values", "\n             ...\n"),
        ("layers.dense.plain.values", "asks output.dtype: ['float32']"),
        ("core.state.learned-and-not", "asks values:\n          factor: float32 (5,)\n          [0.5 0.5"),
        ("train.batchnorm.running.one-step", "running_var: float32 (3,)\n          [2.28"),
        ("train.gradients.dense", "asks gradients:\n          weight: (3, 5)\n          [[-0.03"),
        ("train.dropout.draws-anew", "asks output: other values than step 2"),
        ("extras.compile.equals-eager.mlp", "asks output: as in step 3"),
        ("extras.native.dense.class", "asks native.class: as the profile claims of Dense"),
        ("core.book.mismatched-sizes", 'the case itself says: "ShapeMismatchError"'),
    ],
)
def test_show_prints_the_expected_answer(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_case(by_id(load())[name])
    assert said in capsys.readouterr().out


def test_show_has_an_answer_to_every_question(capsys: pytest.CaptureFixture[str]) -> None:
    for case in load()["cases"]:
        show_case(case)
        printed = capsys.readouterr().out.splitlines()
        asked = [line.strip().partition(":") for line in printed if line.startswith("      asks ")]
        assert sorted(name for name, *_ in asked) == sorted(f"asks {name}" for _, name, *_ in case["ask"])
        literal = sum(len(each) for each in case.get("expect", {}).values())
        assert sum("the case itself says" in line for line in printed) == literal


def test_show_writes_a_script_that_runs(tmp_path: Path) -> None:
    done = command("show", "layers.embedding.tied", "--backend", "numpy")
    path = tmp_path / "script.py"
    path.write_text(done.stdout[done.stdout.index('"""') :])
    ran = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "embed.weight" in ran.stdout


def test_smoke_says_that_all_is_well() -> None:
    done = command("smoke")
    assert (done.returncode, done.stdout) == (0, "harness and reference are well\n")


def test_verify_believes_a_sound_report(report: Path) -> None:
    done = command("verify", str(report))
    assert done.returncode == 0
    assert "the report is sound: numpy conforms" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["backends"][0]["results"].pop(5), "is missing"),
        (lambda r: r["backends"][0]["results"].append(r["backends"][0]["results"][0]), "there 2 times"),
        (lambda r: r.update(manifest="sha256:" + "0" * 64), "of the manifest"),
        (lambda r: r["backends"][0]["counts"].update({"pass": 9999}), "counts says"),
        (lambda r: r["backends"][0]["results"][3].update(status="fail"), "state says conforms"),
        (lambda r: r["backends"][0]["results"][3].update(status="skipped"), "no status 'skipped'"),
        (lambda r: r["backends"][0]["results"][3].update(id="core.made-up"), "no case of this suite"),
        (lambda r: r["backends"][0]["levels"]["core"].update(passed=999), "levels says"),
        (lambda r: r["verdict"].update(why=["nothing"]), "the verdict says"),
        (lambda r: r.pop("backends"), "no report of schema 1"),
    ],
)
def test_verify_refuses(report: Path, tmp_path: Path, change: Any, said: str) -> None:
    done = command("verify", str(edited(report, tmp_path, change)))
    assert done.returncode == 1
    assert said in done.stdout


def test_verify_of_no_report(tmp_path: Path) -> None:
    done = command("verify", str(tmp_path / "report.json"))
    assert done.returncode == 2


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isomorph.conformance", "list", "--clause", "D-15"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "core.defer.threads-initialize-once" in done.stdout

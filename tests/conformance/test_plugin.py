"""The suite in pytest: the same cases, statuses, reports and verdict as the command line's."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import isomorph
from isomorph.conformance import suite
from isomorph.conformance.manifest import load, with_needs
from isomorph.conformance.verdict import faults

pytest_plugins = ["pytester"]
PROFILE = Path(isomorph.__file__).parent / "backends" / "numpy" / "conformance.toml"


@pytest.fixture
def run(pytester: pytest.Pytester) -> Any:
    """Return a function that runs pytest with the plugin in an empty folder."""
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error")

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "isomorph.conformance.plugin", *arguments)

    return run


@pytest.fixture(scope="module")
def by_command_line() -> dict[str, Any]:
    """Return the entry of a run of the whole suite without pytest."""
    entry: dict[str, Any] = suite.run(suite.Settings(("numpy",)))["backends"][0]
    return entry


def read(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def statuses(entry: dict[str, Any]) -> dict[str, str]:
    return {result["id"]: result["status"] for result in entry["results"]}


def profile_without(folder: Path, name: str) -> Path:
    """Return the reference's profile that does not say that it lacks something."""
    lines = PROFILE.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{name} =")]
    assert kept != lines
    path = folder / "other.toml"
    path.write_text("\n".join(kept))
    return path


def test_whole_suite_is_that_of_the_command_line(
    run: Any, pytester: pytest.Pytester, by_command_line: dict[str, Any]
) -> None:
    done = run("--backend", "numpy", "--conformance-report", "out", "-q")
    counts = by_command_line["counts"]
    assert done.ret == 0
    # The profile is one item more.
    assert done.parseoutcomes() == {"passed": counts["pass"] + 1, "unsupported": counts["unsupported"]}
    report = read(pytester.path / "out")
    assert faults(report, load()) == []
    assert statuses(report["backends"][0]) == statuses(by_command_line)
    assert (report["selection"], report["verdict"]["ok"]) == (None, True)


def test_xdist_gives_the_same_report(
    run: Any, pytester: pytest.Pytester, by_command_line: dict[str, Any]
) -> None:
    done = run("--backend", "numpy", "--conformance-report", "out", "-q", "-n", "2", "--dist", "loadgroup")
    assert done.ret == 0
    report = read(pytester.path / "out")
    assert faults(report, load()) == []
    assert statuses(report["backends"][0]) == statuses(by_command_line)


def test_xdist_without_groups_joins_what_its_workers_showed(run: Any, pytester: pytest.Pytester) -> None:
    done = run("--backend", "numpy", "-k", "core.defer", "--conformance-report", "out", "-q", "-n", "2")
    assert done.ret == 0
    report = read(pytester.path / "out")
    assert faults(report, load()) == []
    assert report["verdict"]["ok"]


def test_what_a_selected_case_needs_runs_too(run: Any, pytester: pytest.Pytester) -> None:
    done = run("--backend", "numpy", "-k", "core.defer.law-not-called-again", "--conformance-report", "out")
    done.assert_outcomes(passed=1, deselected=len(load()["cases"]))
    selection = read(pytester.path / "out")["selection"]
    assert selection == with_needs(("core.defer.law-not-called-again",), load())
    assert "core.defer.first-call" in selection


def test_ids_name_backend_and_case(run: Any) -> None:
    done = run("--backend", "numpy", "--collect-only", "-q", "-k", "layers.conv2d.groups.values")
    done.stdout.fnmatch_lines(["isomorph.conformance::numpy::layers.conv2d.groups.values"])


def test_one_case_by_its_id(run: Any) -> None:
    done = run("--backend", "numpy", "isomorph.conformance::numpy::core.defer.first-call")
    done.assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [("test_own.py", "--pyargs", "isomorph.conformance"), ()])
def test_beside_ordinary_tests(run: Any, pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(test_own="def test_own_first_call(): pass")
    done = run("--backend", "numpy", "-k", "own_first_call or core.defer.first-call", *arguments)
    done.assert_outcomes(passed=3, deselected=len(load()["cases"]) - 1)


def test_ordinary_tests_alone_say_that_no_case_ran(run: Any, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    pytester.makeini("[pytest]\naddopts = --backend numpy")
    done = run("test_own.py")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["no case was selected: nothing is known of numpy"])


def test_a_backend_that_is_typed_runs_beside_named_files(run: Any, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    done = run("test_own.py", "--backend=numpy", "-k", "test_own or core.defer.first-call")
    done.assert_outcomes(passed=3, deselected=len(load()["cases"]) - 1)


@pytest.mark.parametrize("names", ["", ",", " "])
def test_no_name_is_an_error(run: Any, pytester: pytest.Pytester, names: str) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    assert run("--backend", names).ret == pytest.ExitCode.USAGE_ERROR


def test_what_is_required_must_be_there(run: Any) -> None:
    names = ("--backend", "numpy", "--conformance-require", "numpy,nosuch")
    done = run(*names, "-k", "profile or core.defer.first-call")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*nosuch: absent*"])


def test_a_part_on_one_backend_is_no_verdict_on_all(run: Any) -> None:
    cases = [f"isomorph.conformance::{name}::core.defer.first-call" for name in ("torch", "numpy")]
    done = run("--backend", "numpy,torch", *cases)
    done.stdout.fnmatch_lines(["part of the suite, passes"])


def test_nothing_selected_is_an_error(run: Any) -> None:
    assert run("--backend", "numpy", "-k", "there-is-no-such-case").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_suite_without_a_backend_is_an_error(run: Any) -> None:
    done = run("isomorph.conformance")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*name them, such as --backend numpy*"])


def test_a_missing_backend_fails_by_itself_and_in_every_case(run: Any) -> None:
    done = run("--backend", "nosuch", "-k", "profile or core.defer.first-call")
    done.assert_outcomes(failed=3, deselected=len(load()["cases"]) - 2)
    done.stdout.fnmatch_lines(["*nosuch::profile*", "*missing: core.defer.first-call: nosuch is absent*"])


def test_a_profile_with_problems_fails_whatever_is_selected(run: Any, pytester: pytest.Pytester) -> None:
    profile = pytester.path / "empty.toml"
    profile.write_text("[profile]\nlacks = { compile = '' }\n")
    alone = run("--backend", "numpy", "--conformance-profile", str(profile), "-k", "profile")
    alone.stdout.fnmatch_lines(["*numpy: lacks compile gives no reason*"])
    alone.assert_outcomes(failed=1, deselected=len(load()["cases"]))
    other = run("--backend", "numpy", "--conformance-profile", str(profile), "-k", "core.defer.first-call")
    other.assert_outcomes(passed=2, deselected=len(load()["cases"]) - 1)
    assert other.ret == pytest.ExitCode.TESTS_FAILED
    other.stdout.fnmatch_lines(["part of the suite, does not pass"])


def test_a_failure_shows_line_command_and_log(run: Any, pytester: pytest.Pytester) -> None:
    profile = profile_without(pytester.path, "gradients")
    done = run("--backend", "numpy", "--conformance-profile", str(profile), "-k", "train.gradients.dense-sum")
    done.assert_outcomes(failed=1, deselected=len(load()["cases"]))
    done.stdout.fnmatch_lines(
        [
            "*blocked: train.gradients.dense-sum: blocked by train.gradients.dense",
            "*isomorph conformance run --backend numpy --case train.gradients.dense-sum --trace",
            "*expected no error · received GradientsNotSupportedError*",
            "*construct: ok",
        ]
    )


def test_nothing_is_loaded_unasked() -> None:
    named = [point.value for point in entry_points(group="pytest11")]
    assert not [value for value in named if value.startswith("isomorph")]

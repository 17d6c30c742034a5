"""The exploring lane: what it covers, that it finds and shrinks what is planted, and that it only tells."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from typer.testing import CliRunner

import isomorph
from isomorph import nn
from isomorph.conformance import explore
from isomorph.conformance.cases.write import case, kinds
from isomorph.conformance.cli import app
from isomorph.conformance.compare import first_mismatch
from isomorph.conformance.explore import trials as trials_module
from isomorph.conformance.explore.lane import search
from isomorph.conformance.explore.layers import LAYERS
from isomorph.conformance.explore.oracle import everything
from isomorph.conformance.explore.trials import Trial, trials
from isomorph.conformance.layers import activations
from isomorph.conformance.manifest import by_id, load
from isomorph.conformance.model.machine import Machine
from isomorph.conformance.process import Worker, WorkerGone
from isomorph.conformance.profile import questions
from isomorph.conformance.spec import CLAUSES
from isomorph.conformance.worker.session import known_verbs
from isomorph.errors import PackageNotInstalledError

CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}
# Verbs of cases that say nothing of a net, or that need a reason to be drawn at all.
LEFT_OUT = {"change", "op", "set_all", "native_script"}


def drawn(examples: int, number: int = 5) -> list[Trial]:
    """Return trials as a search draws them, for a backend that can do everything."""
    found: list[Trial] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(trials(frozenset(questions())))
    def collect(trial: Trial) -> None:
        found.append(trial)

    collect()
    return found


# What is drawn now and then.
RARE = (
    "channels_last",
    "'ties'",
    "'buffer'",
    "'build'",
    "'as_native'",
    "'named'",
    "ops.concat",
    "patterns",
)


def missed(found: list[Trial]) -> list[str]:
    text = repr([trial.steps for trial in found])
    verbs = {verb for trial in found for verb, _ in trial.steps}
    layers = set().union(*(kinds(trial.steps) for trial in found))
    wanted = {*LAYERS, *CONTAINERS, "Graph", "share"}
    lacking = [*(wanted - layers), *({*known_verbs()} - LEFT_OUT - verbs)]
    return lacking + [part for part in RARE if part not in text]


@pytest.fixture(scope="module")
def many() -> list[Trial]:
    """Return trials of several searches: one may never come to what is rare."""
    found: list[Trial] = []
    for number in range(8):
        found += drawn(300, number)
        if not missed(found):
            break
    return found


def test_every_exported_layer_can_be_drawn() -> None:
    exported = (getattr(nn, name) for name in nn.__all__)
    layers = {kind.__name__ for kind in exported if isinstance(kind, type) and issubclass(kind, nn.Module)}
    # Containers of parameters are drawn as a module's own parameters.
    assert {*LAYERS, *CONTAINERS} == layers - {"Module", "Layer", "ParameterList", "ParameterDict"}


def test_every_layer_and_verb_is_drawn(many: list[Trial]) -> None:
    assert missed(many) == []


def test_the_model_has_an_answer_for_every_trial(many: list[Trial]) -> None:
    assert [trial.fault for trial in many if trial.fault] == []


def test_most_trials_are_valid_and_some_are_not(many: list[Trial]) -> None:
    wrong = [trial for trial in many if any(each.error for each in trial.expected)]
    assert 0.05 * len(many) < len(wrong) < 0.6 * len(many)


def test_what_the_model_says_does_not_depend_on_who_asks(many: list[Trial]) -> None:
    for trial in many[:50]:
        again = Machine().expected(trial.steps)
        assert [each.error for each in again] == [each.error for each in trial.expected]
        assert [each.aliases for each in again] == [each.aliases for each in trial.expected]


def test_a_seed_gives_the_same_search(monkeypatch: pytest.MonkeyPatch) -> None:
    real, sent = Worker.run, []

    def run(self: Worker, steps: list[Any], timeout: float) -> Any:
        sent.append(steps)
        return real(self, steps, timeout)

    monkeypatch.setattr(Worker, "run", run)
    for number in (3, 3, 4):
        search(["numpy"], 20, number, lambda line: None)
    assert sent[:20] == sent[20:40]
    assert sent[:20] != sent[40:]


def test_a_find_is_shrunk_and_told_as_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(activations.ELEMENTWISE, "silu", lambda x: x * activations.sigmoid(x) + 0.25)
    monkeypatch.setattr("isomorph.conformance.explore.lane.SHRINK_S", 40.0)
    said: list[str] = []
    assert search(["numpy"], 100, 0, said.append) >= 1
    head, *body = said[0].splitlines()
    assert re.match(r"find 1 · numpy · step \d call\w* · output · expected .* · received .* · L-14: ", head)
    made = written(body)
    assert (made["clause"], made["ask"][0][1], made["oracle"]) == ("L-14", "output", "reference")
    assert re.fullmatch(r"layers\.\w+\.found-[0-9a-f]{6}", made["id"])
    assert len(made["steps"]) <= 5
    assert len(kinds(made["steps"]) - CONTAINERS - {"Graph"}) == 1
    monkeypatch.undo()
    worker = Worker("numpy")
    try:
        answer = worker.run(made["steps"], 30)
    finally:
        worker.close()
    assert first_mismatch(made, answer.seen, Machine().expected(made["steps"]), {}) is None


def written(body: list[str]) -> dict[str, Any]:
    """Return the case that a find's text is, as somebody would paste it."""
    call = ast.parse("\n".join(body).strip().rstrip(","), mode="eval").body
    assert isinstance(call, ast.Call)
    arguments = [ast.literal_eval(each) for each in call.args]
    return case(*arguments, **{each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg})


def test_a_lost_worker_is_a_find_and_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Worker.run

    def run(self: Worker, steps: list[Any], timeout: float) -> Any:
        if any(verb == "pickle" for verb, _ in steps):
            raise WorkerGone("crash", "ended by SIGSEGV")
        return real(self, steps, timeout)

    monkeypatch.setattr(Worker, "run", run)
    monkeypatch.setattr("isomorph.conformance.explore.lane.SHRINK_S", 5.0)
    said: list[str] = []
    assert search(["numpy"], 60, 0, said.append) == 1
    assert "crash" in said[0]
    assert "ended by SIGSEGV" in said[0]
    assert "60 examples from seed 0, 1 finds" in said[-1]


def test_backends_are_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = Worker.run, []

    def run(self: Worker, steps: list[Any], timeout: float) -> Any:
        answer = real(self, steps, timeout)
        asked.append(self)
        for seen in answer.seen:
            if "text" in seen["result"] and len(asked) % 2:
                seen["result"]["text"] += "?"
        return answer

    monkeypatch.setattr(Worker, "run", run)
    said: list[str] = []
    assert search(["numpy", "numpy"], 60, 0, said.append) >= 1
    assert re.match(r"find 1 · numpy and numpy · step \d text · text · ", said[0])


def test_a_backend_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    assert search(["nosuch"], 5, 0, said.append) == 0
    assert said[0].startswith("nosuch: can't be explored: ")


def test_command_exits_with_zero_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(activations.ELEMENTWISE, "silu", lambda x: x + 1)
    monkeypatch.setattr("isomorph.conformance.explore.lane.SHRINK_S", 2.0)
    done = CliRunner().invoke(app, ["explore", "--backend", "numpy", "--examples", "60", "--seed", "0"])
    assert done.exit_code == 0
    assert "find 1" in done.output
    assert "the exit code is 0" in done.output
    assert list(tmp_path.iterdir()) == []


def test_without_hypothesis_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, f"{explore.__name__}.lane")
    with pytest.raises(PackageNotInstalledError, match=r'pip install "isomorph\[conformance\]"'):
        explore.search(["numpy"], 1, 0, print)


def test_everything_that_is_known_is_asked() -> None:
    steps = [["construct", {"spec": {"kind": "Dense", "units": 3}}], ["infer", {"shapes": [[2, 5]]}]]
    asked = everything(steps, Machine().expected(steps))
    assert [1, "spec"] in asked
    assert [0, "aliases"] in asked


def test_clauses_of_finds_are_clauses() -> None:
    from isomorph.conformance.explore import telling

    named = {*telling.BY_OBSERVABLE.values(), *telling.BY_VERB.values(), *telling.BY_ERROR.values()}
    assert named <= {clause.id for clause in CLAUSES}


def test_verbs_of_trials_have_writers() -> None:
    writer = trials_module._Writer
    assert [verb for verb in trials_module.VERBS if not hasattr(writer, f"_{verb}")] == []


def test_explored_ids_are_none_of_the_suite() -> None:
    assert not [name for name in by_id(load()) if ".found-" in name]
    assert isomorph.__version__

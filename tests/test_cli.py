"""The command line, as a user runs it: a process of its own, its output, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIGITS = str(ROOT / "examples" / "digits.py")

MODELS = """
from isomorph import nn

class MLP(nn.Module):
    def __init__(self, units=3):
        super().__init__()
        self.hidden = nn.Dense(units)

    def forward(self, x):
        return self.hidden(x)

class Needs(MLP):
    def __init__(self, units):
        super().__init__(units)

class Empty(nn.Module):
    def forward(self, x):
        return x

class Nothing(MLP):
    def forward(self, x):
        self.hidden(x)

net = nn.Sequential(nn.Dense(4), nn.Dense(2))
number = 3

def build():
    return MLP(7)
"""


def isomorph(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "isomorph.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def models(tmp_path: Path) -> str:
    path = tmp_path / "models.py"
    path.write_text(MODELS)
    return str(path)


def test_run_digits_on_numpy() -> None:
    done = isomorph("run", DIGITS)
    assert done.returncode == 0, done.stderr
    assert "stem.weight          (16, ?, 3, 3)  float32  declared" in done.stdout
    assert "stem.weight          (16, 1, 3, 3)   float32  ready" in done.stdout
    assert "first predictions" in done.stdout


def test_run_digits_on_all_backends_agrees() -> None:
    done = isomorph("run", DIGITS, "--backend", "all", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["agree"]
    assert [result["backend"] for result in report["results"]] == [
        "numpy",
        "jax",
        "mxnet",
        "tensorflow",
        "torch",
    ]
    assert len({result["digest"] for result in report["results"]}) == 1
    assert {result["parameters"] for result in report["results"]} == {13386}
    assert all(result["difference"] < 1e-4 for result in report["results"])


def test_the_trained_digits_net_says_the_same_on_all_backends() -> None:
    done = isomorph("run", f"{DIGITS}:trained", "--backend", "all", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert len({tuple(result["predictions"]) for result in results}) == 1
    assert sum(found == digit for digit, found in enumerate(results[0]["predictions"])) >= 9
    assert not any(result["untrained"] for result in results)


def test_what_was_trained_is_not_called_untrained() -> None:
    assert "first predictions: 0 1 2 3 4 " in isomorph("run", f"{DIGITS}:trained").stdout
    assert "first predictions, untrained: " in isomorph("run", DIGITS).stdout


def test_run_in_channels_last_agrees() -> None:
    done = isomorph("run", DIGITS, "--backend", "numpy,torch", "--data-format", "channels_last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 backends ran and agree." in done.stdout


@pytest.mark.parametrize("name", ["MLP", "net", "build"])
def test_run_a_users_model_on_random_data(models: str, name: str) -> None:
    done = isomorph("run", f"{models}:{name}", "--shape", "2,20")
    assert done.returncode == 0, done.stderr
    assert f"{name} on numpy" in done.stdout


def test_without_a_name_the_last_model_is_taken(models: str) -> None:
    assert "net on numpy" in isomorph("run", models, "--shape", "2,20").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nowhere.py"), "There is no file 'nowhere.py'"),
        (("run", "{models}:MPL", "--shape", "2,20"), "Did you mean 'MLP'"),
        (("run", "{models}:Needs", "--shape", "2,20"), "can't be made without arguments"),
        (("run", "{models}:Empty", "--shape", "2,20"), "has no parameters"),
        (("run", "{models}:number", "--shape", "2,20"), "is a int, not a model"),
        (("run", "{models}:MLP"), "--shape 2,20"),
        (("run", "{models}:MLP", "--shape", "2;20"), "sizes such as 2,20"),
        (("run", "{models}:MLP", "--shape", "2,20:flaot32"), "Did you mean 'float32'"),
        (("run", "{models}:MLP", "--shape", "2,20", "--backend", "pytroch"), "Did you mean 'pytorch'"),
        (("summary", "{models}:MPL"), "Did you mean 'MLP'"),
    ],
)
def test_wrong_arguments_are_one_message_and_exit_code_2(models: str, arguments, message: str) -> None:
    done = isomorph(*(argument.replace("{models}", models) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_fails_is_exit_code_1(models: str) -> None:
    done = isomorph("run", f"{models}:Nothing", "--shape", "2,20")
    assert done.returncode == 1
    assert "forward returned nothing" in done.stderr


def test_a_file_may_import_its_neighbours_and_bear_any_name(tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text("UNITS = 3\n")
    (tmp_path / "torch.py").write_text(
        "from isomorph import nn\nfrom sizes import UNITS\nnet = nn.Dense(UNITS)\n"
    )
    done = isomorph("run", str(tmp_path / "torch.py"), "--shape", "2,5")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)", "fails on import: SystemExit"),
        ("net = 1 / 0", "fails on import: ZeroDivisionError"),
        (
            "from isomorph import nn\nnet = nn.Dense(3)\ndef example_inputs(): return 0.5",
            "must return one array",
        ),
    ],
)
def test_a_file_that_fails_is_exit_code_2(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text + "\n")
    done = isomorph("run", str(tmp_path / "bad.py"))
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_an_exception_in_a_users_forward_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        MODELS + "\nclass Raises(MLP):\n    def forward(self, x):\n        1 / 0\n"
    )
    done = isomorph("run", f"{tmp_path / 'bad.py'}:Raises", "--shape", "2,5", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["results"][0]["status"] == "failed"


EXITS = (
    MODELS
    + """
class Stop(BaseException):
    pass

class Forward(MLP):
    def forward(self, x):
        raise RAISED

class Made(MLP):
    def __init__(self):
        raise RAISED

def example_inputs():
    raise RAISED
"""
)


@pytest.mark.parametrize(
    "raised", ["SystemExit(0)", "GeneratorExit()", "Stop('here')", "KeyboardInterrupt()"]
)
@pytest.mark.parametrize("command", ["run :Forward", "run :Made", "run :Inputs", "summary :Forward"])
def test_no_exception_of_a_users_code_is_success(tmp_path: Path, command: str, raised: str) -> None:
    path = tmp_path / "exits.py"
    path.write_text(EXITS.replace("RAISED", raised))
    verb, name = command.split()
    shape = () if name == ":Inputs" else ("--shape", "2,5")
    done = isomorph(verb, f"{path}{name.replace('Inputs', 'MLP')}", *shape)
    assert done.returncode != 0
    assert raised.partition("(")[0] in done.stderr or "Aborted" in done.stderr or done.returncode == 130
    assert "Traceback" not in done.stderr


def installed(folder: Path, distribution: str, group: str, name: str, source: str) -> None:
    """Write what pip leaves of a package with one entry point."""
    module = f"module_of_{distribution}"
    (folder / f"{module}.py").write_text(source + "\n")
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[isomorph.{group}]\n{name} = {module}:app\n")


BAD_COMMANDS = {
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "fails": ("1 / 0", "ZeroDivisionError: division by zero"),
    "no-group": ("app = 3", "module_of_third:app is a int, not a typer.Typer"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_another_packages_bad_command_is_named(tmp_path: Path, name: str) -> None:
    source, why = BAD_COMMANDS[name]
    installed(tmp_path, "third", "commands", name, source)
    done = isomorph(name, "anything", PYTHONPATH=with_path(tmp_path))
    assert done.returncode == 1
    assert f"The command {name!r} of third can't be used: {why}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("source", ["raise SystemExit(0)", "import os; os._exit(0)", "while True: pass"])
@pytest.mark.parametrize(
    ("arguments", "answer"), [(("conformance", "list"), "cases, suite"), (("--help",), "package third")]
)
def test_another_packages_bad_command_harms_no_other(tmp_path: Path, source: str, arguments, answer) -> None:
    installed(tmp_path, "third", "commands", "extra", source)
    done = isomorph(*arguments, PYTHONPATH=with_path(tmp_path))
    assert (done.returncode, answer in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("name", ["run", "conformance"])
def test_a_command_with_a_built_ins_name_is_refused(tmp_path: Path, name: str) -> None:
    installed(tmp_path, "third", "commands", name, "import typer\napp = typer.Typer()")
    done = isomorph(name, "--help", PYTHONPATH=with_path(tmp_path))
    assert f"The command {name!r} of third is refused: Isomorph itself has one of this name." in done.stderr
    assert done.stdout == isomorph(name, "--help").stdout


def test_another_packages_command_runs(tmp_path: Path) -> None:
    group = "import typer\napp = typer.Typer()\n@app.command()\ndef hello(): print('hello')\n"
    installed(tmp_path, "third", "commands", "extra", group + "@app.command()\ndef bye(): print('bye')")
    assert isomorph("extra", "hello", PYTHONPATH=with_path(tmp_path)).stdout == "hello\n"


@pytest.mark.parametrize("source", ["raise SystemExit(0)", "import os; os._exit(0)", "while True: pass"])
def test_a_backend_that_exits_or_hangs_on_import_is_broken(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isomorph import BackendInfo, cli

    installed(tmp_path, "third", "backends", "extra", source)
    monkeypatch.setenv("PYTHONPATH", with_path(tmp_path))
    if source.startswith("while"):
        monkeypatch.setattr(cli, "IMPORT_LIMIT", 2.0)
    status, why = cli._check(BackendInfo("extra", (), {}, None))
    assert (status, why.startswith("The extra backend ")) == ("broken", True)


ABSENT = "Metadata-Version: 2.1\nName: third\nVersion: 1.0\nProvides-Extra: extra\n"


@pytest.mark.parametrize(("asked", "code"), [("all", 0), ("numpy,extra", 1), ("extra", 1)])
def test_a_backend_that_is_not_there_is_told_with_its_extra(models, tmp_path, asked: str, code: int) -> None:
    installed(tmp_path, "third", "backends", "extra", "app = 3")
    needs = ABSENT + "Requires-Dist: is-nowhere; extra == 'extra'\n"
    (tmp_path / "third-1.0.dist-info" / "METADATA").write_text(needs)
    done = isomorph(
        "run", f"{models}:MLP", "--shape", "2,5", "--backend", asked, PYTHONPATH=with_path(tmp_path)
    )
    assert done.returncode == code, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "third[extra]" in said
    assert asked == "extra" or "not installed: extra" in said


def with_path(folder: Path) -> str:
    """Return a module search path with a folder in front."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def test_backend_from_the_environment(models: str) -> None:
    assert (
        "MLP on torch"
        in isomorph("run", f"{models}:MLP", "--shape", "2,20", ISOMORPH_BACKEND="pytorch").stdout
    )


def test_summary_needs_no_framework(models: str) -> None:
    program = f"""
import sys
from isomorph.cli import main
sys.argv = ["isomorph", "summary", {models!r} + ":MLP", "--shape", "?,20"]
try:
    main()
finally:
    print({{"torch", "tensorflow", "jax", "mxnet"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "weight (3, 20) bias (3,)" in done.stdout
    assert "set()" in done.stdout


def test_summary_as_json(models: str) -> None:
    report = json.loads(isomorph("summary", f"{models}:MLP", "--shape", "2,20", "--json").stdout)
    assert report["total"] == 63


def test_backends_table() -> None:
    rows = json.loads(isomorph("backends", "--json").stdout)
    assert {row["name"]: row["status"] for row in rows} == dict.fromkeys(
        ("numpy", "jax", "mxnet", "tensorflow", "torch"), "ready"
    )


def test_a_broken_framework_is_reported_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('libfoo.so is missing')\n")
    done = isomorph("backends", "--json", PYTHONPATH=str(tmp_path))
    row = next(row for row in json.loads(done.stdout) if row["name"] == "torch")
    assert row["status"] == "broken"
    assert "libfoo.so is missing" in row["what_to_do"]


def test_version() -> None:
    from isomorph import __version__

    assert isomorph("--version").stdout.strip() == __version__

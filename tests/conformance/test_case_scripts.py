"""A failed case's script: it stands alone, and what it does is what the case does."""

from __future__ import annotations

import ast
import contextlib
import io
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isomorph
from isomorph import errors
from isomorph.conformance.assembly import assembled
from isomorph.conformance.compare import COMPARISONS
from isomorph.conformance.data import array
from isomorph.conformance.judge import expected_of
from isomorph.conformance.manifest import by_id, load
from isomorph.conformance.script import in_isomorph, script
from isomorph.conformance.source import literal, named
from isomorph.conformance.worker import nested, observe, session
from isomorph.conformance.worker.session import known_verbs
from isomorph.conformance.worker.sites import profile_path, read_toml

CASES = by_id(load())
FEATURES = tuple(dict.fromkeys(case["feature"] for case in CASES.values()))
LACKS = read_toml(profile_path("isomorph.backends.numpy").read_text())["profile"]["lacks"]
# What the model says of the nets behind every step, whether a case asks it or not.
FACTS = ("paths", "shapes", "states", "dtypes", "name", "kind", "trainable", "requested", "aliases")
STATE = (*FACTS, "values", "statistics")
OUTPUT = ("output", "output.shape", "output.dtype")
CALLS = ("call", "call_in_threads", "op", "native_script")


class Ran:
    """A script that was run: what it left, what it printed, how it ended."""

    def __init__(self, source: str) -> None:
        module = types.ModuleType("case_script")
        self.error: Exception | None = None
        printed = io.StringIO()
        sys.modules[module.__name__] = module  # pickle looks for users' classes there
        try:
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(source, "<script>", "exec"), vars(module))
        except Exception as raised:
            self.error = raised
        finally:
            del sys.modules[module.__name__]
        self.left, self.printed = vars(module), printed.getvalue().splitlines()


def of(feature: str) -> Iterator[dict[str, Any]]:
    return (case for case in CASES.values() if case["feature"] == feature)


def fault(case: dict[str, Any], ran: Ran) -> str | None:
    """Return what the script does that the case does not, None if there is nothing."""
    lacking = [each for each in case["capabilities"] if each in LACKS]
    if lacking:
        refused = isinstance(ran.error, errors.NotSupportedError) and ran.error.facts["capability"] in lacking
        return None if refused else f"{ran.error!r} where {lacking} is lacking"
    steps = expected_of(case)
    wanted = steps[-1].error["type"] if steps[-1].error else "NoneType"
    if type(ran.error).__name__ != wanted:
        return f"{wanted} expected, raised {ran.error!r}"
    for said in notices(case):
        if not any(line.startswith(said) for line in ran.printed):
            return f"{said!r} is not printed"
    return different(case, ran)


def notices(case: dict[str, Any]) -> Iterator[str]:
    """Yield what must be printed on the way: errors behind which it goes on, calls of laws."""
    for (_, arguments), expected in zip(case["steps"], expected_of(case)):
        if expected.error and arguments.get("goes_on"):
            yield f"{expected.error['type']}: "
        for name, shape in expected.law_calls:
            yield f"{name} {tuple(shape)}"


def different(case: dict[str, Any], ran: Ran) -> str | None:
    """Return the first thing after the last step that the model says otherwise."""
    (verb, arguments), expected = case["steps"][-1], expected_of(case)[-1]
    nets = {name: ran.left[named(name)] for name in expected.state}
    seen: dict[str, Any] = {"result": {}, "state": {name: observe.state(net) for name, net in nets.items()}}
    seen["aliases"] = {name: observe.aliases(net) for name, net in nets.items()}
    asked = list(STATE)
    if expected.error is None and verb in CALLS:
        y = ran.left["y"]
        if arguments.get("op") == "shape":
            y = np.asarray(y, "int64")
        seen["result"]["output"] = [observe.tensor(each) for each in nested.tensors(y, session.is_tensor)]
        asked += OUTPUT
    for name in asked:
        found = COMPARISONS[name](seen, expected, {"bound": 0.0})
        if found is not None:
            return f"{name}: {found[0]} expected, received {found[1]}"
    return None


@pytest.mark.parametrize("feature", FEATURES)
def test_a_script_does_what_its_case_does(feature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "LARGEST", 1 << 24)  # no array is told by its hash alone
    found = {case["id"]: fault(case, Ran(script(case, "numpy"))) for case in of(feature)}
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_script_stands_alone(feature: str) -> None:
    """Another framework's: it need not be installed."""
    found = {case["id"]: unneeded(in_isomorph(case, "elsewhere")) for case in of(feature)}
    assert {name: each for name, each in found.items() if each} == {}


def unneeded(source: str) -> list[str]:
    """Return imports of the suite, and names that are imported or defined and never used."""
    tree = ast.parse(source)
    imports = [each for each in ast.walk(tree) if isinstance(each, (ast.Import, ast.ImportFrom))]
    suite = [ast.unparse(each) for each in imports if "conformance" in ast.unparse(each)]
    made = [alias.asname or alias.name for each in imports for alias in each.names]
    made += [each.name for each in tree.body if isinstance(each, (ast.FunctionDef, ast.ClassDef))]
    used = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    return suite + [name for name in made if name not in used]


def test_the_frameworks_own_api_is_used_where_all_values_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import numpy\n\n\ndef run(parameters, x):\n    return x @ parameters['weight'].T\n"
    monkeypatch.setattr(type(isomorph.backend("numpy")), "native_script", lambda *_: source)
    cases = (*of("dense"), *of("types"))
    names = [case["id"] for case in cases if "def run(" in script(case, "numpy")]
    assert "layers.dense.no-bias.values" in names
    # No values are set, or not in single precision.
    assert not {"layers.dense.no-bias.shapes", "extras.types.dense-float64"} & set(names)
    ran = Ran(script(CASES["layers.dense.no-bias.values"], "numpy"))
    assert ran.error is None
    assert ran.printed


def test_scripts_import_no_framework() -> None:
    before = set(sys.modules)
    in_isomorph(CASES["layers.dense.plain.values"], "torch")
    assert "torch" not in set(sys.modules) - before


def test_every_verb_is_in_a_case() -> None:
    used = {verb for case in CASES.values() for verb, _ in case["steps"]}
    assert used == set(known_verbs())


@pytest.mark.parametrize(
    "data",
    [
        {"shape": [2, 3, 11, 7], "dtype": "float32", "fill": "spread", "salt": 3, "scale": 0.4, "offset": 1},
        {"shape": [53], "dtype": "float32", "fill": "spread", "scale": 1e-3},
        {"shape": [2, 3, 11], "dtype": "int32", "fill": "indices", "below": 9},
        {"shape": [5, 7], "dtype": "float64", "fill": "spread"},
        {"shape": [5, 7], "dtype": "float16", "fill": "spread"},
        {"shape": [0, 7], "dtype": "float32", "fill": "spread"},
        {"shape": [3, 5], "dtype": "bool", "fill": "spread"},
        {"values": [-90.0, -0.0, 1e-4, 3], "dtype": "float32"},
    ],
)
def test_an_array_is_written_bit_by_bit(data: dict[str, Any]) -> None:
    wanted = array(data)
    ran = Ran(assembled([], [f"x = {literal(data)}"], "numpy"))
    x = ran.left["x"]
    assert (x.shape, x.dtype, x.tobytes()) == (wanted.shape, wanted.dtype, wanted.tobytes())

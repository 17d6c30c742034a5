"""Every docstring example runs; every public class has one; the README's and docs' blocks run."""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import isomorph
from isomorph import Adapter, init, nn, ops
from isomorph.conformance.model.functions import result_dtype

ROOT = Path(__file__).parent.parent
NAMES = {
    "isomorph": isomorph,
    "nn": nn,
    "init": init,
    "ops": ops,
    "numpy": numpy,
    "TensorSpec": isomorph.TensorSpec,
}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(isomorph.__path__, "isomorph.")
    if not module.name.startswith("isomorph.backends.")
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    found = doctest.testmod(
        module, extraglobs={**NAMES, **vars(module)}, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert found.failed == 0


def public_classes() -> list[type]:
    found = [getattr(home, name) for home in (isomorph, nn, init) for name in home.__all__]
    return [value for value in found if inspect.isclass(value)]


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_every_public_class_has_an_example(cls: type) -> None:
    exempt = {"Adapter", "State"}  # a contract and an enum: shown in docs/
    assert cls.__name__ in exempt or ">>>" in (cls.__doc__ or "")


@pytest.mark.parametrize("module", [isomorph, nn, init, ops], ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring(module) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        assert name == "__version__" or inspect.getdoc(value), name


def python_blocks() -> list[tuple[str, str]]:
    blocks = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = "\n\n".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
        if text:
            blocks.append((path.name, text))
    return blocks


@pytest.mark.parametrize(
    ("page", "program"), python_blocks(), ids=lambda value: value if len(value) < 40 else ""
)
def test_a_pages_blocks_run_in_order(page: str, program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, f"{page}:\n{done.stderr}"


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@functools.lru_cache
def example_output(name: str, backend: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ISOMORPH_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Training is PyTorch's own.
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "train_digits.py")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_print_the_same_on_every_backend(path: Path, backend: str) -> None:
    assert example_output(path.name, backend) == example_output(path.name, "numpy")


def test_the_digits_example_recognises_what_it_never_saw() -> None:
    (percent,) = re.findall(r"recognised: ([\d.]+)%", example_output("digits.py", "numpy"))
    assert float(percent) > 97
    assert (ROOT / "examples" / "digits_weights.npz").stat().st_size < 100_000


def test_readme_commands_exist() -> None:
    """The two set-up commands are targets of the Makefile, and what they call is documented."""
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^make (\S+)", readme, re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in targets)


def test_the_page_of_backends_is_current() -> None:
    from isomorph.conformance.support import page

    assert (ROOT / "docs" / "backends.md").read_text() == page(), (
        "run: python -m isomorph.conformance.support > docs/backends.md"
    )


def of_whole_numbers(name: str) -> str:
    """Return what the conformance suite's model says of a function's result."""
    types = ("bool", "int32") if name == "where" else ("int32",)
    try:
        found = result_dtype(name, types, {"dtype": "as named"} if name == "astype" else None)
    except ValueError:
        return "not fixed"
    return "sizes" if found is None else "as given" if found == "int32" else found


def test_the_page_of_ops_has_every_function_as_it_is() -> None:
    page = (ROOT / "docs" / "ops.md").read_text()
    shown = {name: row for row, name in re.findall(r"^(\| `(\w+)\(.*)$", page, re.MULTILINE)}
    assert list(shown) == [name for name in vars(ops.Ops) if name in ops.__all__]
    assert set(shown) == set(ops.__all__) - {"Ops"}
    for name, row in shown.items():
        function = getattr(ops, name)
        signature = inspect.signature(function)
        plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
        meaning = inspect.getdoc(function).splitlines()[0].removeprefix("Return ").rstrip(".")
        assert row == f"| `{name}({', '.join(map(str, plain))})` | {meaning} | {of_whole_numbers(name)} |"


def test_the_page_of_the_contract_has_every_verb() -> None:
    (table,) = re.findall(r"\| verb .*?\n\n", (ROOT / "docs" / "add-a-backend.md").read_text(), re.DOTALL)
    named = set(re.findall(r"`@?(?:MyAdapter\.)?(\w+)[`(]", table))
    verbs = {name for name, value in inspect.getmembers(Adapter, inspect.isroutine) if name[0] != "_"}
    assert verbs <= named

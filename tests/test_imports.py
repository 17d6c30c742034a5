"""What importing costs and touches: no framework, one way of dependencies, no names in core."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import isomorph
from isomorph import adapter

PACKAGE = Path(isomorph.__file__).parent
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "flax", "mxnet"}
ALLOWED = {
    "core": {"numpy", "typer", "rich", "ml_dtypes"},
    "conformance": {
        "numpy",
        "ml_dtypes",
        "typer",
        "rich",
        "psutil",
        "packaging",
        "hypothesis",
        "pytest",
        "covertable",
        "tomli",
    },
    "backends/numpy": {"numpy"},
    "backends/torch": {"numpy", "torch"},
    "backends/tensorflow": {"numpy", "tensorflow", "keras"},
    "backends/jax": {"numpy", "jax", "flax"},
    "backends/mxnet": {"numpy", "mxnet"},
}


def sources() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] == "backends":
            home = f"backends/{relative.parts[1].removesuffix('.py')}"
        else:
            home = "conformance" if relative.parts[0] == "conformance" else "core"
        if home != "backends/__init__":
            found.append((home, path))
    return found


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize(("home", "path"), sources(), ids=lambda value: getattr(value, "name", value))
def test_a_file_imports_only_what_its_folder_may(home: str, path: Path) -> None:
    foreign = imported(path) - set(sys.stdlib_module_names) - {"isomorph"}
    assert foreign <= ALLOWED[home]


@pytest.mark.parametrize(
    "path", [path for home, path in sources() if home in ("core", "conformance")], ids=lambda path: path.name
)
def test_core_and_conformance_name_no_framework_in_code(path: Path) -> None:
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words = node.id
        elif isinstance(node, ast.Attribute):
            words = node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words = node.value
        else:
            continue
        assert not FRAMEWORKS & set(words.lower().split(".")), (path.name, node.lineno, words)


def floors() -> dict[str, int]:
    """Return the floor of each file and folder of core, as the page of the architecture has it."""
    page = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d) .*? \| (.*?) \|", page, re.MULTILINE)
    return {name.strip("`/ "): int(floor) for floor, names in rows for name in names.split(",")}


def core_imports(path: Path) -> set[str]:
    """Return the files and folders of core that a file imports, in functions and for types too."""
    depth, found = len(path.relative_to(PACKAGE).parts), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [alias.name for alias in node.names]
            found |= {node.module.partition(".")[0]} if node.module else set(names)
    return found


CORE = [path for home, path in sources() if home == "core" and path.parent != PACKAGE.parent]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_of_core_imports_from_a_higher_floor(path: Path) -> None:
    known = floors()
    own = known.get(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), max(known.values()))
    higher = {name for name in core_imports(path) & known.keys() if known[name] > own}
    assert not higher
    assert core_imports(path) <= {*known, "version"}


@pytest.mark.parametrize(
    "path", [path for home, path in sources() if home.startswith("backends/")], ids=lambda path: path.name
)
def test_backends_import_the_contract_from_its_one_room(path: Path) -> None:
    rooms = {"isomorph", "isomorph.adapter", "isomorph.errors", "isomorph.conformance.mutants"}
    if "mutants" in str(path):
        return  # they break what is behind the contract
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isomorph"):
            assert node.module in rooms, node.module
            if node.module == "isomorph":
                assert {alias.name for alias in node.names} <= {"nn", "ops", "script"}
            elif node.module == "isomorph.adapter":
                assert {alias.name for alias in node.names} <= set(adapter.__all__)


def test_imports_form_no_circle() -> None:
    """Those inside functions and for types count; a package's own __init__ hands names on."""
    graph = {}
    for _, path in sources():
        parts = ("isomorph", *path.relative_to(PACKAGE).with_suffix("").parts)
        graph[".".join(parts).removesuffix(".__init__")] = path
    edges = {name: imports_of(name, path, graph) for name, path in graph.items()}
    while leaves := [name for name, targets in edges.items() if not targets]:
        for name in leaves:
            del edges[name]
        for targets in edges.values():
            targets.difference_update(leaves)
    assert not edges


def imports_of(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules, packages apart, that a module imports."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join((*above, *(node.module or "").split("."))).strip(".")
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {each for each in found & known.keys() if known[each].name != "__init__.py"} - {name}


def test_import_leaves_frameworks_out() -> None:
    program = (
        "import sys, isomorph\nfrom isomorph import nn, init, ops, errors\nisomorph.available()\n"
        f"assert not {FRAMEWORKS!r} & set(sys.modules), sys.modules.keys() & {FRAMEWORKS!r}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_changes_no_global_state() -> None:
    program = """
import os, sys, warnings, numpy, random
before = dict(os.environ), list(warnings.filters), numpy.geterr(), random.getstate()
from isomorph import nn, init, ops
assert (dict(os.environ), list(warnings.filters), numpy.geterr(), random.getstate()) == before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_a_backend_leaves_numpy_and_the_environment_as_found(backend: str) -> None:
    program = f"""
import os, numpy
before = dict(os.environ), set(dir(numpy)), numpy.geterr()
import isomorph
isomorph.backend({backend!r})
after = dict(os.environ), set(dir(numpy)), numpy.geterr()
gone, new = before[1] - after[1], after[1] - before[1]
# NumPy's own submodules appear once somebody imports them.
new = {{name for name in new if type(getattr(numpy, name)).__name__ != "module"}}
changed = {{k: v for k, v in after[0].items() if before[0].get(k) != v}}
# jax sets TF_CPP_MIN_LOG_LEVEL itself when it is imported.
ours = {{k for k in changed if "KERAS" in k or "TF_CPP" in k and {backend!r} != "jax"}}
assert not gone and not new and after[2] == before[2] and not ours, (gone, new, changed)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keras_on_another_backend_is_a_clear_error() -> None:
    program = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import keras
import isomorph
try:
    isomorph.backend("tensorflow")
except isomorph.errors.BackendBrokenError as error:
    assert "KERAS_BACKEND" in str(error), error
else:
    raise SystemExit("no error")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_missing_framework_is_named_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from isomorph import registry

    info = registry.info("torch")
    missing = registry.BackendInfo(info.name, info.aliases, {"torch": None}, info.entry_point)
    monkeypatch.setattr(registry, "available", lambda: (missing,))
    monkeypatch.setattr(registry, "_loaded", {})
    with pytest.raises(ImportError, match=r'pip install "isomorph\[torch\]"'):
        registry.backend("pytorch")

"""A package for a new backend: one that works at once, through NumPy, with every question to answer."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from isomorph import registry
from isomorph.conformance.profile import QUESTIONS
from isomorph.conformance.spec import SUITE
from isomorph.errors import InvalidArgumentError

WHERE = "new-backend"
# What a Python distribution, its extra and an entry point can all be called.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# The command line's word for every backend.
_ALL = "all"
_PLACES = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "gitignore.tmpl": ".gitignore",
    "init.py.tmpl": "src/MODULE/__init__.py",
    "adapter.py.tmpl": "src/MODULE/adapter.py",
    "ops.py.tmpl": "src/MODULE/ops.py",
    "standin.py.tmpl": "src/MODULE/standin.py",
    "conformance.toml.tmpl": "src/MODULE/conformance.toml",
    "test.py.tmpl": "tests/test_MODULE.py",
    "workflow.yml.tmpl": ".github/workflows/conformance.yml",
}


def write(name: str, folder: Path) -> list[Path]:
    """Write the package ``isomorph-NAME`` into a folder and return its files.

    Raises `InvalidArgumentError` for a name that can't be a backend's, or if the package is there.
    """
    _check(name)
    words = {
        "NAME": name,
        "MODULE": f"isomorph_{name.replace('-', '_')}",
        "CLASS": "".join(map(str.capitalize, name.split("-"))),
        "SUITE": SUITE,
        "QUESTIONS": _unanswered(),
    }
    package = folder / f"isomorph-{name}"
    try:
        package.mkdir(parents=True)
    except OSError as error:
        why = "It exists already." if isinstance(error, FileExistsError) else f"{error.strerror}."
        hint = f"{why} Nothing was written; choose another folder or name."
        raise InvalidArgumentError.of(WHERE, "the package", "a new folder", str(package), hint) from None
    here, written = files(__name__), []
    for template, place in _PLACES.items():
        path = package / _filled(place, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(here.joinpath(template).read_text("utf-8"), words), "utf-8")
        written.append(path)
    return written


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        hint = "The package is called isomorph-NAME, its module isomorph_NAME, and its extra NAME."
        what = "lower-case words of letters and digits, joined by hyphens"
        raise InvalidArgumentError.of(WHERE, "the name", what, name, hint)
    if name == _ALL or any(name in (each.name, *each.aliases) for each in registry.available()):
        hint = "`isomorph backends` shows the names that are taken here."
        raise InvalidArgumentError.of(WHERE, "the name", "one that no backend has", name, hint)


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(words), lambda match: words[match.group()], text)


def _unanswered() -> str:
    """Return a line for each question, to be taken out or given a reason."""
    asked = {f'"{name}"': text for name, text in QUESTIONS.items()}
    width = max(map(len, asked))
    return "\n".join(f'{name:{width}} = ""  # {text}' for name, text in asked.items())

"""Backends by name: entry points of the group ``isomorph.backends``, loaded on first use.

A backend's framework is the extra of the backend's name in its own distribution
(``isomorph[torch]`` for "torch"); so what is missing is known without importing anything.
"""

from __future__ import annotations

import os
import re
import traceback
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .adapter import Adapter
from .errors import (
    BackendBrokenError,
    BackendNotInstalledError,
    InvalidArgumentError,
    UnknownBackendError,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_loaded: dict[str, Adapter] = {}
# The reference: always installed, and what a net falls back on.
DEFAULT = "numpy"


@dataclass(frozen=True)
class BackendInfo:
    """A backend as its metadata describes it; nothing is imported.

    >>> [info.name for info in isomorph.available() if info.name == "numpy"]
    ['numpy']
    """

    name: str
    aliases: tuple[str, ...]
    versions: dict[str, str | None]
    """The version of each package that the framework needs, None where it is missing."""
    entry_point: EntryPoint
    rivals: tuple[str, ...] = ()
    """The packages that register this name, where several register something else by it."""

    @property
    def extra(self) -> str:
        """What pip installs the backend with: its package and the extra of its name."""
        package = self.entry_point.dist.name if self.entry_point.dist else "isomorph"
        return f"{package}[{self.name}]" if self.versions else package

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(package for package, version in self.versions.items() if version is None)

    @property
    def is_installed(self) -> bool:
        """Whether every package is there. It may still fail to import."""
        return not self.missing


@lru_cache(maxsize=1)
def available() -> tuple[BackendInfo, ...]:
    """Return every registered backend, installed or not, without importing a framework."""
    from importlib.metadata import entry_points

    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group="isomorph.backends"):
        points.setdefault(point.name.lower(), []).append(point)
    aliases = entry_points(group="isomorph.aliases")
    found = {
        name: BackendInfo(
            name,
            tuple(sorted(alias.name.lower() for alias in aliases if alias.value == point.value)),
            {package: _version(package) for package in _requirements(point)},
            point,
            _rivals([point, *others]),
        )
        for name, (point, *others) in points.items()
    }
    return tuple(found[name] for name in sorted(found, key=lambda name: (name != DEFAULT, name)))


def _rivals(points: list[EntryPoint]) -> tuple[str, ...]:
    if len({point.value for point in points}) == 1:
        return ()
    return tuple(f"{point.dist.name if point.dist else '?'} ({point.value})" for point in points)


def info(name: str) -> BackendInfo:
    """Return a backend's description by name or alias; raises `UnknownBackendError`."""
    if not isinstance(name, str):
        raise InvalidArgumentError.of("backend", "name", "a string", name)
    for each in available():
        if name.lower() in (each.name, *each.aliases):
            return each
    known = [word for each in available() for word in (each.name, *each.aliases)]
    raise UnknownBackendError.named(name, known)


def backend(name: str) -> Adapter:
    """Return a backend's adapter; its framework is imported on first use.

    Raises `UnknownBackendError`, `BackendNotInstalledError` or `BackendBrokenError`.

    >>> isomorph.backend("numpy").name
    'numpy'
    """
    found = info(name)
    if found.name not in _loaded:
        if found.missing:
            usable = [each.name for each in available() if each.is_installed]
            raise BackendNotInstalledError.named(found.name, found.missing, found.extra, usable)
        _loaded[found.name] = _load(found)
    return _loaded[found.name]


def _load(found: BackendInfo) -> Adapter:
    """Return a new adapter; raises `BackendBrokenError` for whatever its package does wrong."""
    if found.rivals:
        text = f"several packages register it: {', '.join(found.rivals)}"
        raise BackendBrokenError.named(found.name, text, "Uninstall all but one, or rename the entry point.")
    try:
        adapter = found.entry_point.load()()
    except (BackendBrokenError, KeyboardInterrupt):
        raise
    except BaseException as cause:  # an exit on import would end the caller, and look like success
        first = (str(cause).strip().splitlines() or [""])[0]
        place = traceback.extract_tb(cause.__traceback__)[-1]
        text = f"{type(cause).__name__}: {first} ({place.filename}, line {place.lineno})"
        hint = f'Repair it with: pip install --force-reinstall "{found.extra}".'
        raise BackendBrokenError.named(found.name, text, hint) from cause
    if not isinstance(adapter, Adapter):
        text = f"{found.entry_point.value} gives a {type(adapter).__name__}, which is no isomorph.Adapter"
        raise BackendBrokenError.named(found.name, text, "Let the entry point name the adapter's class.")
    if adapter.name.lower() != found.name:
        text = f"{found.entry_point.value} gives an adapter that calls itself {adapter.name!r}"
        raise BackendBrokenError.named(found.name, text, f'Set name = "{found.name}" in its class.')
    return adapter


def owner_of(value: Any) -> Adapter | None:
    """Return the backend whose tensor this is; None if it is no backend's."""
    for adapter in _loaded.values():
        if adapter.owns(value):
            return adapter
    if isinstance(value, (np.ndarray, np.generic)):
        return backend(DEFAULT)
    package = type(value).__module__.partition(".")[0]
    for each in available():
        needs = (each.entry_point.module, *each.versions)
        if each.name in _loaded or not each.is_installed or package in ("builtins", "isomorph"):
            continue
        if any(package in re.split(r"[-_.]", need) for need in needs):
            adapter = backend(each.name)
            if adapter.owns(value):
                return adapter
    return None


def default_backend() -> str:
    """Return the backend that ``ISOMORPH_BACKEND`` names, else the reference."""
    return info(os.environ.get("ISOMORPH_BACKEND") or DEFAULT).name


def _requirements(point: EntryPoint) -> list[str]:
    """Return the packages that the extra of the entry point's name asks for."""
    requires = (point.dist.requires if point.dist else None) or []
    packages = []
    for line in requires:
        needed, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if extra and extra.group(1) == point.name.lower():
            match = re.match(r"[A-Za-z0-9._-]+", needed)
            if match:
                packages.append(match.group())
    return packages


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    # Some frameworks publish one module under several names, by the device it is built for.
    for name in (package, package.removesuffix("-cpu"), f"{package}-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None

"""Which backends the tests run on: all of them, or those that ``ISOMORPH_EXPECT`` names."""

from __future__ import annotations

import os

import pytest

import isomorph

ALL = tuple(info.name for info in isomorph.available())
EXPECTED = tuple(filter(None, os.environ.get("ISOMORPH_EXPECT", ",".join(ALL)).split(",")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `backend` on every expected backend; an absent one fails.

    One that takes `differentiable` runs on those with gradients: the reference computes forward only.
    """
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", EXPECTED)
    if "differentiable" in metafunc.fixturenames:
        metafunc.parametrize("differentiable", [name for name in EXPECTED if name != "numpy"])


@pytest.fixture(scope="session")
def expected() -> tuple[str, ...]:
    """Return the names of all backends that the tests run on."""
    return EXPECTED


@pytest.fixture
def framework(backend: str) -> isomorph.Adapter:
    """Return the backend's adapter; its framework is imported once for each worker."""
    return isomorph.backend(backend)

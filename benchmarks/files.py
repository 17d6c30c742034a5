"""Which files of Isomorph a reader of one action meets: those whose functions it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import init, nn

IMPORTS = "<module>"


def fresh() -> nn.Module:
    """Return a net of classes that nothing has seen: what is kept for a class counts too."""

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = nn.Dense(256, activation="relu"), nn.Dense(10)

        def forward(self, x):
            return self.out(self.hidden(x))

    return MLP()


def actions(backend: str) -> dict[str, Callable[[], Any]]:
    """Return what is done with one net, in this order."""
    net, x = fresh(), np.ones((2, 20), "float32")
    return {
        "to": lambda: net.to(backend),
        "initialize": lambda: net.initialize(init.Normal(0.01), seed=0),
        "first call": lambda: net(x),
        "later call": lambda: net(x),
    }


def visited(action: Callable[[], Any]) -> set[str]:
    """Return the files whose functions an action enters; importing a file is no visit."""
    seen = set()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != IMPORTS:
            seen.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return seen


def modules() -> dict[str, str]:
    """Return the package's modules by their files."""
    loaded = list(sys.modules.items())
    return {m.__file__: name for name, m in loaded if name.split(".")[0] == "isomorph" and m.__file__}


def measure_files(backend: str) -> list[dict[str, Any]]:
    """Return core's and the backend's files by action, after everything was imported and run once."""
    for action in actions(backend).values():
        action()
    rows = []
    for what, action in actions(backend).items():
        seen, names = visited(action), modules()
        found = sorted(names[each] for each in seen if each in names)
        theirs = [name for name in found if name.startswith("isomorph.backends.")]
        core = [name for name in found if name not in theirs]
        rows.append({"what": what, "backend": backend, "core": core, "backends": theirs})
    return rows

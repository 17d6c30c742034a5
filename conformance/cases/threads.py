"""Cases of first calls on several threads."""

from __future__ import annotations

from .nets import CALLED, NET, SEED, TO, X
from .write import Case, core_case, law


def cases() -> list[Case]:
    """Return the cases of values drawn once, whatever thread calls first."""
    return [
        core_case(
            "defer.threads-initialize-once",
            "D-15",
            [NET, TO, SEED, ["call_in_threads", {"inputs": [X], "count": 4}]],
            [[3, "values"], [3, "output"]],
            oracle="reference",
            needs=CALLED,
        ),
        core_case(
            "defer.threads-call-laws-once",
            "D-15",
            [
                NET,
                TO,
                ["initialize", {"law": law("Ramp", counted=True)}],
                ["call_in_threads", {"inputs": [X], "count": 4}],
            ],
            [[3, "law_calls"]],
            needs=CALLED,
        ),
    ]

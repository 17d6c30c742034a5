"""A find as text: one line, the clause it touches, and the case as data to be added to the suite."""

from __future__ import annotations

import hashlib
import json
import pprint
from typing import Any

from isomorph.conformance.cases.write import capabilities, kinds
from isomorph.conformance.compare import Mismatch
from isomorph.conformance.spec import clause

from .trials import Trial

# The clause that a difference touches: by observable; by verb for what many verbs share; by error.
BY_OBSERVABLE = {
    **dict.fromkeys(("paths", "name"), "P-1"),
    **dict.fromkeys(("kind", "trainable"), "P-11"),
    **dict.fromkeys(("same_object", "backend"), "P-12"),
    **{"shapes": "I-2", "spec": "I-2", "states": "D-4", "dtypes": "P-10", "requested": "D-3"},
    **{"aliases": "S-1", "law_calls": "D-5", "warnings": "N-9", "values": "N-1", "statistics": "M-3"},
    **{"output": "L-14", "output.shape": "L-11", "output.dtype": "L-11", "output.owned": "W-5"},
    **{"gradients": "G-1", "count": "P-5", "selected": "P-6", "value": "P-2", "tree": "W-6"},
    **{"native.memory": "W-3", "error.text": "E-5", "error": "E-1"},
}
BY_VERB = {
    **{
        "infer": "D-8",
        "copy": "P-7",
        "pickle": "P-8",
        "to": "P-9",
        "mode": "M-7",
        "set": "P-2",
        "edit": "P-3",
    },
    **dict.fromkeys(("append", "assign", "remove"), "D-14"),
    **{"apply_init": "D-10", "tie": "S-2", "call_in_threads": "D-15", "variables": "W-6", "gradients": "G-5"},
}
BY_ERROR = {
    "DTypeMismatchError": "E-3",
    "DeferredInitializationError": "E-4",
    "InvalidArgumentError": "E-7",
    "StructureError": "E-8",
    "InitializerError": "N-12",
}
LEVELS = {"L": "layers", "M": "train", "G": "train", "W": "extras", "C": "extras"}
ORACLES = {"output": "reference", "gradients": "reference", "statistics": "reference", "values": "stream"}


def told(number: int, trial: Trial, who: str, mismatch: Mismatch) -> str:
    """Return a find's text.

    Args:
        number: Which find it is.
        trial: Its steps.
        who: The backend, or the two that differ.
        mismatch: What differs.
    """
    verb = trial.steps[mismatch.step][0] if mismatch.step < len(trial.steps) else "end"
    touched = clause_of(verb, mismatch)
    line = (
        f"find {number} · {who} · step {mismatch.step} {verb} · {mismatch.observable} · "
        f"expected {mismatch.expected} · received {mismatch.received} · {touched}: {clause(touched).text}"
    )
    return "\n".join([" ".join(line.split()), *_case(trial, touched, mismatch)])


def clause_of(verb: str, mismatch: Mismatch) -> str:
    """Return the clause that a difference touches."""
    if mismatch.observable == "error":
        if mismatch.expected == "no error":
            return BY_VERB.get(verb, "L-14")
        return next((name for error, name in BY_ERROR.items() if error in mismatch.expected), "E-1")
    if verb in BY_VERB and mismatch.observable in ("values", "states", "shapes", "paths", "statistics"):
        return BY_VERB[verb]
    return BY_OBSERVABLE.get(mismatch.observable, BY_VERB.get(verb, "L-14"))


def _case(trial: Trial, touched: str, mismatch: Mismatch) -> list[str]:
    """Return the case as Python, to be added to a table in `isomorph.conformance.cases`."""
    steps: list[Any] = json.loads(json.dumps(trial.steps[: mismatch.step + 1]))
    level = LEVELS.get(touched[0], "core")
    if level == "core" and capabilities(steps):
        level = "layers"
    parts = sorted(kinds(steps) - {"Sequential", "share"})
    digest = hashlib.sha256(json.dumps(steps).encode()).hexdigest()[:6]
    feature = (parts or ["net"])[0].lower()
    name = f"{level}.{feature}.found-{digest}"
    ask = [[mismatch.step, mismatch.observable if mismatch.observable in BY_OBSERVABLE else "states"]]
    body = pprint.pformat(steps, width=100, sort_dicts=False, compact=True).splitlines()
    oracle = ORACLES.get(mismatch.observable, "rules")
    return [
        "    case(",
        f"        {name!r}, {touched!r},",
        *(f"        {line}" for line in body[:-1]),
        f"        {body[-1]},",
        f"        {ask}, feature={feature!r}, oracle={oracle!r},",
        "    ),",
    ]

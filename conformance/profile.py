"""What a backend says of itself: what it lacks, native objects, and failures it expects.

All of it lies in ``conformance.toml`` beside the adapter's module, with the backend, not here.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from isomorph.errors import TargetError

from .layers import RECORDS
from .spec import SUITE, SUITES
from .worker.sites import read_toml

KINDS = ("backend-bug", "framework-bug", "not-yet", "never")
_WORDS = {"review": "date", "bound": "number", "versions": "table"}
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("id", "kind", "observable", "reason", "received", "url"), str),
    "review": datetime.date,
    "bound": (int, float),
    "versions": dict,
}
# A shorter piece of what is received would fit almost any failure.
SHORTEST = 5
# After so long it has to be looked at whether a case still fails.
LONGEST_REVIEW = datetime.timedelta(days=366)
QUESTIONS = {
    "gradients": "Does net.gradients give derivatives?",
    "compile": "Does to(compile=True) compile calls?",
    "variables": "Does the framework keep state apart from modules, so that net.variables is it?",
    "native.parameters": "Can the framework list the parameters of a native module?",
    "native.script": "Can a failure be written down as a script in the framework's own API?",
    "dtype.float64": "Does a net of this type compute in it?",
    "dtype.float16": "Does a net of this type compute in it?",
    "dtype.bfloat16": "Does a net of this type compute in it?",
    "tensor.float16": "Can functions be given tensors of this type?",
}


@dataclass(frozen=True)
class Expectation:
    """A case that is known to fail, how, and until when."""

    id: str
    kind: str
    observable: str
    reason: str
    review: datetime.date
    received: str = ""
    bound: float = 0.0
    url: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as a report has it."""
        return {**dataclasses.asdict(self), "review": self.review.isoformat()}


@dataclass
class Profile:
    """A backend's file, read and checked; `problems` fail its run."""

    data: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, bool] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    """The reason for each no; a layer's is that the adapter's table has none."""
    expectations: dict[str, Expectation] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def questions() -> dict[str, str]:
    """Return everything that a backend may lack; its table answers for the layers."""
    optional = sorted(name for name, record in RECORDS.items() if not record.is_core)
    return {**QUESTIONS, **{f"layer.{name}": f"Is nn.{name} lowered?" for name in optional}}


def read(
    text: str | None,
    path: str,
    ids: set[str],
    versions: dict[str, str | None],
    today: datetime.date,
    layers: Iterable[str],
) -> Profile:
    """Return a backend's profile; what is wrong with it is listed, never raised.

    Args:
        text: The file's text, None if there is no file.
        path: Where it was looked for.
        ids: The suite's case ids.
        versions: The installed version of each package of the framework.
        today: The day that review dates are held against.
        layers: Names of the layers that the backend has.
    """
    profile = Profile()
    if text is None:
        profile.problems.append(
            f"there is no profile at {path}; `isomorph conformance new-backend` writes one"
        )
        return profile
    try:
        profile.data = read_toml(text)
    except TargetError as error:
        profile.problems.append(f"{path}: {error}")
        return profile
    tables = {"profile", "environment", "native", "expect", "note"}
    profile.problems += [f"a profile has no {name!r}" for name in sorted(profile.data.keys() - tables)]
    _read_lacks(profile, set(layers))
    for name, value in _table(profile, profile.data, "environment").items():
        if not isinstance(value, str):
            profile.problems.append(f"environment {name} is no text: {value!r}")
    claims = _table(profile, profile.data, "native").items()
    profile.data["native"] = {name: claim for name, claim in claims if _is_claim(profile, name, claim)}
    rows = profile.data.get("expect", [])
    for row in rows if isinstance(rows, list) else [rows]:
        _read_expectation(profile, row, ids, versions, today)
    return profile


def _table(profile: Profile, holder: dict[str, Any], name: str) -> dict[str, Any]:
    found = holder.get(name, {})
    if isinstance(found, dict):
        return found
    profile.problems.append(f"{name} is no table: {found!r}")
    return {}


def _is_claim(profile: Profile, name: str, claim: Any) -> bool:
    """Whether it says what a native object is: its class, and the names of its parameters."""
    is_good = (
        isinstance(claim, dict)
        and claim.keys() == {"class", "parameters"}
        and isinstance(claim["class"], str)
        and isinstance(claim["parameters"], list)
        and all(isinstance(each, str) for each in claim["parameters"])
    )
    if is_good and claim["class"].partition(".")[0] in (sys.stdlib_module_names | {""}):
        # Every object is a builtins.object: such a claim would hold for anything.
        profile.problems.append(f"native {name}: {claim['class']!r} is no class of a framework's package")
        return False
    if not is_good:
        want = '{ class = "...", parameters = ["...", ...] }'
        profile.problems.append(f"native {name} must be {want}, not {claim!r}")
    return is_good


def _read_lacks(profile: Profile, layers: set[str]) -> None:
    section = _table(profile, profile.data, "profile")
    suite = section.get("suite")
    # One for an earlier suite stays good: what it does not deny, the cases ask.
    if suite not in SUITES:
        profile.problems.append(f"the profile answers suite {suite!r}; this is {SUITE!r}")
    profile.problems += [f"[profile] has no {name!r}" for name in section.keys() - {"suite", "lacks"}]
    given = _table(profile, section, "lacks")
    for name, reason in given.items():
        if name not in QUESTIONS:
            profile.problems.append(f"lacks {name}: {_unknown(name)}")
        elif not isinstance(reason, str) or not reason.strip():
            profile.problems.append(
                f"lacks {name} gives no reason; take it out if the answer is yes: {QUESTIONS[name]}"
            )
        else:
            profile.lacks[name] = reason
    answered = {name: name not in given for name in QUESTIONS if name in profile.lacks or name not in given}
    tabled = {name: name.removeprefix("layer.") in layers for name in questions() if name not in QUESTIONS}
    profile.capabilities = {**answered, **tabled}
    profile.lacks |= {name: "its table has no such layer" for name, had in tabled.items() if not had}


def _unknown(name: str) -> str:
    if name.startswith("layer."):
        return "the adapter's table says which layers there are"
    return f"there is no such question; there are {', '.join(QUESTIONS)}"


def _read_expectation(
    profile: Profile,
    row: dict[str, Any],
    ids: set[str],
    versions: dict[str, str | None],
    today: datetime.date,
) -> None:
    where = f"expectation {row.get('id', '?') if isinstance(row, dict) else repr(row)}"
    if not isinstance(row, dict):
        profile.problems.append(f"{where}: it is no table")
        return
    fields = {each.name: each for each in dataclasses.fields(Expectation)}
    required = {name for name, each in fields.items() if each.default is each.default_factory}
    absent = [f"it has no {name!r}" for name in fields if name in required - row.keys()]
    absent += [f"there is no key {name!r} in one" for name in sorted(row.keys() - fields.keys())]
    if absent:
        profile.problems += [f"{where}: {fault}" for fault in absent]
        return
    expectation = Expectation(**row)
    wrong = [name for name, kind in _KINDS.items() if not isinstance(getattr(expectation, name), kind)]
    # A time of day can't be held against a day.
    wrong += ["review"] if isinstance(expectation.review, datetime.datetime) else []
    if wrong:
        profile.problems += [f"{where}: {name} is no {_WORDS.get(name, 'text')}" for name in wrong]
        return
    faults = []
    if expectation.id not in ids:
        faults.append("no case has this id; `isomorph conformance list` has all")
    if expectation.id.startswith("core."):
        faults.append("a case of level core must pass: none may be expected to fail")
    if expectation.kind not in KINDS:
        faults.append(f"kind {expectation.kind!r} is none of {', '.join(KINDS)}")
    if not expectation.reason.strip():
        faults.append("it gives no reason")
    if expectation.review < today:
        due = f"its review was due on {expectation.review}"
        faults.append(f"{due}: run the case without it, and set a new day if it still fails")
    if expectation.review > today + LONGEST_REVIEW:
        faults.append(f"its review is on {expectation.review}: set a day within a year")
    if not (math.isfinite(expectation.bound) and expectation.bound >= 0):
        faults.append(f"its bound is {expectation.bound}: state a finite number, 0 or more")
    if not expectation.bound and len(expectation.received.strip()) < SHORTEST:
        faults.append(f"it states neither a bound nor {SHORTEST} characters of what is received")
    faults += _outside(expectation.versions, versions)
    if expectation.id in profile.expectations:
        faults.append("it is there twice")
    profile.problems += [f"{where}: {fault}" for fault in faults]
    if not faults:
        profile.expectations[expectation.id] = expectation


def _outside(wanted: dict[str, str], installed: dict[str, str | None]) -> list[str]:
    """Return what is wrong with a range of versions, for those that are installed."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    faults = []
    for package, text in wanted.items():
        version = installed.get(package)
        try:
            if not isinstance(text, str):
                raise InvalidSpecifier
            if version is None:
                faults.append(f"{package} is no package of this backend")
            elif not SpecifierSet(text, prereleases=True).contains(version):
                faults.append(f"{package} {version} is outside {text}: look whether it still fails")
        except InvalidSpecifier:
            faults.append(f"{text!r} is no range of versions")
    return faults

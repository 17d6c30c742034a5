"""One case on one worker, and what becomes of it: exactly one of the closed statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from .compare import Mismatch, first_mismatch
from .model.machine import Expected, Machine
from .process import Answer, ProtocolFault, Worker, WorkerGone
from .profile import Expectation, Profile
from .spec import clause

STATUSES = (
    "pass",
    "fail",
    "error",
    "crash",
    "timeout",
    "blocked",
    "xfail",
    "xpass",
    "unsupported",
    "missing",
)
# The only ones that keep a verdict good.
GOOD = ("pass", "xfail", "unsupported")
# The longest text of a mismatch in a report, in characters.
LONGEST = 2000
Case = dict[str, Any]
Result = dict[str, Any]


class Judge:
    """Runs cases on one backend's worker, starting a new one where it was lost."""

    def __init__(
        self, backend: str, worker: Worker, profile: Profile, again: Callable[[], Worker], scale: float = 1.0
    ) -> None:
        self.backend, self.worker, self.profile, self._again = backend, worker, profile, again
        self.timeouts = scale
        self.restarts, self.peak_mb = 0, 0.0
        self.answers: dict[str, list[Any]] = {}
        self.statuses: dict[str, str] = {}

    def run(self, case: Case) -> Result:
        """Return a case's result."""
        # A probe needs nothing: what it asks for has to be refused.
        needs = [] if self._lacking(case) else case["needs"]
        blocked = next((need for need in needs if self._blocks(need)), None)
        if blocked is not None:
            result: Result = {
                "id": case["id"],
                "status": "blocked",
                "ms": 0.0,
                "attempts": 0,
                "needs": blocked,
            }
        else:
            result = self._attempts(case)
            result = self._expected(case, result)
        self.statuses[case["id"]] = result["status"]
        if result["status"] not in GOOD:
            result = {**result, **self._told(case, result)}
        return result

    def _lacking(self, case: Case) -> list[str]:
        """Return those of the case's capabilities that the profile denies."""
        return [each for each in case["capabilities"] if not self.profile.capabilities.get(each, True)]

    def _denied(self, case: Case) -> str:
        reasons = [f"{name}: {self.profile.lacks[name]}" for name in self._lacking(case)]
        return f"{' '.join(reasons)} The probe was refused, as it must be."

    def _blocks(self, need: str) -> bool:
        return self.statuses.get(need, "pass") not in GOOD

    def _attempts(self, case: Case) -> Result:
        result = self._once(case)
        if result["status"] in ("crash", "timeout"):
            second = self._once(case)
            result = {**result, "attempts": 2, "order_dependent": second["status"] != result["status"]}
        return result

    def _once(self, case: Case) -> Result:
        head: Result = {"id": case["id"], "attempts": 1}
        try:
            answer = self.worker.run(case["steps"], case["timeout"] * self.timeouts)
        except (WorkerGone, ProtocolFault) as fault:
            tail = self.worker.tail()
            self._restart()
            status = fault.status if isinstance(fault, WorkerGone) else "error"
            cause = str(fault) if isinstance(fault, WorkerGone) else f"the harness was answered by {fault}"
            return {**head, "status": status, "ms": 0.0, "log": [],
                    "received": cause, "observable": "worker", "stderr": tail}  # fmt: skip
        try:
            status, mismatch = self._judged(case, answer)
            lines = log(case["steps"], answer.seen)
        except Exception as fault:  # a worker may answer anything
            self._restart()
            text = f"an answer that can't be read: {type(fault).__name__}: {fault}"
            mismatch = Mismatch(0, "harness", "an answer", text)
            return {**head, "status": "error", "ms": 0.0, "log": [], **_where(case, mismatch, Answer())}
        self.answers[case["id"]] = answer.seen
        result = {**head, "status": status, "ms": round(answer.ms, 2), "log": lines}
        if status == "unsupported":
            result["reason"] = self._denied(case)
        return result if mismatch is None else {**result, **_where(case, mismatch, answer)}

    def _restart(self) -> None:
        self.peak_mb = max(self.peak_mb, self.worker.peak_mb)
        self.worker.close()
        self.worker = self._again()
        self.restarts += 1

    def _judged(self, case: Case, answer: Answer) -> tuple[str, Mismatch | None]:
        last = max(len(answer.seen) - 1, 0)
        if answer.harness:
            return "error", Mismatch(last, "harness", "an answer", answer.harness.strip().splitlines()[-1])
        lacking = self._lacking(case)
        if lacking:
            status, mismatch = self._probed(lacking, answer, last)
            left = self._left_behind(answer, last) if status == "unsupported" else None
            return (status, mismatch) if left is None else ("fail", left)
        try:
            expected = expected_of(case)
        except Exception as error:  # the oracle's own fault must not end the run
            return "error", Mismatch(last, "oracle", "an answer", f"{type(error).__name__}: {error}")
        mismatch = first_mismatch(case, answer.seen, expected, self.profile.data)
        mismatch = mismatch or self._left_behind(answer, last)
        if mismatch is None:
            return "pass", None
        error_seen = answer.seen[mismatch.step]["error"] if mismatch.step < len(answer.seen) else None
        return ("fail" if error_seen is None or error_seen["ours"] else "error"), mismatch

    @staticmethod
    def _left_behind(answer: Answer, last: int) -> Mismatch | None:
        if answer.leaks:
            return Mismatch(last, "surroundings", "as they were", f"changed: {', '.join(answer.leaks)}")
        if answer.printed:
            return Mismatch(last, "standard output", "nothing printed", repr(answer.printed))
        return None

    def _probed(self, lacking: list[str], answer: Answer, last: int) -> tuple[str, Mismatch | None]:
        """A "no" is tested: the steps must end in a NotSupportedError that names the capability."""
        errors = [seen["error"] for seen in answer.seen if seen["error"]]
        wanted = f"a NotSupportedError of {' or '.join(lacking)}"
        if not errors:
            return "xpass", Mismatch(
                last, "capability", wanted, "it works: take it out of what the profile lacks"
            )
        if errors[-1].get("capability") in lacking:
            return "unsupported", None
        return "fail", Mismatch(last, "capability", wanted, f"{errors[-1]['type']}: {errors[-1]['message']}")

    def _expected(self, case: Case, result: Result) -> Result:
        expectation = self.profile.expectations.get(case["id"])
        if expectation is None:
            return result
        if result["status"] in ("pass", "unsupported"):
            does = "passes" if result["status"] == "pass" else "is not supported, as the profile says"
            received = f"it {does}: take the expectation out"
            return {**result, "status": "xpass", "observable": "expectation", "step": len(case["steps"]) - 1,
                    "expected": f"a failure: {expectation.reason}", "received": received}  # fmt: skip
        if result["status"] in ("fail", "error") and self._as_stated(case, result, expectation):
            return {**result, "status": "xfail", "reason": expectation.reason}
        return {**result, "reason": f"expected to fail otherwise: {expectation.reason}"}

    def _as_stated(self, case: Case, result: Result, expectation: Expectation) -> bool:
        if result.get("observable") != expectation.observable:
            return False
        if expectation.bound:
            seen = self.answers[case["id"]]
            within = first_mismatch(case, seen, expected_of(case), self.profile.data, expectation.bound)
            return within is None
        return expectation.received in result.get("received", "")

    def _told(self, case: Case, result: Result) -> Result:
        command = f"isomorph conformance run --backend {self.backend} --case {case['id']} --trace"
        if result["status"] == "blocked":
            line = f"{case['id']}: blocked by {result['needs']}"
            return {"clause": case["clause"], "command": command, "line": line}
        step = result.get("step", 0)
        verb = case["steps"][step][0] if step < len(case["steps"]) else "end"
        line = (
            f"{case['id']} · step {step} {verb} · {result.get('observable', '')} · "
            f"expected {result.get('expected', 'an answer')} · received {result.get('received', '')} · "
            f"{case['clause']}: {clause(case['clause']).text}"
        )
        return {"clause": case["clause"], "command": command, "line": " ".join(line.split())}


_expected: dict[str, list[Expected]] = {}


def expected_of(case: Case) -> list[Expected]:
    """Return what the model says of a case; computed once for all backends."""
    key = json.dumps(case["steps"])
    if key not in _expected:
        with np.errstate(all="ignore"):
            _expected[key] = Machine().expected(case["steps"])
    return _expected[key]


def _where(case: Case, mismatch: Mismatch, answer: Answer) -> Result:
    step = mismatch.step
    verb = case["steps"][step][0] if step < len(case["steps"]) else "end"
    error = answer.seen[step]["error"] if step < len(answer.seen) else None
    return {
        "step": step,
        "verb": verb,
        "observable": mismatch.observable,
        "expected": _cut(mismatch.expected),
        "received": _cut(mismatch.received),
        "stderr": (error or {}).get("traceback", "") or answer.harness,
    }


def _cut(text: str) -> str:
    """Return a text that may stand in a report: some compilers' messages have megabytes."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"


def log(steps: list[Any], seen: list[Any]) -> list[str]:
    """Return one short line a step: what was done, and what was seen."""
    lines = []
    for (verb, _), each in zip(steps, seen):
        if each["error"]:
            said = each["error"]["message"].splitlines()[0] if each["error"]["message"] else ""
            lines.append(_cut(f"{verb}: {each['error']['type']}: {said}"))
        elif "output" in each["result"]:
            outputs = (f"{one['dtype']} {tuple(one['shape'])}" for one in each["result"]["output"])
            lines.append(f"{verb}: {', '.join(outputs)}")
        else:
            lines.append(f"{verb}: ok")
    return lines

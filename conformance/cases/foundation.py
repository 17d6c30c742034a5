"""What other cases stand on: where one of these fails, the rest is blocked and not red."""

from __future__ import annotations

from .write import Case, kinds

# In this order they open the manifest; each with what it needs itself.
FOUNDATION: dict[str, tuple[str, ...]] = {
    "core.defer.shapes-before-data": (),
    "core.defer.initialize-records": (),
    "core.defer.first-call": ("core.defer.shapes-before-data", "core.defer.initialize-records"),
    "core.defer.constructor-size": ("core.defer.shapes-before-data",),
    "core.defer.known-sizes-at-once": ("core.defer.constructor-size",),
    "core.defer.apply-init": ("core.defer.known-sizes-at-once",),
    "core.defer.infer-gives-shapes": ("core.defer.shapes-before-data",),
    "core.error.size-deep-in-a-tree": ("core.defer.first-call",),
    "core.defer.failed-call-leaves-no-trace": ("core.error.size-deep-in-a-tree",),
    "core.init.weights-only": ("core.defer.first-call",),
    "core.init.law.uniform": ("core.defer.first-call",),
    "core.init.default.dense": ("core.defer.first-call",),
    "core.init.two-layers-differ": ("core.init.law.uniform", "core.init.default.dense"),
    "core.infer.chain-values": ("core.init.two-layers-differ",),
}
_VALUES = {"values", "value", "statistics", "output", "gradients"}
_COMPUTED = {"statistics", "output", "gradients"}


def founded(cases: list[Case]) -> list[Case]:
    """Return the cases, the foundation first, with what each stands on among its needs."""
    known = {case["id"]: case for case in cases}
    first = [{**known[name], "needs": list(needs)} for name, needs in FOUNDATION.items()]
    rest = [case for case in cases if case["id"] not in FOUNDATION]
    return [*first, *({**case, "needs": _needs(case)} for case in rest)]


def _needs(case: Case) -> list[str]:
    verbs = [verb for verb, _ in case["steps"]]
    construct, *_ = [arguments for verb, arguments in case["steps"] if verb == "construct"] or [None]
    has_law = any(verb == "initialize" and "law" in arguments for verb, arguments in case["steps"])
    asked = {observable for _, observable, *_ in case["ask"]}
    found: list[str] = []
    if construct is None:
        return list(case["needs"])
    if {"call", "call_in_threads", "apply_init", "gradients"} & set(verbs):
        found.append("core.defer.first-call")
    else:
        found.append("core.defer.shapes-before-data")
    if "infer" in verbs:
        found.append("core.defer.infer-gives-shapes")
    if _has_known_size(construct["spec"]):
        found.append("core.defer.constructor-size")
    if "apply_init" in verbs and asked & _VALUES:
        found.append("core.defer.apply-init")
    if has_law and asked & _VALUES:
        found.append("core.init.weights-only")
    if "error" in asked and asked & {"shapes", "states"} and "call" in verbs:
        found.append("core.defer.failed-call-leaves-no-trace")
    if asked & _VALUES and {"initialize", "apply_init"} & set(verbs):
        computes = asked & _COMPUTED and "Dense" in kinds(construct)
        found.append("core.infer.chain-values" if computes else "core.init.two-layers-differ")
    return list(dict.fromkeys([*found, *case["needs"]]))


def _has_known_size(spec: object) -> bool:
    if isinstance(spec, dict):
        return bool({"in_features", "in_channels"} & spec.keys()) or any(map(_has_known_size, spec.values()))
    return isinstance(spec, list) and any(map(_has_known_size, spec))

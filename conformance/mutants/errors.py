"""Faults of errors: too late, too vague, or none."""

from __future__ import annotations

from typing import Any

from isomorph import calls, errors, inference, nn
from isomorph.nn import conv, dense, norm, rules

from .catalog import Patch, mutant


@mutant(kills="core.error.size-deep-in-a-tree")
def errors_name_no_path(patch: Patch) -> None:
    """An error names the layer's class where its path belongs."""
    patch(nn.Module, "label", property(lambda module: type(module).__name__))


@mutant(kills="core.error.size-deep-in-a-tree.text")
def errors_give_no_next_step(patch: Patch) -> None:
    """A mismatch of sizes is stated without a hint."""

    def at(cls: Any, path: str, what: str, expected: Any, received: Any, hint: str = "") -> Any:
        return original(path, what, expected, received)

    original = errors.ShapeMismatchError.at
    patch(errors.ShapeMismatchError, "at", classmethod(at))


@mutant(kills="core.error.integers-to-dense", beside=5)
def integers_are_let_in(patch: Patch) -> None:
    """A layer that computes in floating point takes integers."""
    for module in (rules, dense, conv, norm):
        patch(module, "require_floating", lambda layer, x: None)


@mutant(kills="core.error.unreached-parameter")
def unreached_parameters_stay_unknown(patch: Patch) -> None:
    """A parameter that forward never reaches is left as it is, without an error."""
    patch(calls, "_require_sizes", lambda waiting: None)


@mutant(kills="core.error.size-zero")
def empty_features_are_let_in(patch: Patch) -> None:
    """An input with no features gives a layer a weight without elements."""

    def run(module: Any, specs: Any, named: Any) -> Any:
        return module(*specs, **named)

    patch(inference, "run_trace", run)
    patch(calls, "run_trace", run)


@mutant(kills="core.error.read-native")
def native_is_none_before_data(patch: Patch) -> None:
    """Before data the native parameter is None, without an error."""
    from isomorph import parameter

    native = parameter.Parameter.native
    read: Any = native.fget  # type: ignore[attr-defined]
    patch(parameter.Parameter, "native", property(lambda each: read(each) if each.is_ready else None))


@mutant(kills="core.infer.another-feature-size-native", beside=7)
def later_calls_are_not_checked(patch: Patch) -> None:
    """Once called, a net sends inputs of any size straight to the framework."""

    def call(original: Any, module: Any, inputs: Any, named: Any) -> Any:
        runs = module._isomorph.runs
        if not runs or len(inputs) != 1 or named or module._isomorph.binding.stale:
            return original(module, inputs, named)
        return next(iter(runs.values()))(inputs[0])

    patch.around(calls, "call", call)


@mutant(kills="core.share.inconsistent")
def ties_of_other_sizes_are_let_in(patch: Patch) -> None:
    """A layer whose tied weight has another size takes its input all the same."""

    def fit(original: Any, layer: Any, each: Any, axis: int, size: Any, what: str) -> None:
        if each.owner is layer:
            original(layer, each, axis, size, what)

    patch.around(rules, "fit", fit)
    patch(dense, "fit", rules.fit)


@mutant(kills="core.error.rank-zero")
def scalars_are_let_in(patch: Patch) -> None:
    """A layer does not look at the rank of its input."""
    for module in (rules, dense, conv, norm):
        patch(module, "require_rank", lambda layer, x, **limits: None)


@mutant(kills="core.error.recover-after-deep-mismatch", beside=5)
def failed_call_breaks_the_net(patch: Patch) -> None:
    """After a call that failed, a net refuses every other."""

    def call(original: Any, module: Any, inputs: Any, named: Any) -> Any:
        if "has_failed" in vars(module.root):
            raise errors.StructureError("the net failed before.\n  Make a new one.")
        try:
            return original(module, inputs, named)
        except Exception:
            vars(module.root)["has_failed"] = True
            raise

    patch.around(calls, "call", call)

"""Faults of deferral: values or sizes too early, too late, too often, or left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from isomorph import calls, inference, initialize, nn, parameter, tree
from isomorph.nn import module as nets
from isomorph.shape import Shape
from isomorph.tensor import TensorSpec

from .catalog import Patch, mutant

Parameter = parameter.Parameter


@mutant(kills="core.defer.shapes-before-data")
def guesses_width_one(patch: Patch) -> None:
    """A Dense layer whose input size is unknown takes it to be one."""

    def guess(construct: Any, layer: Any, *sizes: Any, in_features: Any = None, **options: Any) -> None:
        construct(layer, *sizes, in_features=in_features or 1, **options)

    patch.around(nn.Dense, "__init__", guess)


@mutant(kills="core.defer.shapes-before-data")
def zero_for_unknown(patch: Patch) -> None:
    """An unknown size is reported as zero."""

    class Zeroed(Shape):
        def __iter__(self) -> Iterator[Any]:
            return (0 if size is None else size for size in tuple.__iter__(self))

    known = Parameter.shape
    patch(Parameter, "shape", property(lambda each: Zeroed(known.fget(each)), known.fset))  # type: ignore[attr-defined]


@mutant(kills="core.defer.read-before-data", beside=7)
def zeros_before_data(patch: Patch) -> None:
    """Reading a parameter without values gives zeros."""

    def read(numpy: Any, each: Any) -> Any:
        return numpy(each) if each.is_ready else np.zeros([size or 0 for size in each.shape], each.dtype)

    patch.around(Parameter, "numpy", read)


@mutant(kills="core.defer.initialize-records")
def law_called_at_initialize(patch: Patch) -> None:
    """Asking for initial values calls the law at once, to see whether it works."""

    def request(original: Any, *arguments: Any, inside: Any, **named: Any) -> None:
        original(*arguments, inside=inside, **named)
        for path, each in inside.items():
            if not each.shape.is_known and each.role == "weight" and each.is_learned:
                sizes = tuple(size or 1 for size in each.shape)
                each.init(path, sizes, each.dtype, np.random.Generator(np.random.SFC64(1)))

    patch.around(initialize, "request", request)


@mutant(kills="core.defer.law-not-called-again")
def law_called_at_every_call(patch: Patch) -> None:
    """Every call draws initial values anew, and drops them if there are some."""

    def make_ready(original: Any, module: Any, *rest: Any) -> Any:
        for each in module.state().values():
            if each.is_ready:
                each.draw()
        return original(module, *rest)

    patch(calls, "remember", lambda *_: None)
    patch.around(calls, "make_ready", make_ready)


@mutant(kills="core.defer.law-once-in-order", beside=7)
def drawn_in_reverse(patch: Patch) -> None:
    """Initial values are drawn from the last parameter to the first."""
    patch.around(initialize, "_draw_all", lambda draw, chosen: draw(chosen[::-1])[::-1])


@mutant(kills="core.defer.known-sizes-at-once", beside=9)
def initialize_always_waits(patch: Patch) -> None:
    """Initial values come with data only, known sizes or not."""

    def draw(original: Any, parameters: Any, force: bool = False) -> None:
        original([each for each in parameters if each.is_ready], force)

    patch.around(initialize, "draw_values", draw)


@mutant(kills="core.defer.half-known", beside=7)
def whole_net_waits(patch: Patch) -> None:
    """A layer of known sizes waits for every other layer of the net."""

    def together(original: Any, parameters: Any) -> Any:
        chosen = list(parameters)
        roots = {id(each.owner.root): each.owner.root for each in chosen if each.owner is not None}
        known = all(each.shape.is_known for root in roots.values() for each in root.state().values())
        return original(chosen) if known else []

    patch.around(initialize, "together", together)


@mutant(kills="core.defer.initialize-records", beside=11)
def bias_does_not_wait(patch: Patch) -> None:
    """A bias gets its values before the weight of its layer."""
    patch(initialize, "together", lambda parameters: [each for each in parameters if each.shape.is_known])


@mutant(kills="core.defer.infer-gives-shapes")
def dry_run_gives_values(patch: Patch) -> None:
    """Inferring from shapes initializes the net too."""

    def infer(original: Any, module: Any, *rest: Any) -> Any:
        output = original(module, *rest)
        initialize.draw_values(module.state().values())
        return output

    patch.around(nets, "infer", infer)


@mutant(kills="core.defer.infer-gives-shapes")
def dry_run_draws_from_the_users_generator(patch: Patch) -> None:
    """Inferring from shapes sends random numbers of NumPy's global generator through the net."""

    def infer(original: Any, *arguments: Any) -> Any:
        np.random.random(3)
        return original(*arguments)

    patch.around(nets, "infer", infer)


@mutant(kills="train.batchnorm.infer-changes-nothing")
def dry_run_moves_statistics(patch: Patch) -> None:
    """Inferring from shapes counts as a step of training."""

    def infer(original: Any, module: Any, *rest: Any) -> Any:
        output = original(module, *rest)
        for each in module.buffers().values():
            if each.is_ready:
                each.set(each.numpy() * np.float32(0.9))
        return output

    patch.around(nets, "infer", infer)


@mutant(kills="core.defer.failed-infer-leaves-no-trace")
def failed_dry_run_keeps_sizes(patch: Patch) -> None:
    """A dry run that fails leaves the sizes of the layers before the failure."""
    patch(inference, "shapes_kept", lambda module: nullcontext())


@mutant(kills="core.defer.failed-call-leaves-no-trace")
def failed_call_keeps_sizes(patch: Patch) -> None:
    """A first call that fails leaves the sizes of the layers before the failure."""

    def kept(original: Any, module: Any, always: bool = False) -> Any:
        return original(module, always) if always else nullcontext()

    patch.around(calls, "shapes_kept", kept)
    patch(calls, "natives_kept", _nothing_kept)


@contextmanager
def _nothing_kept(module: Any) -> Iterator[bool]:
    yield any(not each.is_ready for each in module.root.state().values())


@mutant(kills="core.init.failing-law.raises", beside=7)
def failed_law_keeps_what_was_drawn(patch: Patch) -> None:
    """Values are stored one by one, so a law that fails leaves those drawn before."""

    def draw(parameters: Any, force: bool = False) -> None:
        for each in initialize.together(parameters):
            if force or not each.is_ready:
                original([each], force)

    original = initialize.draw_values
    patch(initialize, "draw_values", draw)
    patch(calls, "draw_values", draw)
    patch(calls, "natives_kept", _nothing_kept)


@mutant(kills="core.defer.apply-init")
def apply_init_only_infers(patch: Patch) -> None:
    """After apply_init there are sizes but no values."""

    def only_sizes(module: Any, inputs: Any, init: Any, seed: Any) -> None:
        given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
        inference.infer(module, tuple(given), {})

    patch(calls, "apply_init", only_sizes)


@mutant(kills="core.defer.constructor-size")
def constructor_size_is_ignored(patch: Patch) -> None:
    """A Dense layer forgets the input size that its constructor was given."""

    def forget(construct: Any, layer: Any, *sizes: Any, in_features: Any = None, **options: Any) -> None:
        construct(layer, *sizes, **options)

    patch.around(nn.Dense, "__init__", forget)


@mutant(kills="core.defer.keyword-inputs", beside=9)
def keyword_inputs_are_dropped(patch: Patch) -> None:
    """Inputs given by keyword take no part in a call."""
    patch.around(calls, "call", lambda call, module, inputs, named: call(module, inputs, {}))


@mutant(kills="core.defer.set-gives-sizes", beside=14)
def set_gives_no_sizes(patch: Patch) -> None:
    """Values set on a deferred parameter are dropped, and it waits for data."""

    def assign(original: Any, each: Any, array: Any) -> None:
        if each.is_ready or each.shape.is_known:
            original(each, array)

    patch.around(Parameter, "set", assign)


@mutant(kills="core.defer.append-after-call", beside=6)
def edits_are_not_noticed(patch: Patch) -> None:
    """A net that was called keeps its native modules, whatever is appended, replaced or removed."""
    patch(tree.Tree, "_restructured", lambda module: None)


@mutant(kills="core.defer.replace-after-call")
def edits_reset_everything(patch: Patch) -> None:
    """Editing a net that was called makes all of its parameters wait for data again."""

    def restructured(original: Any, module: Any) -> None:
        original(module)
        for each in module.root.state().values() if module._isomorph.binding is not None else ():
            each._value = each._slot = None

    patch.around(tree.Tree, "_restructured", restructured)


@mutant(kills="core.defer.threads-call-laws-once")
def threads_do_not_wait(patch: Patch) -> None:
    """Threads that call a deferred net at once all initialize it."""

    def draw(original: Any, chosen: Any) -> Any:
        if threading.active_count() > 1:
            time.sleep(0.05)
        return original(chosen)

    patch(calls, "locked", lambda module: nullcontext(module.root))
    patch.around(initialize, "_draw_all", draw)


@mutant(kills="train.batchnorm.running.changed-once-by-the-first-call", beside=5)
def first_call_runs_twice(patch: Patch) -> None:
    """The first call runs the net once to make it ready, and once more for the output."""

    fresh: list[Any] = []

    def draw(original: Any, chosen: Any) -> Any:
        fresh.append(chosen)
        return original(chosen)

    def run(original: Any, *arguments: Any) -> Any:
        if fresh:
            fresh.clear()
            original(*arguments)
        return original(*arguments)

    patch.around(initialize, "_draw_all", draw)
    patch.around(calls, "_run", run)


@mutant(kills="core.infer.open-batch", beside=5)
def open_sizes_become_one(patch: Patch) -> None:
    """A batch size left open is taken to be one."""

    def specs(original: Any, values: Any) -> Any:
        found = original(values)
        return [
            TensorSpec((1, *each.shape[1:]), each.dtype) if not isinstance(each.shape[0], int) else each
            for each in found
        ]

    patch.around(inference, "input_specs", specs)


@mutant(kills="core.infer.own-build", beside=7)
def build_is_not_called(patch: Patch) -> None:
    """A user's build hook is never called."""
    patch(nn.Module, "fill", lambda module, inputs: None)


@mutant(kills="core.infer.another-feature-size", beside=5)
def another_width_is_allocated_anew(patch: Patch) -> None:
    """A Dense layer that meets another input size takes new values of that size."""
    from isomorph.nn import dense, rules

    def fit(original: Any, layer: Any, each: Any, axis: int, size: Any, what: str) -> None:
        known = each.shape[axis]
        if layer._isomorph.seen and isinstance(size, int) and size != known:
            each._value = each._slot = None
            each._shape = Shape(size if i == axis else n for i, n in enumerate(each.shape))
            layer.root._isomorph.binding.stale = True
        original(layer, each, axis, size, what)

    patch.around(rules, "fit", fit)
    patch(dense, "fit", rules.fit)

"""Faults of initial values: another stream, another scale, another precedence."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from isomorph import initialize, mapping, parameter, tree
from isomorph.init import laws, streams
from isomorph.init.laws import Law

from .catalog import Patch, mutant

# Modules that call the functions of initial values by their names.
HOMES = (initialize, parameter)


@mutant(kills="core.init.law.uniform", beside=5)
def stream_by_count(patch: Patch) -> None:
    """Random streams are keyed by how many were made before, not by path."""
    count = itertools.count()
    patch.around(streams, "generator_for", lambda make, seed, path: make(seed, f"parameter_{next(count)}"))


@mutant(kills="core.init.two-layers-differ")
def layers_draw_alike(patch: Patch) -> None:
    """Random streams are keyed by a parameter's own name: every weight starts alike."""
    patch.around(streams, "generator_for", lambda make, seed, path: make(seed, path.rpartition(".")[2]))


@mutant(kills="core.init.order-of-parts-does-not-matter", beside=12)
def stream_by_readiness(patch: Patch) -> None:
    """Values depend on how many parameters of the net had some before."""

    def draw(original: Any, each: Any) -> Any:
        owner = each.owner
        before = [p for p in owner.root.parameters().values() if p.is_ready] if owner else []
        others = [p for p in before if p.owner is not owner]
        law, seed = each.init, initialize.resolve_seed(each) + len(others)
        return streams.draw(law, seed, each.name, each.shape.known(), each.dtype)

    patch.around_all(HOMES, "draw_one", draw)


@mutant(kills="core.init.other-layers-do-not-matter", beside=5)
def stream_by_size_of_the_net(patch: Patch) -> None:
    """Values depend on how many parameters the net has."""

    def draw(original: Any, each: Any) -> Any:
        more = max(len(each.owner.root.parameters()) - 6, 0) if each.owner else 0
        seed = initialize.resolve_seed(each) + more
        return streams.draw(each.init, seed, each.name, each.shape.known(), each.dtype)

    patch.around_all(HOMES, "draw_one", draw)


@mutant(kills="core.init.many-values-on-threads")
def threads_share_a_stream(patch: Patch) -> None:
    """Threads that fill a large net draw from one stream."""

    def draw_all(original: Any, chosen: Any) -> Any:
        if sum(each.shape.size for each in chosen) < 1 << 20:
            return original(chosen)
        shared = streams.generator_for(initialize.resolve_seed(chosen[0]), chosen[0].name)
        shapes = [each.shape.known() for each in chosen]
        return [
            each.init(each.name, shape, each.dtype, shared) for each, shape in zip(chosen[::-1], shapes[::-1])
        ][::-1]

    patch.around(initialize, "_draw_all", draw_all)


@mutant(kills="extras.types.initial-float64")
def drawn_in_the_nets_type(patch: Patch) -> None:
    """Double precision nets are drawn in double precision: other values for the same seed."""

    def call(original: Any, law: Any, name: str, shape: Any, dtype: str, generator: Any) -> Any:
        if dtype != "float64":
            return original(law, name, shape, dtype, generator)
        return generator.random(shape) * (law.high - law.low) + law.low

    patch.around(laws.Uniform, "__call__", call)


@mutant(kills="layers.conv1d.initial.default", beside=5)
def fans_are_swapped_for_convolutions(patch: Patch) -> None:
    """The fan in of a convolution is its fan out."""

    def fans(original: Any, name: str, shape: Any, law: Any = "this law") -> Any:
        found = original(name, shape, law)
        return found[::-1] if len(shape) > 2 else found

    patch.around(laws, "fans", fans)


@mutant(kills="layers.conv2d.initial.default-groups")
def fans_ignore_groups(patch: Patch) -> None:
    """The fan in of a grouped convolution counts the channels of all groups."""

    def draw(original: Any, each: Any) -> Any:
        groups = getattr(each.owner, "groups", 1) if each.role == "weight" else 1
        if groups == 1:
            return original(each)
        out, inside, *kernel = each.shape.known()
        wide = (out, inside * groups, *kernel)
        fans = laws.fans
        own = Patch()
        own(laws, "fans", lambda name, shape, law="": fans(name, wide, law))
        try:
            return original(each)
        finally:
            own.undo()

    patch.around_all(HOMES, "draw_one", draw)


@mutant(kills="layers.conv1d.initial.default", beside=5)
def fans_ignore_the_window(patch: Patch) -> None:
    """The fans of a convolution count its channels and not its window."""
    patch(laws, "fans", lambda name, shape, law="": (shape[1], shape[0]))


@mutant(kills="core.init.weights-only", beside=7)
def biases_follow_the_nets_law(patch: Patch) -> None:
    """A law given to a net is for its biases too."""
    _law_for_role(patch, "bias")


@mutant(kills="core.init.scales-become-one")
def scales_follow_the_nets_law(patch: Patch) -> None:
    """A law given to a net is for its norm scales too."""
    _law_for_role(patch, "scale")


def _law_for_role(patch: Patch, role: str) -> None:
    def resolve(original: Any, each: Any) -> Any:
        around = initialize.enclosing(each)
        asked = any(request.law for module in around for request in module._isomorph.requests)
        if each.role != role or not asked:
            return original(each)
        each.role = "weight"
        try:
            return original(each)
        finally:
            each.role = role

    patch.around_all(HOMES, "resolve_law", resolve)


@mutant(kills="core.init.default.own-weights")
def own_parameters_start_at_zero(patch: Patch) -> None:
    """A user's own parameter without a law starts at zero."""

    def default(original: Any, each: Any) -> Any:
        return laws.Zeros() if each.role == "weight" and each.trainable else original(each)

    patch.around(initialize, "default_law", default)


@mutant(kills="core.init.force-redraws", beside=5)
def force_keeps_values(patch: Patch) -> None:
    """With force, ready parameters keep their values all the same."""
    patch.around(initialize, "draw_values", lambda draw, parameters, force=False: draw(parameters))


@mutant(kills="core.init.again-keeps-and-warns", beside=8)
def initialize_overwrites(patch: Patch) -> None:
    """A second request draws ready parameters anew, without force."""

    def forced(original: Any, label: str, init: Any, seed: Any, force: bool, **named: Any) -> None:
        original(label, init, seed, True, **named)

    patch.around_all(HOMES, "request", forced)


@mutant(kills="core.init.again-keeps-and-warns")
def no_warning_of_kept_values(patch: Patch) -> None:
    """Nothing says that a second request changed nothing."""

    class Silent:
        @staticmethod
        def warn(*arguments: Any, **named: Any) -> None:
            pass

    patch(initialize, "warnings", Silent)


@mutant(kills="core.init.precedence.force-forgets-laws-inside")
def force_keeps_laws_inside(patch: Patch) -> None:
    """With force, laws asked for inside the net before still win."""

    def request(original: Any, label: str, init: Any, seed: Any, force: bool, **named: Any) -> None:
        requests = [each.requests for each in named["holders"] if isinstance(each, tree.Internals)]
        before = [list(each) for each in requests]
        original(label, init, seed, force, **named)
        for each, old in zip(requests[1:], before[1:]):
            each[:] = old
        if force and any(before[1:]):
            initialize.draw_values(named["inside"].values(), force=True)

    patch.around(initialize, "request", request)


@mutant(kills="core.init.seed-stays")
def seed_is_forgotten(patch: Patch) -> None:
    """A seed holds for the request that names it, not for the next law."""

    def resolve(original: Any, each: Any) -> Any:
        module = each.owner.root
        last = module._isomorph.requests[-1:]
        return 0 if last and last[0].law and last[0].seed is None else original(each)

    patch.around(initialize, "resolve_seed", resolve)


@mutant(kills="core.init.precedence.layer-over-pattern")
def patterns_win_over_layers(patch: Patch) -> None:
    """A pattern wins over what was asked of the layer itself."""
    _patterns_last(patch, over_own=True)


@mutant(kills="core.init.precedence.pattern-over-net")
def patterns_lose_to_the_net(patch: Patch) -> None:
    """A law given to the net wins over a pattern."""
    _patterns_last(patch, over_own=False)


def _patterns_last(patch: Patch, over_own: bool) -> None:
    def resolve(original: Any, each: Any) -> Any:
        found, law = [], None
        for module in initialize.enclosing(each):
            path = each.name.removeprefix(f"{module.path}." if module.path else "")
            for request in module._isomorph.requests:
                law = request.law or law
                found += [one for pattern, one in request.patterns.items() if pattern.fullmatch(path)]
        if over_own:
            return found[-1] if found else original(each)
        return law if found and law is not None and each.role == "weight" else original(each)

    patch.around_all(HOMES, "resolve_law", resolve)


@mutant(kills="core.init.precedence.nearest-over-net")
def outermost_module_wins(patch: Patch) -> None:
    """The law of the whole net wins over that of a part."""

    def enclosing(original: Any, each: Any) -> Any:
        found = list(original(each))
        return [*found[:1], *found[:0:-1]]

    patch.around(initialize, "enclosing", enclosing)


@mutant(kills="core.init.precedence.later-pattern", beside=9)
def earlier_request_wins(patch: Patch) -> None:
    """Of two requests of one rank, the earlier holds."""

    def construct(original: Any, request: Any, *rest: Any) -> None:
        original(request, *rest)
        request.order = -request.order

    patch.around(initialize.Request, "__init__", construct)


@mutant(kills="core.init.precedence.pattern-inside-a-part")
def patterns_start_at_the_root(patch: Patch) -> None:
    """Patterns given to a part are matched against paths from the whole net on."""

    def resolve(original: Any, each: Any) -> Any:
        for module in initialize.enclosing(each):
            for request in module._isomorph.requests if module.path else ():
                for pattern, law in request.patterns.items():
                    if pattern.fullmatch(each.name):
                        return law
                if request.patterns:
                    return laws.Constant(1)
        return original(each)

    patch.around_all(HOMES, "resolve_law", resolve)


@mutant(kills="core.init.pattern-that-matches-nothing")
def unmatched_pattern_is_ignored(patch: Patch) -> None:
    """A pattern that matches nothing is taken as it is."""

    def checked(original: Any, where: str, init: Any, seed: Any, *rest: Any) -> Any:
        if not isinstance(init, dict):
            return original(where, init, seed, *rest)
        patterns = {initialize.compile_pattern(text): law for text, law in init.items()}
        return initialize.Request(None, patterns, seed)

    patch.around(initialize, "_checked_request", checked)


@mutant(kills="core.init.pattern-of-a-part-of-a-path")
def patterns_match_anywhere(patch: Patch) -> None:
    """A pattern chooses every parameter whose path has it somewhere."""

    def loose(original: Any, pattern: str) -> Any:
        return original(f".*(?:{pattern}).*")

    patch.around_all((initialize, mapping), "compile_pattern", loose)


@mutant(kills="core.init.custom-law")
def laws_get_no_stream(patch: Patch) -> None:
    """A user's own law is given a fresh generator in place of the path's stream."""

    def draw(original: Any, law: Any, *rest: Any) -> Any:
        own = Patch()
        if type(law).__module__ != Law.__module__:
            own(streams, "generator_for", lambda seed, path: np.random.Generator(np.random.SFC64(seed)))
        try:
            return original(law, *rest)
        finally:
            own.undo()

    patch.around(streams, "draw", draw)
    patch(initialize, "draw", streams.draw)


@mutant(kills="core.init.failing-law.shape")
def values_are_cut_to_size(patch: Patch) -> None:
    """Values of another shape than the parameter's are cut to size."""

    def draw(original: Any, law: Any, seed: int, path: str, shape: Any, dtype: str) -> Any:
        def cut(*arguments: Any) -> Any:
            values = law(*arguments)
            return np.resize(values, shape) if isinstance(values, np.ndarray) else values

        return original(cut, seed, path, shape, dtype)

    patch.around(streams, "draw", draw)
    patch(initialize, "draw", streams.draw)

"""Initial values: requests, their precedence, patterns; drawing, and handing on what was drawn."""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from .errors import InvalidArgumentError
from .init.laws import Array, Kaiming, Law, Normal, Ones, Zeros
from .init.streams import draw
from .shape import Shape
from .snapshot import Snapshot, all_or_nothing

# Below this many elements in all, starting threads costs more than it saves.
_PARALLEL_FROM = 1 << 20


class Holder(Protocol):
    """What is asked here of a module."""

    _isomorph: Any

    @property
    def path(self) -> str: ...
    @property
    def parent(self) -> Holder | None: ...
    @property
    def root(self) -> Holder: ...
    def state(self) -> Mapping[str, Any]: ...
    def own_parameters(self) -> Mapping[str, Any]: ...


class Drawn(Protocol):
    """What is asked here of a parameter."""

    role: str
    is_learned: bool
    requests: list[Request]
    _law: Any
    _default: Any
    _value: Array | None
    _slot: Any

    @property
    def name(self) -> str: ...
    @property
    def owner(self) -> Any: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> str: ...
    @property
    def is_ready(self) -> bool: ...


class Request:
    """One call of `initialize`: a law or patterns, a seed; a later one has a greater order."""

    _orders = itertools.count(1)

    def __init__(self, law: Any, patterns: dict[re.Pattern[str], Any], seed: int | None) -> None:
        self.law, self.patterns, self.seed, self.order = law, patterns, seed, next(self._orders)

    def matches(self, path: str) -> bool:
        """Return whether one of its patterns is about this path."""
        return any(pattern.fullmatch(path) for pattern in self.patterns)

    def seed_alone(self) -> Request:
        """Return what is left where laws are forgotten: the seed, as old as it is."""
        left = Request(None, {}, self.seed)
        left.order = self.order
        return left


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a compiled pattern; raises `InvalidArgumentError` if it is not one."""
    try:
        return re.compile(pattern)
    except re.error as cause:
        raise InvalidArgumentError.of("pattern", "it", f"a regular expression ({cause})", pattern) from cause


def check_law(where: str, law: Any) -> Any:
    """Return the law if it can be called, an instance for a class; raises `InvalidArgumentError`."""
    if isinstance(law, type):
        try:
            return law()
        except TypeError:
            pass
    elif law is None or callable(law):
        return law
    raise InvalidArgumentError.of(
        where, "init", "a law such as init.Normal(0.01) or f(name, shape, dtype, generator)", law
    )


def request(
    label: str,
    init: Any,
    seed: int | None,
    force: bool,
    *,
    root: Holder | None,
    inside: Mapping[str, Drawn],
    holders: Iterable[Any],
    patterns: bool = True,
) -> None:
    """Record a request and carry out what can be carried out.

    Args:
        label: What was asked, for messages.
        init: The law, a dict from patterns to laws, or None.
        seed: The seed, or None.
        force: Whether to draw anew what is ready.
        root: The outermost module, whose own seed counts where none was named.
        inside: The parameters it is about, by the paths that patterns match.
        holders: Whoever has requests that a new law replaces; the first one records this.
        patterns: Whether a dict of patterns is taken.

    Raises `InvalidArgumentError` or `InitializerError`; then nothing is recorded or changed.
    """
    new = _checked_request(f"{label}.initialize", init, seed, inside, patterns)
    meant = [p for path, p in inside.items() if not new.patterns or new.matches(path)]
    learned = [parameter for parameter in meant if parameter.is_learned]
    ready = [parameter for parameter in learned if parameter.is_ready]
    if ready and not force:
        warnings.warn(
            f"{len(ready)} of {len(learned)} parameters of {label} are initialized "
            "already and keep their values; force=True draws them anew.",
            UserWarning,
            stacklevel=4,
        )
        if len(ready) == len(learned):
            return
    first, *others = holders
    memories = [] if root is None else [root._isomorph]
    with all_or_nothing(Snapshot().keep([first, *others], "requests").keep(memories, "entropy")):
        if force and new.law is not None:
            for each in (first, *others):
                each.requests[:] = [old.seed_alone() for old in each.requests if old.seed is not None]
        first.requests.append(new)
        for memory in memories if force else ():
            memory.entropy = None
        draw_values(meant, force)


def _checked_request(
    where: str, init: Any, seed: int | None, inside: Mapping[str, Drawn], takes_patterns: bool
) -> Request:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise InvalidArgumentError.of(where, "seed", "a non-negative integer or None", seed)
    if not isinstance(init, dict):
        return Request(check_law(where, init), {}, seed)
    if not takes_patterns:
        raise InvalidArgumentError.of(where, "init", "one law; patterns are for modules", init)
    patterns = {compile_pattern(text): check_law(where, law) for text, law in init.items()}
    for pattern in patterns:
        if not any(pattern.fullmatch(path) for path in inside):
            hint = "A pattern is a regular expression that matches a whole path."
            raise InvalidArgumentError.choice(where, "each pattern", list(inside), pattern.pattern, hint)
    return Request(None, patterns, seed)


# Which law, which seed.


def resolve_law(parameter: Drawn) -> Any:
    """Return the law that applies to a parameter.

    In order: a request on it or its own layer, a pattern, its constructor's law, the nearest
    enclosing module's request, the whole net's, the default. The later of two of a rank wins.
    """
    best: tuple[tuple[int, int, int], Any] | None = None

    def offer(rank: int, nearness: int, order: int, law: Any) -> None:
        nonlocal best
        if law is not None and (best is None or (rank, nearness, order) >= best[0]):
            best = ((rank, nearness, order), law)

    offer(0, 0, 0, parameter._default)
    offer(2, 0, 0, parameter._law)
    if parameter.is_learned:
        for own in parameter.requests:
            offer(4, 0, own.order, own.law)
        for distance, module in enumerate(enclosing(parameter)):
            for request in module._isomorph.requests:
                own_layer = distance == 0
                law = (
                    request.law
                    if parameter.role == "weight" or request.law is None
                    else (Ones() if parameter.role == "scale" else Zeros())
                )
                offer(4 if own_layer else 1, 0 if own_layer else -distance, request.order, law)
                path = parameter.name.removeprefix(f"{module.path}." if module.path else "")
                for pattern, pattern_law in request.patterns.items():
                    if pattern.fullmatch(path):
                        offer(3, 0, request.order, pattern_law)
    return best[1] if best else default_law(parameter)


def default_law(parameter: Drawn) -> Any:
    """Return the law of a parameter that nobody named one for."""
    if parameter.role == "bias" or not parameter.is_learned:
        return Zeros()
    if parameter.role == "scale":
        return Ones()
    return Kaiming(a=5**0.5) if len(parameter.shape) > 1 else Normal(1.0)


def resolve_seed(parameter: Drawn) -> int:
    """Return the seed of the latest request that names one, else the net's own."""
    requests = list(parameter.requests)
    for module in enclosing(parameter):
        requests += module._isomorph.requests
    named = [request for request in requests if request.seed is not None]
    if named:
        seed = max(named, key=lambda request: request.order).seed
        assert seed is not None
        return seed
    owner = parameter.owner
    return own_seed(owner.root) if owner is not None else fresh_seed()


def own_seed(root: Holder) -> int:
    """Return the seed of a net that was given none; drawn once."""
    memory = root._isomorph
    if memory.entropy is None:
        memory.entropy = fresh_seed()
    return memory.entropy  # type: ignore[no-any-return]


def enclosing(parameter: Drawn) -> Iterator[Holder]:
    """Yield the modules around a parameter, from its owner outwards."""
    module = parameter.owner
    while module is not None:
        yield module
        module = module.parent


def siblings(parameter: Any) -> list[Any]:
    """Return the parameters of a parameter's own layer, with which it is initialized."""
    owner = parameter.owner
    return [parameter] if owner is None else list(owner.own_parameters().values())


def fresh_seed() -> int:
    """Return a seed from the system's randomness."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


# Drawing.


def together(parameters: Iterable[Any]) -> list[Any]:
    """Return those whose layer's parameters all have known shapes; a layer is drawn as one."""
    return [p for p in parameters if all(sibling.shape.is_known for sibling in siblings(p))]


def draw_values(parameters: Iterable[Any], force: bool = False) -> None:
    """Draw values for all that can have them, then store them: all or nothing."""
    chosen = [p for p in together(parameters) if force or not p.is_ready]
    if not chosen:
        return
    fresh = []
    for parameter, value in zip(chosen, _draw_all(chosen)):
        if parameter._slot is not None and parameter._slot.is_ready:
            parameter._slot.write(value)
        else:
            parameter._value = value
            fresh.append(parameter)
    store(fresh)


def store(parameters: Iterable[Any]) -> None:
    """Hand values that wait in a lowered net's parameters to its native modules."""
    slots = [p._slot for p in parameters if p._slot is not None and p._value is not None]
    for binding in {id(slot.binding): slot.binding for slot in slots}.values():
        binding.deliver([slot for slot in slots if slot.binding is binding])


def draw_one(parameter: Drawn) -> Array:
    """Return new values from a parameter's law; nothing is stored."""
    seed, shape = resolve_seed(parameter), parameter.shape.known()
    return draw(resolve_law(parameter), seed, parameter.name, shape, parameter.dtype)


def _draw_all(parameters: list[Any]) -> list[Array]:
    """Draw in the declared order; large nets of built-in laws on several threads."""
    roots = {id(p.owner.root): p.owner.root for p in parameters if p.owner is not None}
    for root in roots.values():
        root.state()  # settles the canonical paths, by which values are keyed
        own_seed(root)  # drawn here, once, before any thread asks for it
    laws = [parameter.init for parameter in parameters]
    size = sum(parameter.shape.size for parameter in parameters)
    built_in = all(isinstance(law, Law) and type(law).__module__.startswith("isomorph.init.") for law in laws)
    if not built_in or size < _PARALLEL_FROM:
        return [draw_one(parameter) for parameter in parameters]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(draw_one, parameters))

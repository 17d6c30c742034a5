"""Later calls of a kind that was checked: straight to the native run, by one look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .adapter import Binding, Signature
from .inputs import prepare
from .structure import flatten, is_array, unflatten
from .trace import by_position
from .tree import Tree
from .watch import Watch

# How many kinds of calls a module keeps, and how many batch sizes a kind; the oldest goes.
KINDS, SIZES = 64, 64

Run = Callable[..., Any]


def remember(
    module: Tree,
    binding: Binding,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    given: list[Any],
    values: list[Any],
    signature: Signature,
    run: Run,
) -> None:
    """Let later calls with such arguments skip the checks.

    Args:
        module: What was called.
        binding: The net.
        arguments: As its user gave them.
        given: The tensors in them, in the order in which the native module takes them.
        values: The same as native tensors.
        signature: What the run is for.
        run: What the adapter made for it.
    """
    direct = run
    if arguments[1] and not _names_of(signature):
        direct = _ordering(module, arguments, direct)
    if any(before is not after for before, after in zip(given, values)):
        is_single = len(given) == 1 and signature.is_flat and not arguments[1]
        direct = _preparing(module, binding, is_single, direct)
    if any(each._is_layer and each.statistics and each.training for _, each in module.named_modules()):
        direct = _checking_batch(module, direct)
    if binding.adapter.specializes and binding.options.compile is not False:
        watch = Watch(each for _, each in module.root.named_modules())
        direct = _watching(module, watch, direct) if watch else direct
    try:
        key = module._isomorph.key(*arguments)
        runs = module._isomorph.runs
        if signature.asks:
            by_batch = runs.get(key)
            if not isinstance(by_batch, ByBatch):
                by_batch = ByBatch(module)
            by_batch.keep(arguments, direct)
            direct = by_batch
        _put(runs, key, direct, KINDS)
    except (TypeError, AttributeError):  # something that can't be hashed: such calls are checked always
        return


def _put(table: dict[Any, Any], key: Any, value: Any, limit: int) -> None:
    if key not in table:
        while len(table) >= limit:
            del table[next(iter(table))]
    table[key] = value


def _names_of(signature: Signature) -> Any:
    return signature.structure[3][1]


def _ordering(module: Tree, arguments: tuple[tuple[Any, ...], dict[str, Any]], run: Run) -> Run:
    """Put named inputs by position: a framework's layer has names of its own."""
    given, names = arguments[0], {name: name for name in arguments[1]}
    order = by_position(module, given, names)[len(given) :]

    def ordered(*inputs: Any, **named: Any) -> Any:
        return run(*inputs, *[named[name] for name in order])

    def bound(*inputs: Any, **named: Any) -> Any:
        return run(*by_position(module, inputs, named))

    return ordered if set(order) == set(names) else bound


def _preparing(module: Tree, binding: Binding, is_single: bool, run: Run) -> Run:
    """Turn NumPy's arrays into native tensors first."""

    def single(x: Any) -> Any:
        return run(prepare(module, binding, x))

    def prepared(*inputs: Any, **named: Any) -> Any:
        leaves, structure = flatten((inputs, named), is_array)
        inputs, named = unflatten(structure, [prepare(module, binding, leaf) for leaf in leaves])
        return run(*inputs, **named)

    return single if is_single else prepared


def _checking_batch(module: Tree, run: Run) -> Run:
    """Check the shapes of a batch of one each time: it has no variance."""

    def checked(*inputs: Any, **named: Any) -> Any:
        leaves, _ = flatten((inputs, named), is_array)
        if all(len(x.shape) > 0 and x.shape[0] > 1 for x in leaves):
            return run(*inputs, **named)
        return module._call(inputs, named)

    return checked


def _watching(module: Tree, watch: Watch, run: Run) -> Run:
    """Compile anew where Python state that a forward reads has changed."""

    def watched(*inputs: Any, **named: Any) -> Any:
        if watch.is_unchanged():
            return run(*inputs, **named)
        binding = module._isomorph.binding
        if binding is not None:
            binding.forget_traces()
        return module._call(inputs, named)

    return watched


class ByBatch:
    """Runs of one kind of call that hold for one batch size each."""

    def __init__(self, module: Tree) -> None:
        self.module = module
        self.runs: dict[Any, Run] = {}

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        run = self.runs.get(self._key(inputs, named))
        return self.module._call(inputs, named) if run is None else run(*inputs, **named)

    def keep(self, arguments: tuple[tuple[Any, ...], dict[str, Any]], run: Run) -> None:
        """Keep a run for arguments like these."""
        _put(self.runs, self._key(*arguments), run, SIZES)

    def _key(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return tuple([tuple(leaf.shape) for leaf in flatten((inputs, named), is_array)[0]])

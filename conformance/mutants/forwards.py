"""Faults of what nets take and give, and of what a forward may use."""

from __future__ import annotations

from typing import Any

from isomorph import (
    calls,
    convert,
    inference,
    inputs,
    nn,
    parameter,
    remember,
    structure,
    trace,
    tracing,
    tree,
)
from isomorph.errors import InvalidArgumentError, StructureError
from isomorph.shape import Shape
from isomorph.tensor import TensorSpec

from .catalog import Patch, mutant


@mutant(kills="core.arguments.two-by-name", beside=6)
def names_go_by_their_order(patch: Patch) -> None:
    """Inputs that are named are taken in the order in which they are written."""

    def call(original: Any, module: Any, inputs: Any, named: Any) -> Any:
        return original(module, (*inputs, *named.values()), {})

    patch.around(calls, "call", call)


@mutant(kills="core.arguments.unknown-name")
def unknown_names_are_let_in(patch: Patch) -> None:
    """A layer takes an input of any name for its own."""

    def ordered(original: Any, module: Any, given: Any, named: Any) -> Any:
        return (*given, *named.values())

    patch.around_all((trace, calls, inputs, remember), "by_position", ordered)


@mutant(kills="core.arguments.dict-in", beside=8)
def dicts_are_mixed_up(patch: Patch) -> None:
    """The values of a dict that a net is given come under each other's keys."""

    def unflatten(original: Any, around: Any, leaves: Any) -> Any:
        inputs, named = original(around, leaves)
        return tuple(map(_turned, inputs)), named

    patch.around(calls, "unflatten", unflatten)


def _turned(value: Any) -> Any:
    return dict(zip(value, [*value.values()][::-1])) if type(value) is dict else value


@mutant(kills="core.arguments.dataclass-in", beside=4)
def data_classes_are_no_containers(patch: Patch) -> None:
    """The tensors in a data class are not looked for."""
    patch(structure, "is_dataclass", lambda value: False)


@mutant(kills="core.arguments.list-out", beside=6)
def lists_come_back_as_tuples(patch: Patch) -> None:
    """Where forward returns a list, its caller gets a tuple."""

    def call(original: Any, module: Any, *inputs: Any, **named: Any) -> Any:
        output = original(module, *inputs, **named)
        return tuple(output) if type(output) is list else output

    patch.around(nn.Module, "__call__", call)


@mutant(kills="core.arguments.flags-by-type", beside=5)
def first_flags_stay(patch: Patch) -> None:
    """What is no tensor among the inputs stays what it was in the first call."""
    first: dict[int, Any] = {}

    def call(original: Any, module: Any, *inputs: Any, **named: Any) -> Any:
        if tracing.current() is not None or len(inputs) < 2:
            return original(module, *inputs, **named)
        kept = first.setdefault(id(module), inputs)
        given = (x if structure.is_array(x) else one for x, one in zip(inputs, kept))
        return original(module, *given, **named)

    patch.around(nn.Module, "__call__", call)


@mutant(kills="core.arguments.named-tuple-in")
def named_tuples_lose_their_names(patch: Patch) -> None:
    """A named tuple reaches forward as a plain tuple."""

    def joined(original: Any, kind: Any, keys: Any, items: Any) -> Any:
        return original(tuple if hasattr(kind, "_fields") else kind, keys, items)

    patch.around(structure, "_joined", joined)


@mutant(kills="core.arguments.numbers")
def numbers_are_those_of_the_first_call(patch: Patch) -> None:
    """A later call computes with the plain numbers of the first one of its kind."""
    _first_values_kept(patch)


@mutant(kills="core.arguments.flags-by-type")
def flags_are_known_by_value(patch: Patch) -> None:
    """To later calls True, 1 and 1.0 are the same."""

    def part_of(original: Any, value: Any) -> Any:
        return original(value) if structure.is_array(value) or not _is_number(value) else value

    for name in ("_part_by_sizes", "_part_by_rank"):
        patch.around(structure, name, part_of)
    _first_values_kept(patch)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float))


def _first_values_kept(patch: Patch) -> None:
    def kept(original: Any, *about: Any) -> None:
        *rest, signature, run = about

        def call(*given: Any, **named: Any) -> Any:
            tensors, _ = structure.flatten((given, named), structure.is_array)
            first, by_name = structure.unflatten(signature.structure, tensors)
            return run(*first, **by_name)

        original(*rest, signature, call)

    patch.around(calls, "remember", kept)


@mutant(kills="core.arguments.nested-infer")
def dry_runs_take_no_containers(patch: Patch) -> None:
    """Inferring from shapes refuses a dict of them."""

    def specs(original: Any, values: Any) -> Any:
        for value in values:
            if isinstance(value, dict):
                raise InvalidArgumentError.of("infer", "each input", "a shape", value)
        return original(values)

    patch.around(inference, "input_specs", specs)


@mutant(kills="core.arguments.to-numpy-nested")
def to_numpy_gives_a_row(patch: Patch) -> None:
    """to_numpy gives the arrays of a nested output in a row."""

    def mapped(original: Any, function: Any, value: Any, is_leaf: Any) -> Any:
        leaves, around = structure.flatten(value, is_leaf)
        return (
            original(function, value, is_leaf)
            if around is structure.LEAF
            else [function(each) for each in leaves]
        )

    patch.around(convert, "map_leaves", mapped)


@mutant(kills="core.forward.child-weight", beside=3)
def layers_keep_their_parameters(patch: Patch) -> None:
    """A forward can't read the parameters of the layers that its module holds."""

    def spec(original: Any, each: Any) -> Any:
        if isinstance(each.owner, nn.Layer):
            raise StructureError(f"{each.name} is its layer's own.\n  Call the layer.")
        return original(each)

    patch.around(parameter.Parameter, "spec", spec)


@mutant(kills="core.forward.before-sizes-are-known")
def unknown_sizes_read_as_one(patch: Patch) -> None:
    """A forward that reads a parameter of unknown size sees ones in its shape."""

    def spec(original: Any, each: Any) -> Any:
        if each.shape.is_known:
            return original(each)
        return TensorSpec(Shape(1 if size is None else size for size in each.shape), each.dtype)

    patch.around(parameter.Parameter, "spec", spec)


@mutant(kills="core.forward.update-of-another-shape")
def updates_of_any_shape_are_let_in(patch: Patch) -> None:
    """A buffer's update takes values of another shape."""

    def update(original: Any, each: Any, value: Any) -> None:
        context = tracing.current()
        if context is None:
            original(each, value)
        else:
            context.updates = True

    patch.around(nn.Buffer, "update", update)


@mutant(kills="core.forward.assigns", beside=3)
def assignments_are_let_in(patch: Patch) -> None:
    """A forward may assign attributes."""
    patch(trace.Trace, "require_no_assignment", lambda context, module, name: None)


@mutant(kills="core.forward.module-held-by-set", beside=4)
def modules_outside_are_let_in(patch: Patch) -> None:
    """A forward may call modules that the tree does not hold."""
    patch(trace.Trace, "require_inside", lambda context, module: None)


@mutant(kills="core.forward.listed-parameters", beside=3)
def listed_parameters_are_not_seen(patch: Patch) -> None:
    """Parameters in a list of an attribute are no parameters of the net."""

    def container(original: Any, owner: Any, name: str, value: Any) -> Any:
        items = value.values() if isinstance(value, dict) else value
        return (
            value if any(isinstance(each, nn.Parameter) for each in items) else original(owner, name, value)
        )

    patch.around(tree, "_as_container", container)

"""Cases of what inference says of an output: every row of layers, of options and of functions.

Each is inferred from a whole shape with its type, and from shapes with open sizes. The same rows'
cases of values hold what a call gives against the same model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isomorph.conformance.data import operand
from isomorph.conformance.layers import RECORDS
from isomorph.conformance.model.machine import Machine

from . import functions, layers, tables
from .write import Case, Data, case, graph

Shape = tuple[int, ...]


def _infer(shape: Any) -> list[Any]:
    return ["infer", {"shapes": [shape]}]


def _answered(head: list[Any], shape: Any) -> bool:
    """Whether the model says what follows: a fixed size of a reshape, say, leaves none open."""
    return Machine().expected([*head, _infer(shape)])[-1].error is None


def _asked(stem: str, clause: str, feature: str, head: list[Any], shapes: list[Any], need: str) -> Case:
    """Return a case of inference from each of some shapes; each on a new net, where one learns sizes."""
    steps = list(head)
    for position, shape in enumerate(shapes):
        fresh = head if position and Machine().expected(head)[-1].state["net"] else []
        steps += [*fresh, _infer(shape)]
    ask = [
        [position, name]
        for position, (verb, _) in enumerate(steps)
        if verb == "infer"
        for name in ("specs", "shapes")
    ]
    return case(f"{stem}.infer", clause, steps, ask, feature=feature, needs=(need,))


def _opened(shape: Shape) -> Iterator[list[int | None]]:
    """Yield a shape with each of its sizes open, and with all of them."""
    for axis in range(len(shape)):
        yield [None if at == axis else size for at, size in enumerate(shape)]
    if len(shape) > 1:
        yield [None for _ in shape]


def _of_layer(stem: str, spec: Data, shape: Shape, data_format: str) -> Case:
    record = RECORDS[spec["kind"]]
    head: list[Any] = [["construct", {"spec": spec}], ["to", layers.moved_in(data_format)]]
    whole = {"shape": list(shape), "dtype": record.input(spec, shape)["dtype"]}
    several = [each for each in _opened(shape) if _answered(head, each)]
    return _asked(stem, "I-11", record.feature, head, [whole, *several], f"{stem}.shapes")


def rows() -> list[Case]:
    """Return a case of each named row, in each data format that it has."""
    found = []
    for slug, spec, shape in layers.ROWS:
        for short in layers.formats_of(spec, shape):
            stem = f"layers.{layers.feature_of(spec)}.{slug}{'.last' if short == 'last' else ''}"
            data_format = layers.FORMATS[short]
            found.append(_of_layer(stem, spec, layers.in_format(shape, data_format), data_format))
    return found


def options() -> list[Case]:
    """Return a case of each row of the covering tables."""
    found = []
    for each in tables.cases():
        if each["id"].endswith(".values"):
            steps = dict(each["steps"])
            shape = tuple(steps["call"]["inputs"][0]["shape"])
            data_format = steps["to"].get("data_format", "channels_first")
            stem = each["id"].removesuffix(".values")
            found.append(_of_layer(stem, steps["construct"]["spec"], shape, data_format))
    return found


def _net_of(row: Data, count: int) -> Data:
    """Return a net whose forward is one function of what is in its input's tuple."""
    places = iter(range(count))
    given: list[Any] = [each["number"] if "number" in each else f"x.{next(places)}" for each in row["arrays"]]
    named = dict(row["options"])
    if row["op"] in ("concat", "stack"):
        given = [given]
    if row["op"] == "einsum":
        given = [f"={named.pop('equation')}", *given]
    name = row["op"] if row["op"].startswith("operator.") else f"ops.{row['op']}"
    return graph([["y", name, given, named]], "y")


def _of_function(row: Data) -> Case:
    arrays = [np.asarray(operand(each)) for each in row["arrays"] if "number" not in each]
    head: list[Any] = [["construct", {"spec": _net_of(row, len(arrays))}], ["to", {}]]
    whole = [{"shape": list(each.shape), "dtype": each.dtype.name} for each in arrays]
    several: list[Any] = [whole]
    # Two inputs' open sizes need not be one: only a function of one input is asked.
    if len(arrays) == 1:
        dtype = arrays[0].dtype.name
        opened = [[{"shape": each, "dtype": dtype}] for each in _opened(arrays[0].shape)]
        several += [each for each in opened if _answered(head, {"tuple": each})]
    shapes = [{"tuple": each} for each in several]
    stem = f"layers.ops.{row['slug']}"
    return _asked(stem, "I-12", "ops", head, shapes, stem)


def cases() -> list[Case]:
    """Return the cases of inferred outputs."""
    of_functions = [_of_function(row) for row in functions.FUNCTION_CASES if row["op"] != "shape"]
    return [*rows(), *options(), *of_functions]

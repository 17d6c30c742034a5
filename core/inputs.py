"""A call's arguments as the native module takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import registry
from .adapter import Binding
from .errors import DTypeMismatchError, InvalidArgumentError, MixedBackendsError
from .init.streams import cast
from .structure import LEAF, Structure, flatten, unflatten
from .tensor import FLOATS, TensorSpec
from .trace import by_position, names_its_own
from .tree import Tree


def ordered(
    binding: Binding, module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a call's arguments as the native module takes them: a framework's layer by position."""
    if named and names_its_own(type(module)) and not isinstance(binding.native(module), Tree):
        return by_position(module, inputs, named), {}
    return inputs, named


def prepared(module: Tree, binding: Binding, leaves: list[Any], structure: Structure) -> list[Any]:
    """Return a call's tensors as native ones; raises for what is around them but means an array."""
    for each in structure[2:]:
        _refuse_lists(module, each)
    return [prepare(module, binding, leaf) for leaf in leaves]


def _refuse_lists(module: Tree, arguments: Structure) -> None:
    """Raise for numbers in lists: an array was meant."""
    for each in arguments[2:]:
        if each is LEAF or each[0] not in (list, tuple) or flatten(each, lambda part: part is LEAF)[0]:
            continue
        if any(item[0] in (list, tuple) or item[1] is float for item in each[2:]):
            received = unflatten(each, ())
            hint = "Use numpy.asarray(...)."
            raise InvalidArgumentError.of(module.label, "each input", "an array or tensor", received, hint)


def prepare(module: Tree, binding: Binding, value: Any) -> Any:
    """Return an input as a native tensor."""
    adapter = binding.adapter
    if isinstance(value, (np.ndarray, np.generic)):
        if isinstance(value, np.ma.MaskedArray):
            hint = "Give what stands for masked elements, with x.filled(value), or pass x.mask beside it."
            raise InvalidArgumentError.of(
                module.label, "each input", "an array without a mask", type(value), hint
            )
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
            raise DTypeMismatchError.at(
                module.label, "numeric", array.dtype, "Convert the array to numbers first."
            )
        if array.dtype.kind == "f":
            array = cast(array, binding.options.dtype)
        elif not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return adapter.from_numpy(array, binding.options)
    if adapter.owns(value):
        return adapter.accept(value, binding.options)
    owner = registry.owner_of(value)
    raise MixedBackendsError.at(module.label, adapter.name, owner.name if owner else type(value).__name__)


def input_spec(module: Tree, binding: Binding, value: Any) -> TensorSpec:
    """Return a native input's spec; raises for a floating type that is not the net's."""
    try:
        spec: TensorSpec = binding.adapter.spec(value)
    except InvalidArgumentError:
        hint = "Convert the tensor to real numbers first."
        raise DTypeMismatchError.at(module.label, "numeric", value.dtype, hint) from None
    dtype = binding.options.dtype
    if spec.dtype in FLOATS and spec.dtype != dtype:
        raise DTypeMismatchError.at(
            module.label,
            dtype,
            spec.dtype,
            f'Cast the input, or the net with net.to(dtype="{spec.dtype}").',
        )
    return spec

"""The bound call: the native module's own, traced once for each kind of input."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding

from .framework import EagerTensor, device_of, tf

# Whether the call under way is a bound one: the description's mode decides, not Keras's.
is_bound: ContextVar[bool] = ContextVar("isomorph_keras_bound", default=False)


def runner(binding: Binding, module: nn.Module) -> Callable[..., Any]:
    """Return the call of a module in its present mode."""
    native, options = binding.native(module), binding.options

    def plain(*values: Any, **named: Any) -> Any:
        token = is_bound.set(True)
        try:
            with device_of(options):
                return native(*values, **named)
        finally:
            is_bound.reset(token)

    return plain if options.compile is False else compiled(plain)


def compiled(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call as one concrete function for each kind of input; the batch's size is left open.

    A concrete function is called directly: in TensorFlow 2.21 that takes two thirds of the time.
    """
    alone: dict[Any, Callable[..., Any]] = {}
    functions: dict[Any, Callable[..., Any] | None] = {}

    def run(*values: Any, **named: Any) -> Any:
        if len(values) == 1 and not named and type(values[0]) is EagerTensor:
            x = values[0]
            function = alone.get((tuple(x.shape)[1:], x.dtype))
            if function is not None:
                return function(x)
        structure = values, named
        leaves = tf.nest.flatten(structure)
        tensors = [leaf for leaf in leaves if isinstance(leaf, tf.Tensor)]
        # Inside a tf.function of the user's, and for symbols, the model itself is called.
        if not all(type(leaf) in (EagerTensor, bool, int, float, str, type(None)) for leaf in leaves):
            return plain(*values, **named)
        for is_open in (True, False):
            specs = [tf.TensorSpec(_open(x.shape) if is_open else x.shape, x.dtype) for x in tensors]
            described = iter(specs)
            kinds = [next(described) if isinstance(leaf, tf.Tensor) else leaf for leaf in leaves]
            key = repr(tf.nest.pack_sequence_as(structure, kinds))
            if key not in functions:
                try:
                    functions[key] = _traced(plain, structure, leaves, specs)
                except Exception:
                    if not is_open:
                        raise
                    # A forward may need the batch's size; then each size is traced for itself.
                    functions[key] = None
            function = functions[key]
            if function is not None:
                break
        if is_open and len(leaves) == 1 and tensors and tensors[0] is values[0] and tensors[0].ndim > 1:
            alone[tuple(tensors[0].shape)[1:], tensors[0].dtype] = function
        return function(*tensors)

    return run


def _traced(
    plain: Callable[..., Any], structure: Any, leaves: list[Any], specs: list[Any]
) -> Callable[..., Any]:
    # The trace outlives the call: it keeps no tensor.
    leaves = [tf.Tensor if isinstance(leaf, tf.Tensor) else leaf for leaf in leaves]
    structure = tf.nest.map_structure(lambda leaf: None, structure)

    def call(*tensors: Any) -> Any:
        given = iter(tensors)
        filled = [next(given) if leaf is tf.Tensor else leaf for leaf in leaves]
        inputs, keywords = tf.nest.pack_sequence_as(structure, filled)
        return plain(*inputs, **keywords)

    return tf.function(call, input_signature=specs, autograph=False).get_concrete_function()  # type: ignore[no-any-return]


def _open(shape: Any) -> Any:
    """Return a shape with its batch size left open; a vector has none."""
    return shape if shape.rank < 2 else [None, *shape[1:]]

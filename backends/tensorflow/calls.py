"""The bound call: the native module's own, traced once for each kind of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isomorph import nn
from isomorph.adapter import LEAF, Binding, Options, Signature, flatten, unflatten

from .deferral import TransposedView, is_bound
from .framework import EagerTensor, device_of, keras, tf

Run = Callable[..., Any]
# How many batch sizes a forward that needs the size is kept for; the oldest goes.
SIZES = 64


def runner(binding: Binding, module: nn.Module, signature: Signature) -> Run:
    """Return the call of a module in its present mode, for a kind of arguments."""
    native = binding.native(module)
    run = _bound(native, binding.options)
    trains = any(each.training and getattr(each, "statistics", False) for _, each in module.named_modules())
    if trains or signature.updates:
        run = _committed(run, native)
    # Neither exists in any graph of TensorFlow.
    asks_in_python = signature.asks & {"len", "iter"}
    return run if binding.options.compile is False or asks_in_python else _compiled(run, signature)


def is_leaf(value: Any) -> bool:
    """Return whether a value is a tensor of TensorFlow's or Keras's, composite ones too."""
    return isinstance(value, (keras.KerasTensor, keras.Variable, TransposedView)) or tf.is_tensor(value)


def _bound(native: Any, options: Options) -> Run:
    def run(*inputs: Any, **named: Any) -> Any:
        leaves, _ = flatten((inputs, named), is_leaf)
        if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
            return native(*inputs, **named)
        token = is_bound.set(True)
        try:
            with device_of(options):
                output = native(*inputs, **named)
        finally:
            is_bound.reset(token)
        if isinstance(output, tf.Tensor):
            return output
        leaves, structure = flatten(output, is_leaf)
        return unflatten(structure, [_tensor(leaf) for leaf in leaves])

    return run


def _committed(run: Run, native: Any) -> Run:
    """Return a call that updates statistics and buffers at its end: a failed one leaves them."""

    def committed(*inputs: Any, **named: Any) -> Any:
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        before = len(graph.get_operations()) if graph else 0
        with keras.StatelessScope(initialize_variables=False) as scope:
            output = run(*inputs, **named)
        found = ((each, scope.get_current_value(each)) for each in native.non_trainable_variables)
        updates = [(variable, value) for variable, value in found if value is not None]
        if graph is None or not updates:
            for variable, value in updates:
                variable.assign(value)
            return output
        leaves, structure = flatten(output, is_leaf)
        leaves = [_tensor(leaf) for leaf in leaves]
        # Else they would run although a check in the same graph fails.
        checks = [op for op in graph.get_operations()[before:] if op.op_def.is_stateful]
        with tf.control_dependencies([*tf.nest.flatten(leaves, expand_composites=True), *checks]):
            for variable, value in updates:
                variable.assign(value)
        return unflatten(structure, leaves)

    return committed


def _tensor(leaf: Any) -> Any:
    is_variable = isinstance(leaf, (tf.Variable, keras.Variable, TransposedView))
    return tf.convert_to_tensor(leaf) if is_variable else leaf


def _compiled(run: Run, signature: Signature) -> Run:
    """Return a call as one concrete function, which is called directly: that is a third faster.

    The batch's size is left open, unless forward asks for it.
    """
    structure, count = signature.structure, len(signature.specs)
    is_flat = all(each is LEAF for part in structure[2:] for each in part[2:])
    function: Run | None = None

    def compiled(*inputs: Any, **named: Any) -> Any:
        nonlocal function
        leaves = (*inputs, *named.values()) if is_flat else flatten((inputs, named), _is_eager)[0]
        # In a tf.function of the user's, and for symbols, the model itself is called.
        if len(leaves) != count or not all(map(_is_eager, leaves)):
            return run(*inputs, **named)
        if function is None:
            function = _function(run, structure, leaves, not signature.asks)
        return function(*leaves)

    return compiled


def _is_eager(value: Any) -> bool:
    return type(value) is EagerTensor


def _function(run: Run, structure: Any, leaves: Any, is_open: bool) -> Run:
    """Return a function of the tensors alone; where an open batch fails, one that traces each size."""
    if is_open and any(leaf.shape.rank > 1 for leaf in leaves):
        try:
            return _traced(run, structure, [_open(leaf) for leaf in leaves])
        except Exception:
            # A forward may need the batch's size in ways that a pass of shapes does not show.
            return _by_size(run, structure)
    return _traced(run, structure, [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves])


def _open(leaf: Any) -> Any:
    """Return a tensor's spec with its batch's size left open; a vector has none."""
    shape = leaf.shape if leaf.shape.rank < 2 else [None, *leaf.shape[1:]]
    return tf.TensorSpec(shape, leaf.dtype)


def _by_size(run: Run, structure: Any) -> Run:
    functions: dict[Any, Run] = {}

    def sized(*leaves: Any) -> Any:
        key = tuple(tuple(leaf.shape) for leaf in leaves)
        if key not in functions:
            specs = [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves]
            functions[key] = _traced(run, structure, specs)
            while len(functions) > SIZES:
                del functions[next(iter(functions))]
        return functions[key](*leaves)

    return sized


def _traced(run: Run, structure: Any, specs: list[Any]) -> Run:
    outside = LEAF

    def call(*tensors: Any) -> Any:
        nonlocal outside
        inputs, named = unflatten(structure, tensors)
        leaves, outside = flatten(run(*inputs, **named), is_leaf)
        leaves = [_tensor(leaf) for leaf in leaves]
        return leaves[0] if outside is LEAF else leaves

    function = tf.function(call, input_signature=specs, autograph=False).get_concrete_function()
    if outside is LEAF:
        return function  # type: ignore[no-any-return]
    return lambda *tensors: unflatten(outside, function(*tensors))

"""The nets in keras on TensorFlow: the model itself, a tf.function over it, its concrete function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from . import keras as written


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload."""
    eager = written.model(name, inputs, named)
    function = tf.function(eager.func, reduce_retracing=True)
    compiled = partial(function, *eager.args, **eager.keywords)
    return {"eager": eager, "compiled": compiled, "concrete": concrete(eager)}


def concrete(call: Any) -> Callable[[], Any]:
    """Return the call of a concrete function, with constants bound and the batch's size left open."""
    tensors = {key: value for key, value in call.keywords.items() if tf.is_tensor(value)}
    constants = {key: value for key, value in call.keywords.items() if key not in tensors}
    inputs, named = tf.nest.map_structure(spec, (call.args, tensors))
    function = tf.function(partial(call.func, **constants)).get_concrete_function(*inputs, **named)
    return partial(function, *call.args, **tensors)


def spec(tensor: tf.Tensor) -> tf.TensorSpec:
    sizes = tensor.shape if tensor.shape.rank < 2 else [None, *tensor.shape[1:]]
    return tf.TensorSpec(sizes, tensor.dtype)


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with keras's default values."""

    def build():
        model = keras.Sequential([keras.layers.Dense(b) for b in sizes[1:]])
        model.build((None, sizes[0]))
        return model

    return build

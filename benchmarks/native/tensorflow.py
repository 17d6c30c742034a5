"""The nets in keras on TensorFlow: the model itself, a tf.function over it, its concrete function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from . import keras as written


def spec(value: Any) -> Any:
    """Return what a concrete function is asked for: tensors of any batch size, constants as they are."""
    if not isinstance(value, tf.Tensor):
        return value
    sizes = value.shape if value.shape.rank < 2 else [None, *value.shape[1:]]
    return tf.TensorSpec(sizes, value.dtype)


def calls(name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the calls of a workload."""
    eager = written.model(name, inputs, named)
    function = tf.function(eager.func, reduce_retracing=True)
    inputs, named = eager.args, eager.keywords
    specs = tf.nest.map_structure(spec, (inputs, named))
    concrete = function.get_concrete_function(*specs[0], **specs[1])
    tensors = {key: value for key, value in named.items() if tf.is_tensor(value)}
    return {
        "eager": eager,
        "compiled": partial(function, *inputs, **named),
        "concrete": partial(concrete, *inputs, **tensors),
    }


def default_initialization(sizes: list[int]) -> Callable[[], Any]:
    """Return a call that makes an MLP with keras's default values."""

    def build():
        model = keras.Sequential([keras.layers.Dense(b) for b in sizes[1:]])
        model.build((None, sizes[0]))
        return model

    return build

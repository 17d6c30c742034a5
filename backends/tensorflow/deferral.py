"""Keras variables that hold the description's parameters, and layers that make them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding, Call, Options, Slot, TensorSpec

from .calls import is_bound
from .framework import check_device, device_of, keras, tf

# Keras 3.15 does not offer it publicly.
from keras.src.backend.common.stateless_scope import in_stateless_scope  # isort: skip

Axes = tuple[int, ...] | None


def storage(binding: Binding, parameter: nn.Parameter) -> Slot:
    """Return the slot that says how a parameter is stored; tied layers share its one variable."""
    first, *others = binding.slots[id(parameter)]
    for slot in others:
        slot.axes = first.axes
    return first


def _ordered(sizes: Sequence[int], axes: Axes) -> tuple[int, ...]:
    return tuple(sizes) if axes is None else tuple(sizes[axis] for axis in axes)


def _inverse(axes: Axes) -> Axes:
    return None if axes is None else tuple(int(axis) for axis in np.argsort(axes))


class TransposedView:
    """A variable of a tied layer, seen in this layer's own order of axes."""

    def __init__(self, variable: Any, axes: tuple[int, ...]) -> None:
        self.variable, self.axes = variable, axes
        self.shape, self.dtype = tf.TensorShape(_ordered(variable.shape, axes)), variable.dtype

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.transpose(tf.convert_to_tensor(self.variable, dtype), self.axes)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.asarray(tf.convert_to_tensor(self), dtype)

    def __getitem__(self, index: Any) -> Any:
        return tf.convert_to_tensor(self)[index]

    def assign(self, value: Any) -> None:
        """Replace the variable's values by some in this view's order."""
        self.variable.assign(tf.transpose(value, _inverse(self.axes)))


class ParameterLaw(keras.initializers.Initializer):  # type: ignore[misc]
    """Gives a Keras variable the values of the parameter it is bound to."""

    def __init__(self, binding: Binding, module: nn.Module, name: str, axes: Axes = None) -> None:
        self.binding, self.module, self.name, self.axes = binding, module, name, axes

    def clone(self) -> nn.ParameterLaw:
        return self

    def get_config(self) -> dict[str, Any]:
        return {}

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter of the description."""
        return vars(self.module)[self.name]  # type: ignore[no-any-return]

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        # Keras asks for placeholders in its symbolic passes, and once more for the values.
        if in_stateless_scope():
            return tf.zeros(shape, dtype)
        with tf.init_scope():
            axes = storage(self.binding, self.parameter).axes
            values = self.parameter.take()
            # By `tf.transpose` or `tf.constant` TensorFlow 2.21 would copy the array once more.
            return tf.constant(values) if axes is None else tf.raw_ops.Transpose(x=values, perm=axes)

    def variable(self, layer: Any, create: Callable[..., Any], shape: Any, **options: Any) -> Any:
        """Return the parameter's variable: the one of a layer it is tied to, else a new one."""
        parameter, memory = self.parameter, self.binding.memory
        canonical = _ordered(tuple(shape), _inverse(self.axes))
        if "probe" in memory:
            binding, found = memory["probe"]
            found[id(parameter)] = _ordered(canonical, storage(binding, parameter).axes)
            return None
        parameter.shape = canonical
        place, variables = storage(self.binding, parameter), memory.setdefault("variables", {})
        if id(parameter) not in variables:
            with device_of(self.binding.options):
                shape, is_frozen = place.native_shape(), not parameter.trainable
                variables[id(parameter)] = create(shape=shape, initializer=self, **options)
                if is_frozen:
                    variables[id(parameter)].trainable = False
        variable = variables[id(parameter)]
        if place.axes == self.axes:
            return variable
        setattr(layer, f"tied_{self.name}", variable)
        stored, wanted = (_ordered(range(len(canonical)), axes) for axes in (place.axes, self.axes))
        return TransposedView(variable, tuple(stored.index(axis) for axis in wanted))


class Deferred:
    """What our layers add to Keras's: variables that are bound to parameters."""

    _isomorph_training = False

    def add_weight(self, *args: Any, shape: Any = None, initializer: Any = None, **options: Any) -> Any:
        """Add a weight, bound to a parameter where its initializer is."""
        create = super().add_weight  # type: ignore[misc]
        if isinstance(initializer, ParameterLaw):
            return initializer.variable(self, create, shape, **options)
        return create(*args, shape=shape, initializer=initializer, **options)

    def _trains(self, training: bool | None) -> bool | None:
        """Return the mode: the description's in a bound call, else Keras's."""
        return self._isomorph_training if is_bound.get() else training


def common(module: nn.Module, binding: Binding) -> dict[str, Any]:
    """Return what every Keras layer is given: its path as name, and the net's data type."""
    check_device(binding.options)
    return {"name": _name(module) or None, "dtype": binding.options.dtype}


def _name(module: nn.Module) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", module.path).lstrip("_-")


def weights_of(binding: Binding, module: nn.Module) -> list[Any]:
    """Return the weights that Keras lists for a module; in a list or dict, for what is in it."""
    native = binding.native(module)
    if isinstance(native, keras.layers.Layer):
        return native.weights  # type: ignore[no-any-return]
    return [weight for child in module.children().values() for weight in weights_of(binding, child)]


def relative_path(weight: Any, module: nn.Module, native: Any) -> str:
    """Return a weight's path from a module on; above it are counters that Keras goes on with."""
    owner, _, name = "/".join(weight.path.split("/")[-2:]).rpartition("/")
    own = (*getattr(native, "_trainable_variables", ()), *getattr(native, "_non_trainable_variables", ()))
    if any(weight is each for each in own):
        return name
    return f"{owner.removeprefix(f'{_name(module)}.')}/{name}"


def input_shape(call: Call, options: Options) -> Any:
    """Return the shape that a layer was called with, its batch left open."""
    first = call.inputs[0] if call.inputs else None
    if not isinstance(first, TensorSpec):
        return sufficient_shape(call.module, options)
    sizes = [size if isinstance(size, int) else None for size in first.shape]
    return tuple(sizes) if len(sizes) < 2 else (None, *sizes[1:])


def sufficient_shape(module: Any, options: Options) -> tuple[int | None, ...]:
    """Return an input shape as far as the parameters' shapes tell it: all that `build` needs."""
    if isinstance(module, nn.Embedding):
        return (None, None)
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        channels = module.weight.shape.known()[1] * module.groups
        space = (None,) * module.spatial
        is_last = options.data_format == "channels_last"
        return (None, *space, channels) if is_last else (None, channels, *space)
    first = next(iter(module.own_parameters().values()))
    return (None, first.shape[-1])

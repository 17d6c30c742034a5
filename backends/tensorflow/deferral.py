"""Keras variables that hold the description's parameters, and layers that make them."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Array, Binding, Call, Options, Slot, TensorSpec, by_position
from isomorph.errors import DeferredInitializationError, StructureError

from .framework import check_device, device_of, keras, tf
from .saving import Saved

# Keras 3.15 does not offer it publicly.
from keras.src.backend.common.stateless_scope import in_stateless_scope  # isort: skip

Axes = tuple[int, ...] | None

# Whether the call under way is a bound one: the description's mode decides, not Keras's.
is_bound: ContextVar[bool] = ContextVar("isomorph_keras_bound", default=False)


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
    """A variable seen in another order of axes: that of a tied layer, or the canonical one."""

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


class UnbuiltError(DeferredInitializationError, AttributeError):
    """A weight was read before its layer was built; Keras takes it as an attribute that is not there."""


def canonical(binding: Binding, parameter: nn.Parameter) -> Any:
    """Return a parameter as a forward reads it: a tensor in the canonical layout.

    A buffer stored in that layout is the variable itself, which can be updated.
    """
    variable = binding.memory.get("variables", {}).get(id(parameter))
    if variable is None:
        reason = "Its layer is not built: call the net on data, or build the native model, first."
        raise UnbuiltError.at(parameter.name, parameter.shape, reason)
    axes = _inverse(storage(binding, parameter).axes)
    if isinstance(parameter, nn.Buffer) and axes is None:
        return variable
    value = tf.convert_to_tensor(variable)
    return value if axes is None else tf.transpose(value, axes)


def _values(binding: Binding, parameter: nn.Parameter) -> Callable[..., Any]:
    """Return what Keras calls an initializer: it gives the values that the parameter is bound to."""

    def values(shape: Any, dtype: Any = None) -> Any:
        # Keras asks for placeholders in its symbolic passes, and once more for the values.
        if in_stateless_scope():
            return tf.zeros(shape, dtype)
        with tf.init_scope():
            axes = storage(binding, parameter).axes
            array = parameter.take()
            # By `tf.transpose` or `tf.constant` TensorFlow 2.21 would copy the array once more.
            return tf.constant(array) if axes is None else tf.raw_ops.Transpose(x=array, perm=axes)

    return values


def variable_of(binding: Binding, parameter: nn.Parameter, create: Callable[..., Any], **options: Any) -> Any:
    """Return the parameter's variable: the one of a layer it is tied to, else a new one."""
    variables = binding.memory.setdefault("variables", {})
    if id(parameter) not in variables:
        is_buffer, is_frozen = isinstance(parameter, nn.Buffer), not parameter.trainable
        options |= {"dtype": parameter.dtype, "trainable": not is_buffer}
        with device_of(binding.options):
            shape = storage(binding, parameter).native_shape()
            keep(binding, parameter, create(shape=shape, initializer=_values(binding, parameter), **options))
            if is_frozen and not is_buffer:
                variables[id(parameter)].trainable = False
    return variables[id(parameter)]


def keep(binding: Binding, parameter: nn.Parameter, variable: Any) -> None:
    """Enter a variable as the one that holds a parameter."""
    if isinstance(parameter, nn.Buffer):
        variable.update = variable.assign  # as a forward calls it
    # NumPy would ask for the values of what stands on its right.
    variable.__array_priority__ = 100
    binding.memory.setdefault("variables", {})[id(parameter)] = variable


class Deferred(Saved):
    """What every native layer of ours adds to Keras's: its weights are bound to parameters.

    A weight that `build` adds under the native name of a parameter holds that parameter; the
    layer's other weights are its own.
    """

    _isomorph_training = False
    _isomorph_places: Mapping[str, tuple[str, Axes]] = {}

    def add_weight(self, shape: Any = None, *args: Any, name: str | None = None, **options: Any) -> Any:
        """Add a weight, bound to the parameter that has this native name."""
        create = super().add_weight  # type: ignore[misc]
        if name is None or name not in self._isomorph_places:
            if self._is_probe():
                return keras.KerasTensor(shape or ())
            return create(shape, *args, name=name, **options)
        own, axes = self._isomorph_places[name]
        binding, module = self.__dict__["_isomorph_source"]
        parameter: Any = vars(module)[own]
        wanted: Any = _ordered(tuple(shape or ()), _inverse(axes))
        if self._is_probe():
            real, found = binding.memory["probe"]
            found[id(parameter)] = _ordered(wanted, storage(real, parameter).axes)
            return keras.KerasTensor(shape)
        parameter.shape = wanted
        options = {key: options[key] for key in ("regularizer", "constraint") if key in options}
        variable = variable_of(binding, parameter, create, name=name, **options)
        stored = storage(binding, parameter).axes
        if stored == axes:
            return variable
        setattr(self, f"tied_{own}", variable)
        order = _ordered(range(len(wanted)), stored)
        return TransposedView(
            variable, tuple(order.index(axis) for axis in _ordered(range(len(wanted)), axes))
        )

    def _is_probe(self) -> bool:
        source = self.__dict__.get("_isomorph_source")
        return source is not None and "probe" in source[0].memory

    def __getattr__(self, name: str) -> Any:
        # Only asked for what Keras's layer does not have: the parameters' canonical names.
        source: Any = self.__dict__.get("_isomorph_source")
        parameter = None if source is None else vars(source[1]).get(name)
        if not isinstance(parameter, nn.Parameter):
            return object.__getattribute__(self, name)
        return canonical(source[0], parameter)

    def __call__(self: Any, *inputs: Any, **named: Any) -> Any:
        source = self.__dict__.get("_isomorph_source")
        if named and source is not None:
            context = {key: named.pop(key) for key in ("training", "mask") if key in named}
            inputs, named = (by_position(source[1], inputs, named) if named else inputs), context
        if is_bound.get() and self._call_has_training_arg:
            named.setdefault("training", self._isomorph_training)
        return super().__call__(*inputs, **named)  # type: ignore[misc]


def attach(native: Any, module: nn.Module, binding: Binding, layouts: Mapping[str, Any]) -> Any:
    """Bind a Keras layer to what it was lowered from; any class of layer will do."""
    if not isinstance(native, keras.layers.Layer):
        return native
    if not isinstance(native, Deferred):
        native.__class__ = _deferred_class(type(native))
        if not native.weights:
            native.name = _name(module) or native.name
    places = {}
    for name in module.own_parameters():
        layout = layouts.get(name, name)
        own, axes = (layout, None) if isinstance(layout, str) else layout
        places[own] = (name, axes)
    # Keras would refuse a number by position, where a keyword call of the layer's has put it.
    native._allow_non_tensor_positional_args = True
    # Keras would track what it is given by plain assignment.
    native.__dict__.update(_isomorph_source=(binding, module), _isomorph_places=places)
    return native


@functools.lru_cache(maxsize=256)
def _deferred_class(kind: type) -> type:
    about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (Deferred, kind), about)


def build(native: Any, module: nn.Module, options: Options, shapes: Any = None) -> None:
    """Let a Keras layer build itself, from the shapes it was called with or one that suffices."""
    binding, _ = native.__dict__["_isomorph_source"]
    if not native.built:
        shapes = binding.memory.get("inputs", {}).get(id(module)) if shapes is None else shapes
        shapes = shapes or (sufficient_shape(module, options),)
        wanted = len(inspect.signature(native.build).parameters)
        if len(shapes) < wanted:  # of several inputs; Keras tells their shapes when it calls the layer
            return
        native.build(*shapes[:wanted])
    for own, (name, _) in native._isomorph_places.items():
        _adopt(native, own, vars(module)[name], binding)


def _adopt(native: Any, own: str, parameter: nn.Parameter, binding: Binding) -> None:
    """Take a weight that a layer made without its name; raises for one that it never made."""
    real, found = binding.memory.get("probe", (binding, None))
    if id(parameter) in (binding.memory.get("variables", ()) if found is None else found):
        return
    variable = native.__dict__.get(own)
    if not isinstance(variable, keras.Variable):
        raise StructureError(
            f"{parameter.name}: {type(native).__name__} has no weight {own!r} once it is built.\n"
            f"  Let its build call add_weight(name={own!r}, ...), or say in @TensorFlowAdapter.lowers(...) "
            "which name the weight has.",
            path=parameter.name,
        )
    place = storage(real, parameter)
    if found is not None:
        found[id(parameter)] = tuple(variable.shape)
        return
    parameter.shape = place.canonical_shape(variable.shape)
    keep(binding, parameter, variable)
    variable.assign(place.take())


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


def input_shapes(call: Call) -> tuple[Any, ...]:
    """Return the shapes of the tensors that a layer was called with, their batch left open."""
    specs = [each for each in call.inputs if isinstance(each, TensorSpec)]
    sizes = [tuple(size if isinstance(size, int) else None for size in spec.shape) for spec in specs]
    return tuple((None, *each[1:]) if len(each) > 1 else each for each in sizes)


def sufficient_shape(module: Any, options: Options) -> tuple[int | None, ...]:
    """Return an input shape as far as the parameters' shapes tell it: all that `build` needs."""
    fitting = module.fitting_input(options)
    if fitting is None:  # a layer of someone's that does not say
        first = next(iter(module.own_parameters().values()))
        return (None, first.shape[-1])
    if hasattr(module, "dilation"):  # Keras's convolutions take their dilated windows' sizes for the least
        channels = options.channel_axis(len(fitting))
        return tuple(size if axis == channels else None for axis, size in enumerate(fitting))
    return fitting if len(fitting) < 2 else (None, *fitting[1:])

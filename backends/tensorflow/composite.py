"""Nets of several layers: the user's own forward as a `keras.Model`, and sequences."""

from __future__ import annotations

import functools
import inspect
import types
from contextvars import ContextVar
from typing import Any

from isomorph import nn
from isomorph.adapter import (
    LEAF,
    Binding,
    TensorSpec,
    draw_values,
    flatten,
    native_class,
    store,
    unflatten,
)
from isomorph.errors import ForwardError, IsomorphError, LayerNotSupportedError

from .deferral import Deferred, canonical, common, is_bound
from .framework import keras
from .saving import Static

# Keras 3.15 does not offer it publicly.
from keras.src.backend.common.global_state import get_global_attribute  # isort: skip


# What is around the tensors of the output of the call under way, where Keras can't hold it.
_output: ContextVar[Any] = ContextVar("isomorph_keras_output", default=LEAF)


def is_tensor(value: Any) -> bool:
    """Return whether a value is what a model takes as data: a tensor, a symbol or an array."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, type)


class Net(Deferred):
    """A model that infers and fills itself when it is called or built before its description was.

    A bound call goes from forward to forward; Keras's own call is for calls from outside.
    """

    def _describe(self: Any, binding: Binding, module: nn.Module) -> None:
        # Keras would track what it is given by plain assignment.
        places = {name: (name, None) for name in module.own_parameters()}
        self.__dict__.update(_isomorph_source=(binding, module), _isomorph_places=places)
        # Keras 3.15's fit runs a call without a training argument in inference mode.
        self._call_has_training_arg = True

    def _compute(self, *inputs: Any, **named: Any) -> Any:
        raise NotImplementedError

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if is_bound.get():
            return self._compute(*inputs, **named)
        if "_isomorph_structure" in named:  # Keras replays a call of its functional API
            return super(Deferred, self).__call__(*inputs, **named)
        inputs, named, context = self._arranged(inputs, named)
        self._fill(inputs, named)
        leaves, structure = flatten((inputs, named), is_tensor)
        if len(inputs) != 1 or named or not is_tensor(inputs[0]):
            inputs, context = (leaves,), {**context, "_isomorph_structure": Static(structure)}
        elif isinstance(inputs[0], keras.KerasTensor):
            context["_isomorph_structure"] = None
        return self._call_natively(inputs, context)

    def _call_natively(self, inputs: tuple[Any, ...], context: dict[str, Any]) -> Any:
        token = _output.set(LEAF)
        try:
            output = super(Deferred, self).__call__(*inputs, **context)
            return output if _output.get() is LEAF else unflatten(_output.get(), output)
        except Exception as error:
            # Keras 3.15's shorter traceback drops it.
            error.__cause__ = error.__cause__ or getattr(error, "_isomorph_cause", None)
            raise
        finally:
            _output.reset(token)

    def call(self, inputs: Any, _isomorph_structure: Any = None) -> Any:
        """Compute as the description's forward says; from a list of tensors, what it was called with.

        An output that Keras can't hold is a list of its tensors.
        """
        given, named = (
            ((inputs,), {}) if _isomorph_structure is None else unflatten(_isomorph_structure.value, inputs)
        )
        try:
            output = self._compute(*given, **named)
        except Exception as error:
            # Keras 3.15 passes on what it has seen, and makes any other error anew.
            error._keras_call_info_injected = True  # type: ignore[attr-defined]
            error._isomorph_cause = error.__cause__  # type: ignore[attr-defined]
            raise
        leaves, structure = flatten(output, is_tensor)
        if _is_plain(structure):
            return output
        _output.set(structure)
        return leaves

    def _arranged(self, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return what forward is called with, and what is Keras's: the mode."""
        context = {"training": named["training"]} if isinstance(named.get("training"), bool) else {}
        signature = _signature(type(self.__dict__["_isomorph_source"][1]))
        if "training" not in signature.parameters:
            named = {name: value for name, value in named.items() if name != "training"}
        if len(inputs) == 1 and not named and isinstance(inputs[0], (tuple, list, dict)):
            # Keras's fit passes several inputs as one.
            (whole,) = inputs
            spread: Any = ((), whole) if isinstance(whole, dict) else (tuple(whole), {})
            if not _takes(signature, (whole,), {}) and _takes(signature, *spread):
                inputs, named = spread
        return inputs, named, context

    def build(self, *shapes: Any, **named: Any) -> None:
        """Infer every size from the shapes of the inputs, and make the variables."""
        own = _signature(type(self.__dict__["_isomorph_source"][1])).parameters
        by_name = {name.removesuffix("_shape"): shape for name, shape in named.items()}
        shapes = (*shapes, *(shape for name, shape in by_name.items() if name not in own))
        keywords = {name: _specs_of(shape) for name, shape in by_name.items() if name in own}
        if shapes or keywords:
            self._fill(tuple(_specs_of(shape) for shape in shapes), keywords)

    def _fill(self: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        binding, module = self.__dict__["_isomorph_source"]
        if self.built or module._isomorph.binding is not binding:
            return
        waiting = [parameter for parameter in module.state().values() if not parameter.is_ready]
        leaves, structure = flatten((inputs, named), is_tensor)
        inputs, named = unflatten(structure, [_spec_of(leaf) for leaf in leaves])
        try:
            module.infer(*inputs, **named)
        except Exception as error:
            # Shapes alone may not tell what forward does; then each layer builds itself when met.
            is_told = isinstance(error, IsomorphError) and not isinstance(error, ForwardError)
            if is_told or any(not parameter.is_ready for parameter in module.own_parameters().values()):
                raise
            return
        draw_values(waiting)
        store(waiting)
        self.built = True
        if not named and all(map(is_tensor, inputs)):
            self.note_inputs([spec.shape for spec in inputs])

    def note_inputs(self, shapes: list[Any]) -> None:
        """Note what the model was called with, as Keras does where it builds one: for `export`."""
        sizes = [[size if isinstance(size, int) else None for size in shape] for shape in shapes]
        noted = {f"input_{i}_shape": (None, *each[1:]) if each else () for i, each in enumerate(sizes)}
        self.__dict__.update(_build_shapes_dict=noted, _called=True)


def _is_plain(structure: Any) -> bool:
    """Return whether Keras itself can hold an output: tensors in tuples, lists and dicts."""
    if structure is LEAF:
        return True
    kind, _, *parts = structure
    return kind is not None and issubclass(kind, (tuple, list, dict)) and all(map(_is_plain, parts))


def _spec_of(tensor: Any) -> TensorSpec:
    if isinstance(tensor, TensorSpec):
        return tensor
    sizes = tuple(tensor.shape)
    return TensorSpec((None, *sizes[1:]) if sizes else ())


def _specs_of(shape: Any) -> Any:
    """Return nested shapes, as Keras passes them to `build`, as specs."""
    if isinstance(shape, dict):
        return {name: _specs_of(each) for name, each in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return TensorSpec((None, *shape[1:]) if shape else ())
    return type(shape)(_specs_of(each) for each in shape)


@functools.lru_cache(maxsize=256)
def _signature(kind: type) -> inspect.Signature:
    """Return the signature of a class's forward, without self."""
    signature = inspect.signature(kind.forward)  # type: ignore[attr-defined]
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _takes(signature: inspect.Signature, inputs: tuple[Any, ...], named: dict[str, Any]) -> bool:
    try:
        signature.bind(*inputs, **named)
    except TypeError:
        return False
    return True


class Composite(Net, keras.Model):  # type: ignore[misc]
    """A model whose call is the user's forward."""

    def __init__(self, binding: Binding, module: nn.Module, view: View | None) -> None:
        keras.Model.__init__(self, **common(module, binding))
        self._describe(binding, module)
        self.__dict__["_isomorph_view"] = view
        if view is not None:
            view.__dict__["_isomorph_model"] = self

    def _compute(self, *inputs: Any, **named: Any) -> Any:
        _, module = self.__dict__["_isomorph_source"]
        # The class's present forward, which may be another than when it was lowered.
        return type(module).forward(seen(self), *inputs, **named)

    @property
    def training(self) -> bool:
        """Whether the call under way trains; outside of calls, the description's mode."""
        context = None if is_bound.get() else get_global_attribute("current_call_ctx")
        return self._isomorph_training if context is None else bool(getattr(context, "training", None))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return no Keras mask: an argument of forward by that name is the user's own."""

    def hold(self, name: str, value: Any, is_native: bool) -> None:
        """Take over an attribute of the description; Keras tracks those that hold layers."""
        view = self.__dict__["_isomorph_view"]
        own = self._own_name(name)
        if is_native:
            setattr(self, own, value)
            value = getattr(self, own)
        elif own == name:
            _set(self, name, value)
        if view is not None:
            _set(view, name, seen(value) if is_native else value)

    def _own_name(self, name: str) -> str:
        """Return the name of an attribute on the model; Keras's own names get a line behind."""
        if self.__dict__["_isomorph_view"] is None or name not in reserved():
            return name
        taken = vars(self.__dict__["_isomorph_source"][1])
        name += "_"
        while name in taken or name in reserved():
            name += "_"
        return name

    def add_parameters(self) -> None:
        """Make the variables of the parameters that the user's class itself declares."""
        _, module = self.__dict__["_isomorph_source"]
        held = vars(seen(self))
        for name, parameter in module.own_parameters().items():
            if name not in held:
                weight = self.add_weight(shape=parameter.shape.known(), name=name)
                if isinstance(weight, keras.Variable):  # else `__getattr__` gives a tied one's values
                    self.hold(name, weight, True)


def _set(target: Any, name: str, value: Any) -> None:
    """Set an attribute past Keras's tracking; one of a class's `__slots__` lies there."""
    if isinstance(getattr(type(target), name, None), types.MemberDescriptorType):
        object.__setattr__(target, name, value)
    else:
        target.__dict__[name] = value


def seen(native: Any) -> Any:
    """Return what a forward sees of a native object: the view of a model that needs one."""
    if isinstance(native, list):
        return [seen(each) for each in native]
    if isinstance(native, dict):
        return {name: seen(each) for name, each in native.items()}
    view = vars(native).get("_isomorph_view") if isinstance(native, Composite) else None
    return native if view is None else view


class View:
    """What stands for a model in a forward that uses names which Keras's models have too."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.__dict__["_isomorph_model"](*inputs, **named)

    def __getattr__(self, name: str) -> Any:
        binding, module = self.__dict__["_isomorph_model"].__dict__["_isomorph_source"]
        parameter = vars(module).get(name)
        if not isinstance(parameter, nn.Parameter):
            return object.__getattribute__(self, name)
        return canonical(binding, parameter)

    @property
    def training(self) -> bool:
        """Whether the call under way trains."""
        return self.__dict__["_isomorph_model"].training  # type: ignore[no-any-return]


def compose(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Composite:
    """Return the model whose call is the user's forward."""
    view = None
    if _collides(module) or any(_has_view(value) for value in attributes.values()):
        kind = native_class(View, module, {})
        view = kind.__new__(kind)
    own = {"call": Net.call, "build": Net.build}
    native: Composite = native_class(Composite, module, own)(binding, module, view)
    for name, value in attributes.items():
        native.hold(name, value, isinstance(vars(module).get(name), nn.Module))
    return native


def _has_view(native: Any) -> bool:
    if isinstance(native, (list, dict)):
        return any(map(_has_view, native.values() if isinstance(native, dict) else native))
    return isinstance(native, Composite) and vars(native)["_isomorph_view"] is not None


@functools.lru_cache(maxsize=1)
def reserved() -> frozenset[str]:
    """Return the names that Keras's models use."""
    return frozenset({*dir(keras.Model), *vars(keras.Model(name="reserved")), "optimizer", "history"})


@functools.lru_cache(maxsize=1)
def _described() -> frozenset[type]:
    """Return Isomorph's own classes of modules, whose methods are no user's."""
    return frozenset(
        kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)
    )


def _collides(module: nn.Module) -> bool:
    """Return whether the user and Keras share a name; raises for one that can't be both."""
    users = [cls for cls in type(module).__mro__ if cls not in _described() and issubclass(cls, nn.Module)]
    attributes, methods = vars(module).keys() - {"_isomorph"}, {name for cls in users for name in vars(cls)}
    for name in ("call", "build"):
        if name in attributes or (name == "call" and name in methods):
            raise LayerNotSupportedError.at(
                module.label,
                "tensorflow",
                f"the attribute {name!r} of {type(module).__name__}",
                f"Keras calls a model's own {name}; rename it.",
                f"name.{name}",
            )
    methods = {name for name in methods if not name.startswith("__") and name != "build"}
    return not reserved().isdisjoint(attributes | methods)

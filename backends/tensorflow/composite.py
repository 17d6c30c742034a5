"""Nets of several layers: the user's own forward as a `keras.Model`, and sequences."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, TensorSpec, draw_values, native_class, store
from isomorph.errors import LayerNotSupportedError, ShapeMismatchError

from .calls import is_bound
from .deferral import Deferred, ParameterLaw, common
from .framework import keras

# Keras 3.15 does not offer it publicly.
from keras.src.backend.common.global_state import get_global_attribute  # isort: skip


class Net(Deferred):
    """A model that infers and fills itself when Keras builds it before its description was called."""

    def _describe(self: Any, binding: Binding, module: nn.Module) -> None:
        # Keras would track what it is given by plain assignment.
        self.__dict__["_isomorph_source"] = binding, module
        # Keras 3.15's fit runs a call without a training argument in inference mode.
        self._call_has_training_arg = True

    def _build_from(self: Any, shapes: list[Any]) -> None:
        binding, module = self.__dict__["_isomorph_source"]
        waiting = [parameter for parameter in module.state().values() if not parameter.is_ready]
        if not waiting or module._isomorph.binding is not binding:
            return
        try:
            module.infer(*(None if shape is None else TensorSpec((None, *shape[1:])) for shape in shapes))
        except ShapeMismatchError:
            raise
        except Exception:
            # Shapes alone may not tell what forward does; then each layer builds itself when met.
            if any(not parameter.is_ready for parameter in module.own_parameters().values()):
                raise
            return
        draw_values(waiting)
        store(waiting)


class Composite(Net, keras.Model):  # type: ignore[misc]
    """A model whose `call` is the user's forward."""

    def __init__(self, binding: Binding, module: nn.Module, view: View | None) -> None:
        keras.Model.__init__(self, **common(module, binding))
        # Keras would refuse a flag or None in a forward's positional arguments.
        self._allow_non_tensor_positional_args = True
        self._describe(binding, module)
        self.__dict__["_isomorph_view"] = view
        if view is not None:
            view.__dict__["_isomorph_model"] = self

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
        own = f"{name}_" if view is not None and name in reserved() else name
        if is_native:
            setattr(self, own, value)
            value = getattr(self, own)
        elif own == name:
            self.__dict__[name] = value
        if view is not None:
            view.__dict__[name] = value

    def forget_traces(self) -> None:
        """Trace anew at the next call: attributes are constants in compiled calls."""
        self.__dict__["_isomorph_source"][0].memory.pop("runners", None)

    def add_parameters(self) -> None:
        """Make the variables of the parameters that the user's class itself declares."""
        binding, module = self.__dict__["_isomorph_source"]
        held = vars(self.__dict__["_isomorph_view"] or self)
        for name, parameter in module.own_parameters().items():
            if name not in held:
                law = ParameterLaw(binding, module, name)
                options = {"dtype": parameter.dtype, "trainable": not isinstance(parameter, nn.Buffer)}
                shape = parameter.shape.known()
                self.hold(name, self.add_weight(shape=shape, initializer=law, name=name, **options), True)


class View:
    """What stands for a model in a forward that uses names which Keras's models have too."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.__dict__["_isomorph_model"](*inputs, **named)

    @property
    def training(self) -> bool:
        """Whether the call under way trains."""
        return self.__dict__["_isomorph_model"].training  # type: ignore[no-any-return]


class _Build:
    """A model's `build`, with a shape for each argument of forward: Keras fills them by name."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        given = list(inspect.signature(forward).parameters.values())[1:]
        names = [p.name for p in given if p.kind in (kind, inspect.Parameter.POSITIONAL_ONLY)]
        self.signature = inspect.Signature(
            [inspect.Parameter(f"{name}_shape", kind, default=None) for name in names]
        )

    def __get__(self, native: Any, owner: type) -> Any:
        def build(*shapes: Any, **named: Any) -> None:
            bound = self.signature.bind(*shapes, **named)
            bound.apply_defaults()
            native._build_from(list(bound.arguments.values()))

        build.__signature__ = self.signature  # type: ignore[attr-defined]
        return build


def compose(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Composite:
    """Return the model whose call is the user's forward."""
    forward, view = type(module).forward, None
    call: Callable[..., Any] = forward
    if _collides(module):
        kind = native_class(View, module, {})
        view = kind.__new__(kind)

        @functools.wraps(forward)
        def call(self: Any, *inputs: Any, **named: Any) -> Any:
            return forward(self.__dict__["_isomorph_view"], *inputs, **named)

    native: Composite = native_class(Composite, module, {"call": call, "build": _Build(forward)})(
        binding, module, view
    )
    for name, value in attributes.items():
        native.hold(name, value, isinstance(vars(module).get(name), nn.Module))
    return native


@functools.lru_cache(maxsize=1)
def reserved() -> frozenset[str]:
    """Return the names that Keras's models use."""
    return frozenset({*dir(keras.Model), *vars(keras.Model(name="reserved")), "optimizer", "history"})


def _collides(module: nn.Module) -> bool:
    """Return whether the user and Keras share a name; raises for one that can't be both."""
    ours = (nn.Module, nn.ModuleList, nn.ModuleDict, nn.Sequential)
    users = [cls for cls in type(module).__mro__ if cls not in ours and issubclass(cls, nn.Module)]
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

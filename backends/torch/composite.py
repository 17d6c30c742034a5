"""A user's own modules: PyTorch modules whose call is the user's forward."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from isomorph import nn
from isomorph.adapter import Binding, TensorSpec, native_class
from isomorph.errors import LayerNotSupportedError

from .deferral import Deferred, declare, fill_later


class DeferredComposite(Deferred):
    """A user's module with parameters of its own, sized by its build hook."""

    def initialize_parameters(self: Any, *inputs: Any, **named: Any) -> None:
        """Let the build hook size the parameters, then fill them."""
        if not self.has_uninitialized_params():
            return
        module = self.__dict__["description"]
        specs = tuple(as_spec(value) for value in (*inputs, *named.values()))
        module.fill(specs)
        for name, parameter in module.own_parameters().items():
            if is_lazy(getattr(self, name)):
                getattr(self, name).materialize(parameter.shape.known())
        self.reset_parameters()
        self.__dict__.pop("description")


def compose(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    """Return the native module of a user's; see `Adapter.compose`."""
    _refuse_taken_names(module)
    plain = native_class(torch.nn.Module, module, {"forward": type(module).forward, "training": True})
    own = module.own_parameters()
    cls = type(f"Lazy{plain.__name__}", (DeferredComposite, plain), {}) if own else plain
    native: Any = cls.__new__(cls)
    (LazyModuleMixin if own else torch.nn.Module).__init__(native)
    for name, value in attributes.items():
        if isinstance(value, torch.nn.Module) and hasattr(torch.nn.Module, name):
            raise LayerNotSupportedError.at(
                module.label,
                "torch",
                f"an attribute named {name!r}",
                f"torch.nn.Module.{name} exists already. Rename the attribute.",
                f"name.{name}",
            )
        setattr(native, name, value)
    for name, parameter in own.items():
        declare(native, name, parameter, binding)
    if own:
        native.__dict__["cls_to_become"] = plain
        native.__dict__["description"] = module
        fill_later(native, module, binding)
    return native


def as_spec(value: Any) -> Any:
    """Return a tensor's shape and type; other values as they are."""
    return TensorSpec(tuple(value.shape), str(value.dtype)[6:]) if isinstance(value, torch.Tensor) else value


def _refuse_taken_names(module: nn.Module) -> None:
    """Raise if the user's class defines what `torch.nn.Module` defines: that one would be called."""
    ours = (object, *nn.Module.__mro__, nn.ModuleList, nn.ModuleDict, nn.Sequential)
    for cls in type(module).__mro__:
        for name in () if cls in ours else vars(cls):
            if name[0] != "_" and name not in ("forward", "extra_repr") and hasattr(torch.nn.Module, name):
                raise LayerNotSupportedError.at(
                    module.label,
                    "torch",
                    f"a method named {name!r}",
                    f"torch.nn.Module.{name} exists already. Rename the method.",
                    f"name.{name}",
                )

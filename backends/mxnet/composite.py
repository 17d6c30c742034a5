"""The user's own nets: Gluon blocks whose `hybrid_forward` is the user's `forward`."""

from __future__ import annotations

import inspect
from typing import Any

from isomorph import nn
from isomorph.adapter import Binding, native_class
from isomorph.errors import LayerNotSupportedError

from .blocks import prefix_of
from .framework import gluon, is_training

_GLUONS = frozenset(dir(gluon.HybridBlock(prefix=""))) - {"forward"}


class View:
    """What `self` is in a forward that uses parameters of its own, or names that Gluon uses too.

    It has the block's attributes, and the values that Gluon hands to this one call.
    """


def composite(module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
    """Return a block whose children are native and whose call is the user's `forward`."""
    user, own = type(module), module.own_parameters()
    ours = (object, *nn.Module.__mro__, nn.ModuleList, nn.ModuleDict, nn.Sequential)
    defined = {name for cls in user.__mro__ if cls not in ours for name in vars(cls)}
    both = {name for name in {*attributes, *own, *defined} & _GLUONS if not name.startswith("__")}
    forward = _positional(user)
    view = native_class(View, module, {"training": property(is_training)}) if own or both else None

    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        return gluon.HybridBlock.__call__(self, *(by_position(module, inputs, named) if named else inputs))

    def hybrid_forward(self: Any, F: Any, /, *inputs: Any, **values: Any) -> Any:  # noqa: N803
        if view is None:
            return forward(self, *inputs)
        seen: Any = object.__new__(view)
        vars(seen).update({**vars(self), **self.isomorph_hidden, **values})
        return forward(seen, *inputs)

    def infer_shape(self: Any, *inputs: Any) -> None:
        """Fill the sizes by the description's rules; Gluon can't know a user's own `build`."""
        module.infer(*inputs)
        for parameter in module.state().values():
            slot = binding.slots[id(parameter)][0]
            binding.adapter.parameter(slot).shape = parameter.shape.known()

    namespace = {
        "__call__": call, "hybrid_forward": hybrid_forward, "infer_shape": infer_shape,
        "training": property(is_training), "isomorph_training": True,
    }  # fmt: skip
    native = native_class(gluon.HybridBlock, module, namespace)(prefix=prefix_of(binding, module))
    vars(native)["isomorph_hidden"] = {name: attributes[name] for name in both & attributes.keys()}
    for name, value in attributes.items():
        if name not in both:
            setattr(native, name, value)
        elif isinstance(value, gluon.Block):
            native.register_child(value, name)
    for name, parameter in own.items():
        native._reg_params[name] = native._params.get(
            name, shape=(-1,) * len(parameter.shape),
            allow_deferred_init=True, differentiable=not isinstance(parameter, nn.Buffer),
        )  # fmt: skip
        if name not in both:
            vars(native)[name] = native._reg_params[name]
    return native


def by_position(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Return all inputs in the order of `forward`, keyword-only ones last: Gluon takes no keywords."""
    kind = type(module)
    signature = inspect.signature(kind.infer_shapes if issubclass(kind, nn.Layer) else kind.forward)
    if {each.kind.name for each in signature.parameters.values()} & {"VAR_POSITIONAL", "VAR_KEYWORD"}:
        raise LayerNotSupportedError.at(
            module.label, "mxnet", f"inputs by keyword to a forward that takes {signature}",
            "Gluon calls by position; name each input in forward.", "inputs.keyword",
        )  # fmt: skip
    call = signature.bind(None, *inputs, **named)
    call.apply_defaults()
    return (*call.args[1:], *call.kwargs.values())


def _positional(user: type) -> Any:
    """Return the user's `forward`; keyword-only inputs come last."""
    forward: Any = user.forward
    kinds = [(each.kind, name) for name, each in inspect.signature(forward).parameters.items()]
    names = [name for kind, name in kinds if kind is inspect.Parameter.KEYWORD_ONLY]
    count = sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind, _ in kinds) - 1

    def spread(self: Any, *inputs: Any) -> Any:
        return forward(self, *inputs[:count], **dict(zip(names, inputs[count:])))

    return spread if names else forward

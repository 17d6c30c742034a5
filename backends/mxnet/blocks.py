"""Gluon blocks as parts of a net: made in np-mode, called by keyword, with values in forwards."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any, cast

from isomorph import nn
from isomorph.adapter import Binding, flatten, unflatten
from isomorph.errors import ForwardError

from .framework import NDArray, Symbol, autograd, gluon, mx, np_mode, state
from .hybrid import GRAPH_NAMES, Hybridized
from .values import Place, Value, updating


def prefix_of(binding: Binding, module: nn.Module) -> str:
    """Return a block's prefix: unique by Gluon's own counter, then the dotted path."""
    if "prefix" not in binding.memory:
        hint = type(binding.root).__name__.lower()
        binding.memory["prefix"] = gluon.block._BlockScope.create(None, None, hint)[0]
    path = module.path
    return binding.memory["prefix"] + (f"{path}_" if path else "")  # type: ignore[no-any-return]


def block(kind: type, layer: nn.Module, binding: Binding, *args: Any, **options: Any) -> Any:
    """Return a block made in np-mode, named by its path in the net."""
    with np_mode():
        return kind(*args, prefix=prefix_of(binding, layer), **options)


class Function(gluon.nn.HybridLambda):
    """A function of a tensor as a block."""

    def __init__(self, function: Callable[[Any], Any], name: str, **options: Any) -> None:
        gluon.HybridBlock.__init__(self, **options)
        self._func, self._func_name = function, name

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return self._func(x)


def declare(native: Any, module: nn.Module) -> None:
    """Give a block Gluon's parameters for those that a module declares, under their names."""
    for name, parameter in module.own_parameters().items():
        native._reg_params[name] = native._params.get(
            name, shape=(-1,) * len(parameter.shape),
            allow_deferred_init=True, differentiable=not isinstance(parameter, nn.Buffer),
        )  # fmt: skip


def function_block(layer: nn.Module, binding: Binding, function: Callable[[Any], Any], name: str) -> Any:
    """Return a function of a tensor as a block."""
    return block(Function, layer, binding, function, name)


class Part(Hybridized):
    """A block that a net holds."""

    isomorph_module: Any = None
    """Its description; None in a copy that has all its values."""
    isomorph_kind: Any = None
    """The description's class."""
    isomorph_places: Mapping[str, Place] = {}
    """Where its parameters are, by canonical names."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        for hook in self._forward_pre_hooks.values():  # type: ignore[attr-defined]
            hook(self, inputs)
        output = self.forward(*inputs, **named)  # type: ignore[attr-defined]
        for hook in self._forward_hooks.values():  # type: ignore[attr-defined]
            hook(self, inputs, output)
        return output

    @property
    def _active(self) -> bool:
        # A bound call computes as the net's options say, whatever its user hybridized.
        return bool(vars(self).get("_active")) and not state.is_bound

    @_active.setter
    def _active(self, active: bool) -> None:
        vars(self)["_active"] = active

    def isomorph_infer(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Fill the sizes, of what is inside too, by the description's rules."""
        self.isomorph_module.infer(*inputs, **named)
        self.apply(_take_sizes)  # type: ignore[attr-defined]

    def __reduce_ex__(self, protocol: Any) -> Any:
        _forget_symbols(self)
        _, _, own, *rest = cast("tuple[Any, ...]", object.__reduce_ex__(self, 2))
        own = {name: value for name, value in own.items() if name not in GRAPH_NAMES}
        if own.get("isomorph_module") is not None and not _waits(self):
            own["isomorph_module"] = None
        new, arguments = self.isomorph_made_of()  # type: ignore[attr-defined]
        return (new, arguments, own, *rest)

    def __setstate__(self, own: dict[str, Any]) -> None:
        vars(self).update(own)
        self._clear_cached_op()
        for parameter in self._reg_params.values():  # type: ignore[attr-defined]
            if parameter._grad is not None:
                autograd.mark_variables(parameter._data, parameter._grad, parameter.grad_req)


def _take_sizes(block: Any) -> None:
    """Give a block's parameters the sizes of the description's."""
    if isinstance(block, Part) and block.isomorph_module is not None:
        parameters = block.isomorph_module.own_parameters()
        for name, place in block.isomorph_places.items():
            if place.parameter._data is None and parameters[name].shape.is_known:
                place.parameter.shape = place.native_shape(parameters[name].shape.known())


def _forget_symbols(block: Any) -> None:
    """Take the symbols from parameters, those inside too: pickles make legacy ones of them."""
    for parameter in block._reg_params.values():
        parameter._var = None
    for child in block._children.values():
        _forget_symbols(child)


def _waits(block: Any) -> bool:
    """Whether a block, or one inside it, has parameters without values."""
    if any(parameter._data is None for parameter in block._reg_params.values()):
        return True
    return any(_waits(child) for child in block._children.values())


class Leaf(Part):
    """A block of Gluon's, or of a third party's, in a net of ours."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output. The block's own code sees parameters as Gluon has them."""
        if named:
            inputs = _ordered(self.isomorph_kind, inputs, named)
        outer, state.F = state.F, None
        try:
            if state.updates is not None:
                return super().forward(*inputs)  # type: ignore[misc]
            with updating():
                return super().forward(*inputs)  # type: ignore[misc]
        finally:
            state.F = outer

    def infer_shape(self, *inputs: Any) -> None:
        """Fill the sizes by Gluon's inference; where it has none, by the description's rules."""
        try:
            super().infer_shape(*inputs)  # type: ignore[misc]
        except Exception:
            if self.isomorph_module is None:
                raise
            self._clear_cached_op()
            self.isomorph_infer(inputs, {})

    def isomorph_made_of(self) -> Any:
        """Return what makes the block anew without its attributes."""
        return _new_leaf, (type(self).__bases__[1], tuple(self.isomorph_places))


class Nested(Part):
    """A block whose inputs and outputs are nested as they like: its call is a forward of tensors."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output, by a graph if the block is hybridized."""
        first = inputs[0] if inputs else None
        if type(first) is not mx.np.ndarray:
            tensors = flatten((inputs, named), is_tensor)[0]
            first = tensors[0] if tensors else first
        if isinstance(first, Symbol) or (state.F is mx.symbol and not isinstance(first, NDArray)):
            with self.name_scope():  # type: ignore[attr-defined]
                return self.isomorph_run(mx.symbol, inputs, named)
        is_active = self._active
        if state.F is not None and not is_active:
            return self.isomorph_run(mx.ndarray, inputs, named)
        with updating():
            if is_active:
                return self._by_graph(inputs, named)
            with first.ctx if isinstance(first, NDArray) else mx.current_context():
                return self.isomorph_run(mx.ndarray, inputs, named)

    def _by_graph(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        leaves, form = inputs, POSITIONAL
        if named or not all(type(each) is mx.np.ndarray for each in inputs):
            leaves, form = flatten((inputs, named), is_tensor)
            if not leaves or not _is_hashable(form):
                return self.isomorph_run(mx.ndarray, inputs, named)
        before, state.form = state.form, form
        try:
            return self._call_cached_op(*leaves)
        finally:
            state.form = before

    def isomorph_run(self, F: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:  # noqa: N803
        """Call what computes the output, with parameters as values of arrays or of symbols."""
        before = state.F, state.caller
        state.F, state.caller = F, (self, inputs, named)
        try:
            return self.isomorph_forward(*inputs, **named)  # type: ignore[attr-defined]
        finally:
            state.F, state.caller = before

    def hybrid_forward(self, F: Any, *leaves: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        """Return the tensors of the output, of inputs that Gluon hands on singly."""
        output = self.isomorph_run(F, *_arguments(leaves))
        if state.form is None:
            return output
        outputs, structure = flatten(output, is_tensor)
        state.trace.form = structure  # type: ignore[union-attr]
        return outputs[0] if len(outputs) == 1 else outputs

    def infer_shape(self, *leaves: Any) -> None:
        """Fill the sizes by the description's rules; Gluon can't know a user's own `build`."""
        self.isomorph_infer(*_arguments(leaves))


def _arguments(leaves: tuple[Any, ...]) -> Any:
    """Return the inputs, by position and by name, that Gluon was given the tensors of."""
    return (leaves, {}) if state.form in (None, POSITIONAL) else unflatten(state.form, leaves)


POSITIONAL = "positional"
"""What is around tensors that are all inputs by position."""


def is_tensor(value: Any) -> bool:
    """Return whether a value is an array or a symbol."""
    return isinstance(value, (NDArray, Symbol))


def _is_hashable(form: Any) -> bool:
    try:
        hash(form)
    except TypeError:
        return False
    return True


def _ordered(kind: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Return the inputs of a layer by position, as Gluon's blocks take them."""
    signature = inspect.signature(kind.infer_shapes if hasattr(kind, "infer_shapes") else kind.forward)
    try:
        call = signature.bind(None, *inputs, **named)
    except TypeError as cause:
        raise ForwardError(f"{kind.__name__} takes {signature}: {cause}.\n  Name its inputs so.") from cause
    call.apply_defaults()
    return (*call.args[1:], *call.kwargs.values())


_LEAVES: weakref.WeakValueDictionary[Any, type] = weakref.WeakValueDictionary()


def leaf_class(kind: type, names: tuple[str, ...]) -> type:
    """Return a subclass of a block's class that gives forwards the values of these parameters."""
    found = _LEAVES.get((kind, names))
    if found is None:
        about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        values = {name: Value(name) for name in names if not hasattr(gluon.HybridBlock, name)}
        found = _LEAVES[kind, names] = type(kind.__name__, (Leaf, kind), {**about, **values})
    return found


def _new_leaf(kind: type, names: tuple[str, ...]) -> Any:
    cls = leaf_class(kind, names)
    return cls.__new__(cls)

"""The TensorFlow backend: nets become Keras 3 models and layers on TensorFlow tensors."""

from __future__ import annotations

import functools
import inspect
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Options, Slot
from isomorph.errors import (
    BackendBrokenError,
    InvalidArgumentError,
    LayerNotSupportedError,
    ShapeMismatchError,
)
from isomorph.init.laws import Array
from isomorph.initialize import draw_values, store
from isomorph.native_class import native_class
from isomorph.nn.activations import moves_channels
from isomorph.nn.arguments import activation_function
from isomorph.ops.table import Ops, Tensor, register
from isomorph.parameter import Parameter
from isomorph.tensor import TensorSpec, input_specs, promote
from isomorph.trace import Call


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's C++ start-up log off the terminal; anything else written is passed on.

    TensorFlow 2.21 logs before it reads TF_CPP_MIN_LOG_LEVEL, so only the descriptor helps.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            noise = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl|To enable the following")
            sys.stderr.write(b"".join(line for line in log if not noise.match(line)).decode(errors="replace"))


@contextmanager
def _keras_on_tensorflow() -> Iterator[None]:
    """Let a first import of Keras choose TensorFlow, leaving the environment as it was."""
    # Keras 3.15 imports JAX where it finds it, and that sets the second.
    before = {name: os.environ.get(name) for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")}
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


with _quiet(), _keras_on_tensorflow():
    import keras
    import tensorflow as tf

    # Keras 3.15 offers neither of these publicly.
    from keras.src.backend.common.global_state import get_global_attribute
    from keras.src.backend.common.stateless_scope import in_stateless_scope

if keras.config.backend() != "tensorflow":
    raise BackendBrokenError.named(
        "tensorflow",
        f"Keras was imported on its {keras.config.backend()} backend, which can't change in this process",
        "Restart the process with the environment variable KERAS_BACKEND=tensorflow.",
    )

_EagerTensor = type(tf.constant(0))
Axes = tuple[int, ...] | None

# Whether the call under way is a bound one: the description's mode decides, not Keras's.
_bound: ContextVar[bool] = ContextVar("isomorph_keras_bound", default=False)
# The models whose own forward is running, by id.
_running: ContextVar[frozenset[int]] = ContextVar("isomorph_keras_running", default=frozenset())


class TensorFlowAdapter(Adapter):
    """Lowers nets to `keras.Model` and `keras.layers`."""

    name = "tensorflow"

    def __init__(self) -> None:
        self.ops = TensorFlowOps()
        register(keras.KerasTensor, _SymbolicOps())
        # A net that the user's own tf.function calls is traced as it is, not rewritten by AutoGraph.
        nn.Module.autograph_info__ = {}  # type: ignore[attr-defined]

    def owns(self, value: Any) -> bool:
        return isinstance(value, (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor, TransposedView))

    def from_numpy(self, array: Array, options: Options) -> Any:
        with _device(options):
            return tf.constant(array)

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tf.convert_to_tensor(tensor))

    def spec(self, tensor: Any) -> TensorSpec:
        dtype = getattr(tensor.dtype, "name", tensor.dtype)
        if None in tensor.shape:
            return input_specs([tuple(tensor.shape)])[0].astype(dtype)  # type: ignore[no-any-return]
        return TensorSpec(tuple(tensor.shape), dtype)

    def accept(self, tensor: Any, options: Options) -> Any:
        return tensor if isinstance(tensor, (tf.Tensor, keras.KerasTensor)) else tf.convert_to_tensor(tensor)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        _check_device(binding.options)
        taken = _collisions(module)
        forward = _announced(type(module).forward) if taken else type(module).forward
        namespace = {name: _Shared(name) for name in taken}
        methods = {"call": forward, "build": _Build(type(module).forward)}
        native = native_class(Composite, module, {**namespace, **methods})(binding, module)
        for name, value in attributes.items():
            native.hold(name, value, isinstance(vars(module)[name], nn.Module))
        return native

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for call in calls:
            native = binding.natives[id(call.module)]
            if isinstance(native, Composite):
                own = call.module.own_parameters().values()
                found.update({id(p): _storage(binding, p).native_shape() for p in own if p.shape.is_known})
                continue
            # A second, unbuilt layer runs Keras's own `build`; its `add_weight` only takes notes.
            scratch = Binding(self, binding.root, binding.options, memory={"probe": (binding, found)})
            scratch.native(call.module).build(_input_shape(call, binding.options))
        return found

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            native = binding.natives[id(module)]
            if isinstance(native, Composite):
                native.add_parameters()
            elif not native.built:
                native.build(_sufficient_shape(module, binding.options))
        for _, module in reversed(list(binding.root.named_modules())):
            native = binding.natives.get(id(module))
            if isinstance(native, (Composite, Sequential)) and not native.built:
                inside = all(_is_built(binding, child) for child in module.children().values())
                native.built = inside and all(p.is_ready for p in module.own_parameters().values())

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        native, options = binding.native(module), binding.options
        # A net that goes back and forth between its modes is traced once for each.
        kept = binding.memory.setdefault("runners", {})
        key = (id(module), *(each.training for _, each in module.named_modules()))
        if key in kept:
            return kept[key]  # type: ignore[no-any-return]

        def plain(*values: Any, **named: Any) -> Any:
            token = _bound.set(True)
            try:
                with _device(options):
                    return native(*values, **named)
            finally:
                _bound.reset(token)

        kept[key] = plain if options.compile is False else Compiled(plain)
        return kept[key]  # type: ignore[no-any-return]

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if isinstance(native, keras.layers.Layer):
                vars(native)["_isomorph_training"] = module.training

    def is_ready(self, slot: Slot) -> bool:
        return id(slot.parameter) in slot.binding.memory.get("variables", ())

    def parameter(self, slot: Slot) -> Any:
        return slot.binding.memory["variables"][id(slot.parameter)]

    def read(self, slot: Slot) -> Array:
        return self.parameter(slot).value.numpy()  # type: ignore[no-any-return]

    def write(self, slot: Slot, array: Array) -> None:
        self.parameter(slot).assign(array)

    def gradients(
        self, binding: Binding, module: nn.Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        parameters = list(module.parameters().values())
        variables = [binding.memory["variables"][id(parameter)].value for parameter in parameters]
        run = self.runner(binding, module)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            value = loss(run(*inputs))
        found = tape.gradient(value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {id(p): tf.convert_to_tensor(each).numpy() for p, each in zip(parameters, found)}


def _device(options: Options) -> AbstractContextManager[Any]:
    return nullcontext() if options.device is None else tf.device(options.device)


def _check_device(options: Options) -> None:
    """Raise for a device that is not there; TensorFlow itself would silently take the CPU."""
    if options.device is None:
        return
    known = [device.name for device in tf.config.list_logical_devices()]
    try:
        wanted = tf.DeviceSpec.from_string(options.device)
        name = f"/device:{wanted.device_type}:{wanted.device_index or 0}"
    except (ValueError, AttributeError, TypeError):
        name = None
    if name not in known:
        raise InvalidArgumentError.choice("to", "device", known, options.device)


class Compiled:
    """A call as one `tf.function` for each kind of input; the batch's size is left open.

    A concrete function is called directly: in TensorFlow 2.21 that takes two thirds of the time.
    """

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.functions: dict[Any, Callable[..., Any] | None] = {}

    def __call__(self, *values: Any, **named: Any) -> Any:
        if not named and len(values) == 1 and type(values[0]) is _EagerTensor:
            x = values[0]
            function = self.functions.get((x.ndim, x.shape[1:], x.dtype))
            if function is not None:
                return function(x)
        leaves = tf.nest.flatten((values, named))
        tensors = [leaf for leaf in leaves if isinstance(leaf, tf.Tensor)]
        constants = [leaf for leaf in leaves if not isinstance(leaf, tf.Tensor)]
        # Inside a tf.function of the user's, and for symbols, the model itself is called.
        if any(type(tensor) is not _EagerTensor for tensor in tensors) or not all(
            isinstance(leaf, (bool, int, float, str, type(None))) for leaf in constants
        ):
            return self.plain(*values, **named)
        return self._function(values, named, tensors)(*tensors)

    def _function(self, values: Any, named: Any, tensors: list[Any]) -> Callable[..., Any]:
        alone = len(tensors) == len(values) == 1 and not named and tensors[0] is values[0]
        for is_open in (True, False):
            specs = [tf.TensorSpec(_open(x.shape) if is_open else x.shape, x.dtype) for x in tensors]
            key: Any = repr(tf.nest.map_structure(lambda leaf: leaf, _described((values, named), specs)))
            if alone and specs[0].shape.rank and specs[0].shape[0] is None:
                key = (tensors[0].ndim, tensors[0].shape[1:], tensors[0].dtype)
            if key not in self.functions:
                try:
                    self.functions[key] = self._traced(values, named, specs)
                except Exception:
                    # A forward may need the batch's size; then each size is traced for itself.
                    self.functions[key] = None
                    if not is_open:
                        del self.functions[key]
                        raise
            function = self.functions[key]
            if function is not None:
                return function
        raise AssertionError("tracing either succeeds or raises")

    def _traced(self, values: Any, named: Any, specs: list[Any]) -> Callable[..., Any]:
        structure = (values, named)
        leaves = [None if isinstance(leaf, tf.Tensor) else (leaf,) for leaf in tf.nest.flatten(structure)]

        def call(*tensors: Any) -> Any:
            given = iter(tensors)
            filled = [next(given) if leaf is None else leaf[0] for leaf in leaves]
            inputs, keywords = tf.nest.pack_sequence_as(structure, filled)
            return self.plain(*inputs, **keywords)

        function = tf.function(call, input_signature=specs, autograph=False)
        return function.get_concrete_function()  # type: ignore[no-any-return]


def _open(shape: Any) -> Any:
    """Return a shape with its batch size left open; a vector has none."""
    return shape if shape.rank < 2 else [None, *shape[1:]]


def _described(structure: Any, specs: list[Any]) -> Any:
    """Return a structure with specs in place of tensors."""
    given = iter(specs)
    leaves = [next(given) if isinstance(leaf, tf.Tensor) else leaf for leaf in tf.nest.flatten(structure)]
    return tf.nest.pack_sequence_as(structure, leaves)


# Parameters.


def _storage(binding: Binding, parameter: Parameter) -> Slot:
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

    def clone(self) -> ParameterLaw:
        return self

    def get_config(self) -> dict[str, Any]:
        return {}

    @property
    def parameter(self) -> Parameter:
        """The parameter of the description."""
        return vars(self.module)[self.name]  # type: ignore[no-any-return]

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        # Keras asks for placeholders in its symbolic passes, and once more for the values.
        if in_stateless_scope():
            return tf.zeros(shape, dtype)
        with tf.init_scope():
            axes = _storage(self.binding, self.parameter).axes
            values = self.parameter.take()
            # By `tf.transpose` or `tf.constant` TensorFlow 2.21 would copy the array once more.
            return tf.constant(values) if axes is None else tf.raw_ops.Transpose(x=values, perm=axes)

    def variable(self, layer: Any, create: Callable[..., Any], shape: Any, **options: Any) -> Any:
        """Return the parameter's variable: the one of a layer it is tied to, else a new one."""
        parameter = self.parameter
        probed, found = self.binding.memory.get("probe", (None, None))
        storage = _storage(probed or self.binding, parameter)
        canonical = _ordered(tuple(shape), _inverse(self.axes))
        if probed is not None:
            found[id(parameter)] = _ordered(canonical, storage.axes)
            return None
        parameter.shape = canonical
        variables = self.binding.memory.setdefault("variables", {})
        variable = variables.get(id(parameter))
        if variable is None:
            with _device(self.binding.options):
                variable = create(shape=storage.native_shape(), initializer=self, **options)
            variables[id(parameter)] = variable
        if storage.axes == self.axes:
            return variable
        setattr(layer, f"tied_{self.name}", variable)
        order = [_ordered(range(len(canonical)), axes) for axes in (storage.axes, self.axes)]
        return TransposedView(variable, tuple(order[0].index(axis) for axis in order[1]))


class Deferred:
    """What our layers add to Keras's: variables that are bound to parameters."""

    _isomorph_training = False

    def add_weight(self, *args: Any, shape: Any = None, initializer: Any = None, **options: Any) -> Any:
        create = super().add_weight  # type: ignore[misc]
        if isinstance(initializer, ParameterLaw):
            return initializer.variable(self, create, shape, **options)
        return create(*args, shape=shape, initializer=initializer, **options)

    def _trains(self, training: bool | None) -> bool | None:
        """Return the mode: the description's in a bound call, else Keras's."""
        return self._isomorph_training if _bound.get() else training


def _common(module: nn.Module, binding: Binding) -> dict[str, Any]:
    """Return what every Keras layer is given: its path as name, and the net's data type."""
    _check_device(binding.options)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", module.path).lstrip("_-")
    return {"name": name or None, "dtype": binding.options.dtype}


def _is_built(binding: Binding, module: nn.Module) -> bool:
    native = binding.natives.get(id(module))
    if isinstance(native, keras.layers.Layer):
        return bool(native.built)
    return all(_is_built(binding, child) for child in module.children().values())


def _input_shape(call: Call, options: Options) -> Any:
    """Return the shape that a layer was called with, its batch left open."""
    first = call.inputs[0] if call.inputs else None
    if not isinstance(first, TensorSpec):
        return _sufficient_shape(call.module, options)
    sizes = [size if isinstance(size, int) else None for size in first.shape]
    return tuple(sizes) if len(sizes) < 2 else (None, *sizes[1:])


def _sufficient_shape(module: Any, options: Options) -> tuple[int | None, ...]:
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


def _let_fit_train(model: Any) -> None:
    """Let `fit` train: Keras 3.15's runs a `call` without a training argument in inference mode."""
    model._call_has_training_arg = True


# Nets with a forward of their own.


class Composite(Deferred, keras.Model):  # type: ignore[misc]
    """A model whose `call` is the user's forward; its layers build themselves or are built for it."""

    def __init__(self, binding: Binding, module: nn.Module) -> None:
        keras.Model.__init__(self, **_common(module, binding))
        # Keras would refuse a flag or None in a forward's positional arguments.
        self._allow_non_tensor_positional_args = True
        _let_fit_train(self)
        self.__dict__.update(_isomorph_source=(binding, module), _isomorph_own={})

    @property
    def training(self) -> bool:
        """Whether the call under way trains; outside of calls, the description's mode."""
        context = None if _bound.get() else get_global_attribute("current_call_ctx")
        return self._isomorph_training if context is None else bool(getattr(context, "training", None))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return no Keras mask: an argument of forward by that name is the user's own."""

    def hold(self, name: str, value: Any, is_native: bool) -> None:
        """Take over an attribute of the description; Keras tracks those that hold layers."""
        shared = isinstance(inspect.getattr_static(type(self), name, None), _Shared)
        if not is_native:
            (self.__dict__["_isomorph_own"] if shared else self.__dict__)[name] = value
        elif shared:
            setattr(self, f"{name}_", value)
            vars(self)["_isomorph_own"][name] = getattr(self, f"{name}_")
        else:
            setattr(self, name, value)

    def add_parameters(self) -> None:
        """Make the variables of the parameters that the user's class itself declares."""
        binding, module = vars(self)["_isomorph_source"]
        own = module.own_parameters()
        for name, parameter in own.items():
            if name not in vars(self) and name not in vars(self)["_isomorph_own"]:
                law = ParameterLaw(binding, module, name)
                options = {"dtype": parameter.dtype, "trainable": parameter.trainable}
                shape = parameter.shape.known()
                self.hold(name, self.add_weight(shape=shape, initializer=law, name=name, **options), True)


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
            _build_from(native, list(bound.arguments.values()))

        build.__signature__ = self.signature  # type: ignore[attr-defined]
        return build


def _build_from(native: Any, shapes: list[Any]) -> None:
    """Infer and fill a deferred net that Keras calls or builds before its description was called."""
    binding, module = native._isomorph_source
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


class _Shared:
    """A name that the user's class and Keras both use: the user's while its forward runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, native: Any, owner: type) -> Any:
        if native is not None and id(native) in _running.get():
            own = vars(native)["_isomorph_own"]
            if self.name in own:
                return own[self.name]
            users = owner.__mro__[owner.__mro__.index(keras.Model) :]
            found = next((vars(cls)[self.name] for cls in users if _is_users(cls, self.name)), None)
            if found is not None:
                return found.__get__(native, owner) if hasattr(found, "__get__") else found
        theirs = inspect.getattr_static(Composite, self.name, None)
        if native is not None and self.name in vars(native) and not hasattr(theirs, "__set__"):
            return vars(native)[self.name]
        if theirs is None:
            raise AttributeError(self.name)
        return theirs.__get__(native, owner) if hasattr(theirs, "__get__") else theirs

    def __set__(self, native: Any, value: Any) -> None:
        theirs = inspect.getattr_static(Composite, self.name, None)
        if hasattr(theirs, "__set__"):
            theirs.__set__(native, value)
        else:
            vars(native)[self.name] = value


def _is_users(cls: type, name: str) -> bool:
    ours_or_theirs = (nn.Module, nn.ModuleList, nn.ModuleDict, nn.Sequential, object)
    return cls not in ours_or_theirs and not issubclass(keras.Model, cls) and name in vars(cls)


@functools.lru_cache(maxsize=1)
def _reserved() -> frozenset[str]:
    return frozenset({*dir(keras.Model), *vars(keras.Model(name="reserved")), "optimizer", "history"})


def _collisions(module: nn.Module) -> set[str]:
    """Return the names of the user's that Keras's models use too; raises for one that can't be both."""
    attributes = {name for name in vars(module) if name != "_isomorph"}
    methods = {name for cls in type(module).__mro__ for name in vars(cls) if _is_users(cls, name)}
    for name in ("call", "build"):
        if name in attributes or (name == "call" and name in methods):
            raise LayerNotSupportedError.at(
                module.label, "tensorflow", f"the attribute {name!r} of {type(module).__name__}",
                f"Keras calls a model's own {name}; rename it.",
            )
    methods = {name for name in methods if not name.startswith("__") and name != "build"}
    return (attributes | methods) & _reserved()


def _announced(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a forward that says when it runs, for `_Shared` names."""

    @functools.wraps(forward)
    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        token = _running.set(_running.get() | {id(self)})
        try:
            return forward(self, *inputs, **named)
        finally:
            _running.reset(token)

    return call


class Sequential(keras.Sequential):  # type: ignore[misc]
    """A `keras.Sequential` of any input rank, whose layers may repeat; indexed as a list."""

    _isomorph_training = False

    def __init__(self, layers: list[Any], source: tuple[Binding, nn.Module], name: Any, dtype: str) -> None:
        super().__init__(name=name)
        self.dtype_policy = dtype
        _let_fit_train(self)
        self.__dict__["_isomorph_source"] = source
        for layer in layers:
            self._layers.append(layer)

    def build(self, input_shape: Any = None) -> None:
        # Keras would make a Functional model here: a RecursionError from 1000 layers on.
        _build_from(self, [input_shape])

    def call(self, inputs: Any) -> Any:
        for layer in self._layers:
            inputs = layer(inputs)
        return inputs

    compute_output_spec = keras.Operation.compute_output_spec

    def __getitem__(self, index: Any) -> Any:
        return self._layers[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


@TensorFlowAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Sequential:
    """Lower Sequential."""
    return Sequential([binding.native(child) for child in layer], (binding, layer), **_common(layer, binding))


@TensorFlowAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> list[Any]:
    """Lower a row of modules to a list, as Keras tracks them in attributes."""
    return [binding.native(child) for child in layer]


@TensorFlowAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> dict[str, Any]:
    """Lower modules by name to a dict, as Keras tracks them in attributes."""
    return {name: binding.native(child) for name, child in layer.items()}


# Layers.

_DENSE = (1, 0)
_CONV1D = (2, 1, 0)
_CONV2D = (2, 3, 1, 0)


def _activation(value: Any) -> Any:
    """Return what Keras takes as this activation; its leaky_relu has another slope."""
    return value if isinstance(value, str) and value != "leaky_relu" else activation_function(value)


class Dense(Deferred, keras.layers.Dense):  # type: ignore[misc]
    """A `keras.layers.Dense` that takes vectors too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.input_spec = keras.InputSpec(min_ndim=1)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_spec = keras.InputSpec(min_ndim=1, axes={-1: input_shape[-1]})


@TensorFlowAdapter.lowers(nn.Dense, weight=("kernel", _DENSE))
def dense(layer: nn.Dense, binding: Binding) -> Dense:
    """Lower Dense."""
    return Dense(
        layer.units,
        activation=_activation(layer.activation),
        use_bias=layer.bias is not None,
        kernel_initializer=ParameterLaw(binding, layer, "weight", _DENSE),
        bias_initializer=ParameterLaw(binding, layer, "bias"),
        **_common(layer, binding),
    )


class _Padded:
    """A window layer with symmetric padding, computed channels last.

    On CPU, TensorFlow 2.21 has neither pooling nor gradients of convolutions channels first.
    """

    pads: tuple[int, ...] = ()
    data_format: str

    def _channels_last(self, x: Any) -> Any:
        rank = len(x.shape)
        return tf.transpose(x, (0, *range(2, rank), 1)) if self.data_format == "channels_first" else x

    def _own_format(self, x: Any) -> Any:
        rank = len(x.shape)
        order = (0, rank - 1, *range(1, rank - 1))
        return tf.transpose(x, order) if self.data_format == "channels_first" else x

    def _widths(self) -> list[list[int]]:
        return [[0, 0], *([pad, pad] for pad in self.pads), [0, 0]]

    def compute_output_shape(self, input_shape: Any) -> Any:
        sizes, start = list(input_shape), 1 if self.data_format == "channels_last" else 2
        for axis, pad in enumerate(self.pads, start):
            sizes[axis] = None if sizes[axis] is None else sizes[axis] + 2 * pad
        return super().compute_output_shape(tuple(sizes))  # type: ignore[misc]


class _Convolution(_Padded, Deferred):
    """A Keras convolution with integer padding and groups that also trains on CPU."""

    def __init__(self, *args: Any, pads: Any, dilation_rate: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Keras's constructor refuses dilation together with strides.
        self.dilation_rate, self.pads = dilation_rate, pads

    def call(self: Any, inputs: Any) -> Any:
        x, kernel = self._channels_last(inputs), tf.convert_to_tensor(self.kernel)
        strides, dilation, pads = self.strides, self.dilation_rate, self._widths()
        if self.rank == 1:
            x, kernel = tf.expand_dims(x, 1), tf.expand_dims(kernel, 0)
            strides, dilation, pads = (1, *strides), (1, *dilation), [pads[0], [0, 0], *pads[1:]]
        if self.padding == "same":
            pads = _same_widths(x, kernel, strides, dilation)
        y = _convolve(x, kernel, strides, dilation, pads, self.groups)
        # Keras 3.15 adds a bias along the wrong axis of channels-first images as wide as deep.
        y = y if self.bias is None else tf.nn.bias_add(y, self.bias)
        y = self._own_format(tf.squeeze(y, [1]) if self.rank == 1 else y)
        return y if self.activation is None else self.activation(y)


def _same_widths(x: Any, kernel: Any, strides: Any, dilation: Any) -> list[Any]:
    """Return the padding of ``"same"``, for sizes that a graph may leave open too."""
    widths: list[Any] = [[0, 0]]
    for size, window, stride, step in zip(_sizes(x)[1:-1], kernel.shape, strides, dilation):
        largest = max if isinstance(size, int) else tf.maximum
        total = largest((-(-size // stride) - 1) * stride + step * (window - 1) + 1 - size, 0)
        widths.append([total // 2, total - total // 2])
    return [*widths, [0, 0]]


def _convolve(x: Any, kernel: Any, strides: Any, dilation: Any, pads: Any, groups: int) -> Any:
    """Convolve images channels last; by CPU kernels that have gradients in TensorFlow 2.21."""
    channels, inner, out = x.shape[-1], kernel.shape[2], kernel.shape[3]
    depthwise = groups > 1 and inner == 1
    if max(dilation) > 1 or (depthwise and strides[0] != strides[1]):
        # Neither dilation with strides nor unequal strides of depthwise kernels exist.
        y = _convolve_dilated(tf.pad(x, pads), kernel, dilation, groups)
        return y[:, :: strides[0], :: strides[1]]
    if depthwise:
        # Explicit padding with a bias behind it ends the process in TensorFlow 2.21's compiled graphs.
        filters = tf.reshape(kernel, (*kernel.shape[:2], channels, out // channels))
        return tf.nn.depthwise_conv2d(tf.pad(x, pads), filters, (1, *strides, 1), "VALID")
    static = all(isinstance(width, int) for pair in pads for width in pair)
    x, pads = (x, pads) if static else (tf.pad(x, pads), [[0, 0]] * 4)
    if groups == 1:
        return tf.nn.conv2d(x, kernel, strides, pads)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
    return tf.concat([tf.nn.conv2d(part, filters, strides, pads) for part, filters in parts], -1)


def _convolve_dilated(x: Any, kernel: Any, dilation: Any, groups: int) -> Any:
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
    return tf.concat([tf.nn.convolution(p, f, 1, "VALID", dilations=dilation) for p, f in parts], -1)


class Conv1D(_Convolution, keras.layers.Conv1D):  # type: ignore[misc]
    """A `keras.layers.Conv1D` with integer padding."""


class Conv2D(_Convolution, keras.layers.Conv2D):  # type: ignore[misc]
    """A `keras.layers.Conv2D` with integer padding."""


def _convolution(kind: Any, axes: Axes, layer: Any, binding: Binding) -> Any:
    same = layer.padding == "same"
    return kind(
        layer.out_channels,
        layer.kernel_size,
        strides=layer.stride,
        padding="same" if same else "valid",
        pads=() if same else layer.padding,
        data_format=binding.options.data_format,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        activation=_activation(layer.activation),
        use_bias=layer.bias is not None,
        kernel_initializer=ParameterLaw(binding, layer, "weight", axes),
        bias_initializer=ParameterLaw(binding, layer, "bias"),
        **_common(layer, binding),
    )


@TensorFlowAdapter.lowers(nn.Conv1d, weight=("kernel", _CONV1D))
def conv1d(layer: nn.Conv1d, binding: Binding) -> Conv1D:
    """Lower Conv1d."""
    return _convolution(Conv1D, _CONV1D, layer, binding)  # type: ignore[no-any-return]


@TensorFlowAdapter.lowers(nn.Conv2d, weight=("kernel", _CONV2D))
def conv2d(layer: nn.Conv2d, binding: Binding) -> Conv2D:
    """Lower Conv2d."""
    return _convolution(Conv2D, _CONV2D, layer, binding)  # type: ignore[no-any-return]


class MaxPooling2D(_Padded, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """A `keras.layers.MaxPooling2D` with integer padding, of minus infinity."""

    def call(self, inputs: Any) -> Any:
        padding = self._widths() if self.pads else self.padding.upper()
        return self._own_format(
            tf.nn.max_pool2d(self._channels_last(inputs), self.pool_size, self.strides, padding)
        )


class AveragePooling2D(_Padded, keras.layers.AveragePooling2D):  # type: ignore[misc]
    """A `keras.layers.AveragePooling2D` with integer padding, counted or not."""

    counts_padding = True

    def call(self, inputs: Any) -> Any:
        x = self._channels_last(inputs)
        if not any(self.pads):
            return self._own_format(tf.nn.avg_pool2d(x, self.pool_size, self.strides, self.padding.upper()))
        y = self._pooled(x)
        return self._own_format(y if self.counts_padding else y / self._pooled(tf.ones_like(x[:1, :, :, :1])))

    def _pooled(self, x: Any) -> Any:
        return tf.nn.avg_pool2d(tf.pad(x, self._widths()), self.pool_size, self.strides, "VALID")


def _pooling(kind: Any, layer: Any, binding: Binding) -> Any:
    same = layer.padding == "same"
    native = kind(
        layer.kernel_size,
        layer.stride,
        padding="same" if same else "valid",
        data_format=binding.options.data_format,
        **_common(layer, binding),
    )
    native.pads = () if same else layer.padding
    return native


@TensorFlowAdapter.lowers(nn.MaxPool2d)
def max_pool(layer: nn.MaxPool2d, binding: Binding) -> MaxPooling2D:
    """Lower MaxPool2d."""
    return _pooling(MaxPooling2D, layer, binding)  # type: ignore[no-any-return]


@TensorFlowAdapter.lowers(nn.AvgPool2d)
def avg_pool(layer: nn.AvgPool2d, binding: Binding) -> AveragePooling2D:
    """Lower AvgPool2d."""
    native: AveragePooling2D = _pooling(AveragePooling2D, layer, binding)
    native.counts_padding = layer.count_include_pad
    return native


@TensorFlowAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    options = {"data_format": binding.options.data_format, "keepdims": layer.keepdims}
    return keras.layers.GlobalAveragePooling2D(**options, **_common(layer, binding))


class BatchNormalization(Deferred, keras.layers.BatchNormalization):  # type: ignore[misc]
    """A `keras.layers.BatchNormalization` of any rank, whose running variance is unbiased."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_spec = keras.InputSpec(min_ndim=2, axes={self.axis: input_shape[self.axis]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        # Half precision overflows in the variance, as in Keras.
        x = tf.cast(inputs, keras.backend.result_type(inputs.dtype.name, "float32"))
        axis = self.axis % len(x.shape)
        others = [i for i in range(len(x.shape)) if i != axis]
        mean, variance = (tf.cast(v, x.dtype) for v in (self.moving_mean, self.moving_variance))
        if self._trains(training) and self.trainable:
            count = tf.cast(tf.size(x) // tf.shape(x)[axis], x.dtype)
            running = mean, variance
            mean, variance = tf.nn.moments(x, others)
            unbiased = variance * (count / tf.maximum(count - 1, 1))
            self._blend(self.moving_mean, running[0], mean)
            self._blend(self.moving_variance, running[1], unbiased)
        shape = [-1 if i == axis else 1 for i in range(len(x.shape))]
        affine = (self.gamma, self.beta)
        scale, offset = (None if v is None else tf.reshape(tf.cast(v, x.dtype), shape) for v in affine)
        mean, variance = tf.reshape(mean, shape), tf.reshape(variance, shape)
        y = tf.nn.batch_normalization(x, mean, variance, offset, scale, self.epsilon)
        return tf.cast(y, self.compute_dtype)

    def _blend(self, variable: Any, running: Any, new: Any) -> None:
        variable.assign(running * self.momentum + new * (1.0 - self.momentum))


@TensorFlowAdapter.lowers(
    nn.BatchNorm, weight="gamma", bias="beta", running_mean="moving_mean", running_var="moving_variance"
)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> BatchNormalization:
    """Lower BatchNorm; Keras's momentum is the weight of the old statistics."""
    return BatchNormalization(
        axis=-1 if binding.options.data_format == "channels_last" else 1,
        momentum=1 - layer.momentum,
        epsilon=layer.eps,
        center=layer.affine,
        scale=layer.affine,
        gamma_initializer=ParameterLaw(binding, layer, "weight"),
        beta_initializer=ParameterLaw(binding, layer, "bias"),
        moving_mean_initializer=ParameterLaw(binding, layer, "running_mean"),
        moving_variance_initializer=ParameterLaw(binding, layer, "running_var"),
        **_common(layer, binding),
    )


class LayerNormalization(Deferred, keras.layers.LayerNormalization):  # type: ignore[misc]
    """A `keras.layers.LayerNormalization`."""


@TensorFlowAdapter.lowers(nn.LayerNorm, weight="gamma", bias="beta")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> LayerNormalization:
    """Lower LayerNorm."""
    return LayerNormalization(
        epsilon=layer.eps,
        center=layer.bias is not None,
        scale=layer.weight is not None,
        gamma_initializer=ParameterLaw(binding, layer, "weight"),
        beta_initializer=ParameterLaw(binding, layer, "bias"),
        **_common(layer, binding),
    )


class Embedding(Deferred, keras.layers.Embedding):  # type: ignore[misc]
    """A `keras.layers.Embedding` that refuses negative indices, which Keras would wrap."""

    def call(self, inputs: Any) -> Any:
        indices = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, tf.int64)
        return tf.gather(tf.convert_to_tensor(self.embeddings), indices)


@TensorFlowAdapter.lowers(nn.Embedding, weight="embeddings")
def embedding(layer: nn.Embedding, binding: Binding) -> Embedding:
    """Lower Embedding."""
    law = ParameterLaw(binding, layer, "weight")
    sizes = (layer.num_embeddings, layer.embedding_dim)
    return Embedding(*sizes, embeddings_initializer=law, **_common(layer, binding))


class Dropout(Deferred, keras.layers.Dropout):  # type: ignore[misc]
    """A `keras.layers.Dropout` that follows the description's mode in bound calls."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs, training=bool(self._trains(training)))


@TensorFlowAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Dropout:
    """Lower Dropout."""
    return Dropout(layer.p, **_common(layer, binding))


class Flatten(keras.layers.Flatten):  # type: ignore[misc]
    """A `keras.layers.Flatten` from an axis on, in the order channels, space in both formats."""

    def __init__(self, layer: nn.Flatten, **options: Any) -> None:
        super().__init__(**options)
        self.source = layer

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        if moves_channels(self.source, rank, self.data_format):
            inputs = tf.transpose(inputs, (0, rank - 1, *range(1, rank - 1)))
        return _flatten(inputs, self.source.start_axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        kept, rest = input_shape[: self.source.start_axis], input_shape[self.source.start_axis :]
        return (*kept, None if None in rest else math.prod(rest))

    compute_output_spec = keras.Operation.compute_output_spec


@TensorFlowAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Flatten:
    """Lower Flatten."""
    return Flatten(layer, data_format=binding.options.data_format, **_common(layer, binding))


@TensorFlowAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation by Keras's name of it."""
    return keras.layers.Activation(type(layer).__name__.lower(), **_common(layer, binding))


@TensorFlowAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return keras.layers.Softmax(layer.axis, **_common(layer, binding))


@TensorFlowAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU."""
    return keras.layers.LeakyReLU(layer.negative_slope, **_common(layer, binding))


# Functions.

_NUMBERS = (bool, int, float)


def _tensor(x: Any) -> Any:
    return x if isinstance(x, tf.Tensor) else tf.convert_to_tensor(x)


def _floating(x: Any) -> Any:
    x = _tensor(x)
    return x if x.dtype.is_floating else tf.cast(x, tf.float32)


def _alike(tensors: Sequence[Any]) -> list[Any]:
    """Return tensors of one type, the one they promote to."""
    tensors = [_tensor(x) for x in tensors]
    names = {x.dtype.name for x in tensors}
    return tensors if len(names) == 1 else [tf.cast(x, promote(*names)) for x in tensors]


def _pair(a: Any, b: Any) -> Sequence[Any]:
    """Return two operands of one type; a Python number takes the other's."""
    if isinstance(b, _NUMBERS):
        a = _floating(a) if isinstance(b, float) else _tensor(a)
        return a, tf.cast(b, a.dtype)
    return _pair(b, a)[::-1] if isinstance(a, _NUMBERS) else _alike((a, b))


def _sizes(x: Any) -> tuple[Any, ...]:
    """Return sizes as integers where they are known, else as entries of `tf.shape`."""
    static = x.shape.as_list()
    if None not in static:
        return tuple(static)
    dynamic = tf.shape(x)
    return tuple(dynamic[axis] if size is None else size for axis, size in enumerate(static))


def _flatten(x: Any, start_axis: int) -> Any:
    sizes = _sizes(x)
    start = start_axis if start_axis == len(sizes) else start_axis % len(sizes)
    return tf.reshape(x, (*sizes[:start], math.prod(sizes[start:])))


class TensorFlowOps(Ops):
    """The functions of `isomorph.ops` in TensorFlow."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.add(*_pair(a, b))

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.subtract(*_pair(a, b))

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.multiply(*_pair(a, b))

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _pair(a, b)
        return tf.divide(_floating(a), _floating(b))

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.pow(*_pair(a, b))

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.maximum(*_pair(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.minimum(*_pair(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return tf.where(tf.cast(condition, tf.bool), *_pair(a, b))

    def negative(self, x: Tensor) -> Tensor:
        return tf.negative(x)

    def abs(self, x: Tensor) -> Tensor:
        return tf.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return tf.exp(_floating(x))

    def log(self, x: Tensor) -> Tensor:
        return tf.math.log(_floating(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return tf.sqrt(_floating(x))

    def square(self, x: Tensor) -> Tensor:
        return tf.square(x)

    def tanh(self, x: Tensor) -> Tensor:
        return tf.tanh(_floating(x))

    def sigmoid(self, x: Tensor) -> Tensor:
        return tf.sigmoid(_floating(x))

    def relu(self, x: Tensor) -> Tensor:
        return tf.nn.relu(_tensor(x))

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return tf.nn.leaky_relu(_floating(x), negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        return tf.nn.gelu(_floating(x), approximate=False)

    def silu(self, x: Tensor) -> Tensor:
        return tf.nn.silu(_floating(x))

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        x = _tensor(x)
        x = x if low is None else tf.maximum(x, tf.cast(low, x.dtype))
        return x if high is None else tf.minimum(x, tf.cast(high, x.dtype))

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return tf.cast(x, dtype)

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return tf.nn.softmax(_floating(x), axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return tf.nn.log_softmax(_floating(x), axis)

    def sum(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return tf.reduce_sum(x, axis, keepdims)

    def mean(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return tf.reduce_mean(_floating(x), axis, keepdims)

    def max(self, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Tensor:
        return tf.reduce_max(x, axis, keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = _alike((a, b))
        rows, columns = len(a.shape) == 1, len(b.shape) == 1
        y = tf.matmul(a[None] if rows else a, b[:, None] if columns else b)
        y = tf.squeeze(y, [-2]) if rows else y
        return tf.squeeze(y, [-1]) if columns else y

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return tf.einsum(equation, *_alike(operands))

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return _sizes(_tensor(x))

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return tf.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return _flatten(_tensor(x), start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return tf.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return tf.squeeze(x, [axis])

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return tf.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return tf.concat(_alike(tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return tf.stack(_alike(tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(tf.split(x, sizes, axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        x = _tensor(x)
        return tf.pad(x, widths, constant_values=tf.cast(value, x.dtype))


def _symbolic(name: str) -> Callable[..., Any]:
    """Return a function of the table as a layer of Keras's functional API."""

    def function(self: Ops, *arguments: Any) -> Any:
        leaves = tf.nest.flatten(arguments)
        symbols = [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]

        def compute(tensors: list[Any]) -> Any:
            given = iter(tensors)
            filled = [next(given) if isinstance(leaf, keras.KerasTensor) else leaf for leaf in leaves]
            return getattr(TensorFlowOps(), name)(*tf.nest.pack_sequence_as(arguments, filled))

        return keras.layers.Lambda(compute, autocast=False)(symbols)

    return function


class _SymbolicOps(TensorFlowOps):
    """The same functions on the symbolic tensors of Keras's functional API."""

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(x.shape)


for _name in sorted(Ops.__abstractmethods__ - {"shape"}):
    setattr(_SymbolicOps, _name, _symbolic(_name))

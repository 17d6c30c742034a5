"""JAX: Flax linen modules, and their variables in one tree beside them."""

from __future__ import annotations

import dataclasses
import functools
import keyword
import math
import operator
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from flax.linen.module import DescriptorWrapper

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Deviation, Options, Slot
from isomorph.errors import (
    DTypeMismatchError,
    InvalidArgumentError,
    LayerNotSupportedError,
    ShapeMismatchError,
    StructureError,
)
from isomorph.init.laws import Array
from isomorph.init.streams import numpy_dtype
from isomorph.native_class import native_class
from isomorph.nn.activations import moves_channels
from isomorph.ops.table import Ops, Tensor
from isomorph.shape import Shape
from isomorph.tensor import TensorSpec
from isomorph.trace import Call

Axes = int | tuple[int, ...] | None
Path = tuple[str, ...]
Tree = dict[str, Any]


class JaxAdapter(Adapter):
    """Lowers nets to `flax.linen.Module`; `net.variables` is the tree for `net.native.apply`."""

    name = "jax"
    deviations = (
        Deviation(
            "An Embedding's index outside the table gives NaN; a negative one counts from the end.",
            "XLA's gather has no errors, least of all under jit (Flax 0.12, linen.Embed).",
            "Only rows whose index is out of range.",
        ),
        Deviation(
            "64-bit integers become 32-bit ones unless jax_enable_x64 is on.",
            "JAX's default types have 32 bits.",
            "Integers beyond 2**31; none with jax_enable_x64.",
        ),
    )

    def __init__(self) -> None:
        self.ops = JaxOps()

    def owns(self, value: Any) -> bool:
        return isinstance(value, jax.Array)

    def from_numpy(self, array: Array, options: Options) -> Any:
        # jnp.array copies; asarray and device_put may keep the caller's memory on CPU (JAX 0.7).
        return jnp.array(array, device=_device(options))

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.name)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        place = _place(binding, module)
        own = module.own_parameters()
        place.laws = {name: Law(place, name) for name in own}
        fields = {name: value for name, value in attributes.items() if _can_be_field(value)}
        place.plain = {name: value for name, value in attributes.items() if name not in fields}
        for name in (*attributes, *own):
            place.names[name] = _field_name(name, {*attributes, *own, *place.names.values()})
        deferred = any(not parameter.shape.is_known for parameter in own.values())
        key = type(module), tuple(place.names.items()), tuple(fields), deferred
        classes = binding.memory.setdefault("classes", {})
        if key not in classes:
            classes[key] = _composite_class(module, place, tuple(fields), deferred)
        return classes[key](_isomorph=place, **{place.names[n]: value for n, value in fields.items()})

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        shapes: dict[int, tuple[int, ...]] = {}
        known: dict[Any, Tree] = {}
        for call in calls:
            native = binding.natives[id(call.module)]
            own = call.module.own_parameters()
            if isinstance(native, _Composite):  # a user's own build hook: Flax has no inference for it
                shapes.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
                continue
            alike = _alike(native, call.inputs)
            if alike not in known:
                known[alike] = _inferred(native, call.inputs)
            for parameter in own.values():
                slot = _place(binding, call.module).slot(parameter)
                shape = slot.canonical_shape(known[alike][_collection(slot)][slot.native_name].shape)
                shapes[id(parameter)] = _native_shape(binding.slots[id(parameter)][0], shape)
        return shapes

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        state = _state(binding)
        parameters = {id(p): p for module in modules for p in module.own_parameters().values()}
        slots = [binding.slots[key][0] for key, p in parameters.items() if p._value is not None]
        # What take returns belongs to nobody else, so JAX may keep its memory.
        arrays = ((slot, jax.device_put(slot.take(), _device(binding.options))) for slot in slots)
        state.variables = _replaced(state, arrays)

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        return _state(binding).once(_runner, module)

    def set_mode(self, binding: Binding) -> None:
        state = _state(binding)
        for place in state.places:
            place.training = place.module.training
            place.frozen = binding.root.training and not place.training
        state.drops = _trains(state, nn.Dropout)

    def variables(self, binding: Binding) -> Any:
        return _state(binding).variables

    def set_variables(self, binding: Binding, variables: Any) -> None:
        state = _state(binding)
        if not isinstance(variables, Mapping):
            raise InvalidArgumentError.of("variables", "it", "a mapping from collections to trees", variables)
        tree = {**state.variables, **flax.core.unfreeze(variables)}  # type: ignore[arg-type]
        slots = [each[0] for each in binding.slots.values()]
        shapes = {id(slot): _checked(state, slot, tree) for slot in slots}
        for slot in slots:
            slot.parameter.shape, slot.parameter._value = shapes[id(slot)], None
        state.variables = tree

    def is_ready(self, slot: Slot) -> bool:
        state = _state(slot.binding)
        return _find(state.variables, state.path(slot)) is not None

    def parameter(self, slot: Slot) -> Any:
        state = _state(slot.binding)
        return _find(state.variables, state.path(slot))

    def read(self, slot: Slot) -> Array:
        return np.asarray(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        state = _state(slot.binding)
        state.variables = _replaced(state, [(slot, self.from_numpy(array, slot.binding.options))])

    def gradients(
        self, binding: Binding, module: nn.Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        state = _state(binding)
        general = state.once(_general, module)
        rest = {name: tree for name, tree in state.variables.items() if name != "params"}
        seeds, arguments = state.seeds(), _split(inputs, {})

        def objective(params: Tree) -> Any:
            output, updates = general({**rest, "params": params}, seeds, *arguments)
            return loss(output), updates

        found, updates = jax.grad(objective, has_aux=True)(state.variables.get("params", {}))
        state.update(module, updates)
        slots = [p._slot for p in module.parameters().values() if p._slot is not None]
        return {id(slot.parameter): np.asarray(_find(found, state.path(slot)[1:])) for slot in slots}


# State: Flax keeps it apart from modules.


@dataclasses.dataclass(eq=False)
class Place:
    """What a native module knows of the description it was lowered from."""

    binding: Binding
    module: nn.Module
    training: bool = True
    frozen: bool = False
    """Whether the module alone is in evaluation mode, the net around it in training."""
    laws: dict[str, Law] = dataclasses.field(default_factory=dict)
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    """The native names of a composite's attributes and parameters."""
    plain: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Attributes that Flax's fields would change: lists become tuples there, arrays break equality."""
    links: dict[str, Link] = dataclasses.field(default_factory=dict)

    @property
    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Canonical shapes, by parameter, that Flax inferred last in an `init` of the user's own."""
        return self.binding.memory.setdefault("shapes", {})  # type: ignore[no-any-return]

    def slot(self, parameter: nn.Parameter) -> Slot:
        """Return where the native module itself would keep a parameter, were it not shared."""
        for link in self.links.values():
            if link.slot.parameter is parameter:
                return link.slot
        return next(s for s in self.binding.slots[id(parameter)] if s.module is self.module)

    def __deepcopy__(self, memo: Any) -> Place:
        return self


@dataclasses.dataclass(eq=False)
class State:
    """A net's variables, where each module's are, and its calls."""

    binding: Binding
    top: linen.Module
    paths: dict[int, Path]
    routes: dict[int, tuple[Any, ...]]
    places: list[Place]
    variables: Tree = dataclasses.field(default_factory=dict)
    runners: dict[Any, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    calls: int = 0
    drops: bool = False
    """Whether a dropout layer is in training."""

    def path(self, slot: Slot) -> Path:
        """Return where a parameter is in the variables; where the first of its layers has it, if tied."""
        owner = self.binding.slots[id(slot.parameter)][0]
        return _collection(owner), *self.paths[id(owner.module)], owner.native_name

    def once(self, make: Callable[[State, nn.Module], Any], module: nn.Module) -> Any:
        """Return what a function makes of a module in the net's present modes, made once for each."""
        key = make, id(module), tuple(place.training for place in self.places)
        if key not in self.runners:
            self.runners[key] = make(self, module)
        return self.runners[key]

    @functools.cached_property
    def seed(self) -> int:
        """The seed of the net's dropout: the one it was initialized with, else its own."""
        root = self.binding.root
        named = [request for request in root.requests if request.seed is not None]
        return max(named, key=lambda request: request.order).seed if named else root.entropy()  # type: ignore[return-value]

    def seeds(self) -> Any:
        """Return what a call's dropout follows from, the seed and a count; None where nothing drops."""
        if not self.drops:
            return None
        self.calls += 1
        return np.array((self.seed % 2**32, self.calls % 2**32), np.uint32)

    def update(self, module: nn.Module, updates: Tree) -> None:
        """Keep the running statistics that a call in training returned."""
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(updates)):
            raise StructureError(
                f"{module.label} is called in training under a JAX transformation, which can't "
                "change the net's running statistics.\n  Use net.eval(), or "
                'net.native.apply(variables, x, mutable=["batch_stats"]), which returns them.'
            )
        self.variables = {**self.variables, **updates}


class _Holder(linen.Module):
    """Makes one module of a net that is a list or dict."""

    modules: Any


def _place(binding: Binding, module: nn.Module) -> Place:
    places = binding.memory.setdefault("places", {})
    if id(module) not in places:
        places[id(module)] = Place(binding, module)
    return places[id(module)]  # type: ignore[no-any-return]


def _state(binding: Binding) -> State:
    """Return the net's state, made once the whole net is lowered."""
    if "state" not in binding.memory:
        _device(binding.options)
        if binding.options.dtype == "float64":
            _require_x64("to")
        native = binding.natives[id(binding.root)]
        top = native if isinstance(native, linen.Module) else _Holder(native)
        routes: dict[int, tuple[Any, ...]] = {}
        try:
            paths = _paths(binding, top, routes)
        except flax.errors.NameInUseError as cause:
            raise LayerNotSupportedError.at(
                binding.root.label, "jax", "two attributes that get the same name in Flax",
                f"{cause} Flax calls the items of a list 'blocks' blocks_0, blocks_1: rename one of the two.",
            ) from cause
        state = State(binding, top, paths, routes, list(binding.memory.get("places", {}).values()))
        binding.memory["state"] = state
        _link(state)
    return binding.memory["state"]  # type: ignore[no-any-return]


def _paths(binding: Binding, top: linen.Module, routes: dict[int, tuple[Any, ...]]) -> dict[int, Path]:
    """Return the path that Flax gives each module when it binds the net; fill in the way there."""
    paths: dict[int, Path] = {}
    bound: Any = top.bind({})
    start: tuple[Any, ...] = ()
    if isinstance(top, _Holder):
        bound, start = bound.modules, ("modules",)
    stack = [(binding.root, bound, start)]
    while stack:
        module, native, route = stack.pop()
        if id(module) in routes:
            continue
        routes[id(module)] = route
        if isinstance(native, linen.Module):
            paths[id(module)] = native.path
        for name, child in module.children().items():
            steps = _steps(binding, module, native, name)
            if steps is not None:
                stack.append((child, _follow(native, steps), (*route, *steps)))
    return paths


def _steps(binding: Binding, module: nn.Module, native: Any, name: str) -> tuple[Any, ...] | None:
    """Return the way from a native module to a child; None for one its lowering has taken in."""
    if isinstance(native, Sequential):
        return "layers", int(name)
    if isinstance(native, tuple):
        return (int(name),)
    if isinstance(native, Mapping):
        return (name,)
    return (_place(binding, module).names[name],) if isinstance(native, _Composite) else None


def _follow(native: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        native = getattr(native, step) if isinstance(native, linen.Module) else native[step]
    return native


def _collection(slot: Slot) -> str:
    if slot.parameter.trainable:
        return "params"
    return "batch_stats" if isinstance(slot.module, nn.BatchNorm) else "buffers"


def _find(tree: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _replaced(state: State, arrays: Any) -> Tree:
    """Return the variables with some arrays replaced; trees handed out before stay as they are."""
    tree: Tree = jax.tree.map(lambda leaf: leaf, state.variables)
    for slot, array in arrays:
        *above, name = state.path(slot)
        inner = tree
        for each in above:
            inner = inner.setdefault(each, {})
        inner[name] = array
    return tree


def _checked(state: State, slot: Slot, tree: Tree) -> tuple[int, ...]:
    """Return the canonical shape of a parameter's values in a tree given by the user."""
    parameter, path = slot.parameter, state.path(slot)
    value = _find(tree, path)
    if value is None:
        text = f"{parameter.name}: the variables have no {'/'.join(path)}."
        raise StructureError(text, path=parameter.name)
    shape = slot.canonical_shape(value.shape)
    known = parameter.shape
    if len(shape) != len(known) or any(n not in (None, m) for n, m in zip(known, shape)):
        raise ShapeMismatchError.at(parameter.name, "values of shape", known, Shape(shape))
    if value.dtype != numpy_dtype(parameter.dtype):
        raise DTypeMismatchError.at(parameter.name, parameter.dtype, value.dtype)
    return shape


def _device(options: Options) -> Any:
    if options.device is None or isinstance(options.device, jax.Device):
        return options.device
    platform, _, index = str(options.device).partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, ValueError, IndexError) as cause:
        raise InvalidArgumentError.of(
            "to", "device", "a jax.Device, or a platform such as 'cpu' or 'cuda:0'", options.device
        ) from cause


def _require_x64(where: str) -> None:
    if not jax.config.jax_enable_x64:
        raise InvalidArgumentError.of(
            where, "dtype", "one of 32 bits or less, as JAX is set up", "float64",
            'Before anything else, call jax.config.update("jax_enable_x64", True).',
        )


# Calls.

_bound: ContextVar[bool] = ContextVar("isomorph_jax_bound", default=False)
_only_shapes: ContextVar[bool] = ContextVar("isomorph_jax_only_shapes", default=False)


@contextmanager
def _on(variable: ContextVar[bool]) -> Iterator[None]:
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


def _is_training(native: Any, asked: bool) -> bool:
    """Return whether a module trains: as described in a bound call, as Flax's arguments ask in others."""
    place = native._isomorph
    return place.training if _bound.get() else asked and not place.frozen  # type: ignore[no-any-return]


def _trains(state: State, *kinds: type[nn.Module]) -> bool:
    """Return whether the net has such a layer in training."""
    return any(place.training and isinstance(place.module, kinds) for place in state.places)


def _pure(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return a pure function (variables, seeds, inputs, named) -> (output, updated statistics)."""
    route, top = state.routes[id(module)], state.top
    normalizes, drops = _trains(state, nn.BatchNorm), state.drops

    def call(variables: Tree, seeds: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def method(root: Any) -> Any:
            return _follow(root, route)(*inputs, **named)

        rngs = {"dropout": jax.random.fold_in(jax.random.key(seeds[0]), seeds[1])} if drops else {}
        with _on(_bound):
            if normalizes:
                return top.apply(variables, method=method, rngs=rngs, mutable=["batch_stats"])
            return top.apply(variables, method=method, rngs=rngs), {}

    return call


def _compiled(state: State, module: nn.Module, function: Callable[..., Any], **options: Any) -> Any:
    function.__name__ = function.__qualname__ = type(module).__name__
    return function if state.binding.options.compile is False else jax.jit(function, **options)


def _split(inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[list[Any], Any]:
    """Return the arrays in a call's arguments, and the rest, on which compiled code may depend."""
    leaves, structure = jax.tree.flatten((inputs, named))
    is_array = tuple(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves)
    arrays = [leaf for leaf, dynamic in zip(leaves, is_array, strict=True) if dynamic]
    constants = tuple(leaf for leaf, dynamic in zip(leaves, is_array, strict=True) if not dynamic)
    return arrays, (structure, is_array, constants)


def _general(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return the call for any arguments, as `_split` gives them."""
    pure = _pure(state, module)

    def call(variables: Tree, seeds: Any, arrays: list[Any], rest: Any) -> Any:
        structure, is_array, constants = rest
        dynamic, static = iter(arrays), iter(constants)
        leaves = [next(dynamic if each else static) for each in is_array]
        inputs, named = jax.tree.unflatten(structure, leaves)
        return pure(variables, seeds, inputs, named)

    return _compiled(state, module, call, static_argnums=3)


def _runner(state: State, module: nn.Module) -> Callable[..., Any]:
    """Return the call of a module that does the least for one array, the usual input."""
    pure, general = _pure(state, module), state.once(_general, module)
    training, array = _trains(state, nn.BatchNorm, nn.Dropout), type(jnp.zeros(()))

    def keep(result: Any) -> Any:
        output, updates = result
        if updates:
            state.update(module, updates)
        return output

    def anything(inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return keep(general(state.variables, state.seeds(), *_split(inputs, named)))

    def evaluate(variables: Tree, x: Any) -> Any:
        return pure(variables, None, (x,), {})[0]

    def train(variables: Tree, seeds: Any, x: Any) -> Any:
        return pure(variables, seeds, (x,), {})

    evaluate, train = (_compiled(state, module, function) for function in (evaluate, train))

    def run(*inputs: Any, **named: Any) -> Any:
        if named or len(inputs) != 1 or type(inputs[0]) is not array:
            return anything(inputs, named)
        return evaluate(state.variables, inputs[0])

    def run_in_training(*inputs: Any, **named: Any) -> Any:
        if named or len(inputs) != 1 or type(inputs[0]) is not array:
            return anything(inputs, named)
        return keep(train(state.variables, state.seeds(), inputs[0]))

    return run_in_training if training else run


# Initial values, and parameters that several layers share.

_drawing = threading.RLock()


class Law:
    """A Flax initializer that gives a parameter its values in Isomorph; traced, it draws nothing."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, name

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter it initializes."""
        return self.place.module.own_parameters()[self.name]

    def __call__(self, key: Any, shape: Any, dtype: Any = jnp.float32, *rest: Any) -> Any:
        if _only_shapes.get():
            return jnp.zeros(shape, dtype)
        parameter, shapes = self.parameter, self.place.shapes
        shapes[id(parameter)] = self.place.slot(parameter).canonical_shape(shape)
        # A law may look at another parameter of its layer, as a bias's at the weight's size.
        own = self.place.module.own_parameters().values()
        sizes = [(each, Shape(shapes.get(id(each), each.shape))) for each in own]
        result = jax.ShapeDtypeStruct(tuple(shape), dtype)
        if isinstance(key, jax.core.Tracer):
            return jax.pure_callback(lambda: self.values(sizes, dtype), result, vmap_method="sequential")
        return jnp.array(self.values(sizes, dtype))

    def values(self, sizes: list[tuple[nn.Parameter, Shape]], dtype: Any) -> Array:
        """Return the values that wait in the parameter, else newly drawn ones; nothing changes."""
        parameter = self.parameter
        with _drawing:
            before = [(each, each._shape) for each, _ in sizes]
            try:
                for each, shape in sizes:
                    each._shape = shape
                waiting = parameter._value
                canonical = parameter.draw() if waiting is None else waiting
            finally:
                for each, shape in before:
                    each._shape = shape
        return np.asarray(self.place.slot(parameter).to_native(canonical), dtype)

    def __repr__(self) -> str:
        return repr(self.parameter.init)


@dataclasses.dataclass(frozen=True)
class Link:
    """The way from a layer to the one that holds the parameter they share."""

    here: Path
    there: Path
    slot: Slot
    owner: Slot
    law: Law

    def find(self, scope: Any, shape: Any = None, dtype: Any = None) -> Any:
        """Return the shared value, made if Flax is initializing; None outside the whole net."""
        depth = len(scope.path) - len(self.here)
        if depth < 0 or scope.path[depth:] != self.here:
            return None
        above, collection = scope.root, _collection(self.owner)
        for name in (*scope.path[:depth], *self.there):
            above = above.push(name, reuse=True)
        if not above.has_variable(collection, self.owner.native_name):
            native = _native_shape(self.owner, self.slot.canonical_shape(shape))
            _create(above, collection, self.owner.native_name, self.law, native, dtype)
        value = above.get_variable(collection, self.owner.native_name)
        canonical = np.argsort(self.owner.axes or range(value.ndim))
        return jnp.transpose(value, _native_shape(self.slot, canonical.tolist()))


def _link(state: State) -> None:
    """Let layers find the parameters that they share with one lowered before."""
    binding = state.binding
    for owner, *others in binding.slots.values():
        names = {id(parameter): name for name, parameter in owner.module.own_parameters().items()}
        law = Law(_place(binding, owner.module), names[id(owner.parameter)])
        for slot in others:
            here, there = state.paths[id(slot.module)], state.paths[id(owner.module)]
            link = Link(here, there, dataclasses.replace(slot), owner, law)
            _place(binding, slot.module).links[slot.native_name] = link
            slot.native_name, slot.axes = owner.native_name, owner.axes


def _native_shape(slot: Slot, canonical: Sequence[int]) -> tuple[int, ...]:
    return tuple(canonical) if slot.axes is None else tuple(canonical[axis] for axis in slot.axes)


def _create(scope: Any, collection: str, name: str, law: Law, shape: Any, dtype: Any) -> None:
    if not scope.is_mutable_collection(collection):
        raise flax.errors.ScopeParamNotFoundError(name, scope.path_text)
    scope.put_variable(collection, name, law(scope.make_rng("params"), tuple(shape), dtype))


class _Tied:
    """A leaf with a parameter that another layer holds."""

    def param(self: Any, name: str, law: Any, *arguments: Any, **named: Any) -> Any:
        """Return the parameter, from the layer that holds it."""
        link = self._isomorph.links.get(name)
        value = None if link is None else link.find(self.scope, *arguments[:2])
        return super().param(name, law, *arguments, **named) if value is None else value  # type: ignore[misc]


def _hidden() -> Any:
    return dataclasses.field(default=None, repr=False, compare=False, kw_only=True)


@functools.cache
def _tied_class(kind: type) -> type:
    namespace = {"__annotations__": {"_isomorph": Any}, "_isomorph": _hidden(), "__module__": __name__}
    return type(kind.__name__, (_Tied, kind), namespace)


def _leaf(kind: type, layer: nn.Module, binding: Binding, **fields: Any) -> Any:
    """Return a native layer, one that looks elsewhere for parameters it shares."""
    keys = [id(parameter) for parameter in layer.own_parameters().values()]
    if len(set(keys)) < len(keys) or any(key in binding.slots for key in keys):
        kind = _tied_class(kind)
    if "_isomorph" in getattr(kind, "__dataclass_fields__", {}):
        fields["_isomorph"] = _place(binding, layer)
    return kind(**fields)


def _laws(layer: nn.Module, binding: Binding, **names: str) -> dict[str, Any]:
    """Return Flax's arguments for the initializers of the parameters that the layer has."""
    own = layer.own_parameters()
    place = _place(binding, layer)
    laws = {field: Law(place, name) for field, name in names.items() if name in own}
    return {**laws, "param_dtype": jnp.dtype(binding.options.dtype)}


def _inferred(native: Any, inputs: tuple[Any, ...]) -> Tree:
    """Return the variables' shapes as Flax infers them."""

    def init(*inputs: Any) -> Any:
        return native.init(jax.random.key(0), *inputs)

    with _on(_only_shapes):
        return jax.eval_shape(init, *map(_abstract, inputs))  # type: ignore[no-any-return]


def _abstract(value: Any) -> Any:
    if not isinstance(value, TensorSpec):
        return value
    return jax.ShapeDtypeStruct(value.shape, jax.dtypes.canonicalize_dtype(value.dtype or "float32"))


def _alike(native: Any, inputs: tuple[Any, ...]) -> Any:
    """Return a key that is equal for layers whose parameters have the same shapes."""
    values = {name: getattr(native, name) for name in native.__dataclass_fields__ if name != "parent"}
    settings = tuple((n, v) for n, v in values.items() if not isinstance(v, (Law, Place)))
    key = type(native), settings, inputs
    try:
        hash(key)
    except TypeError:
        return id(native)
    return key


# Composites: the user's class and Flax's in one.


class _Composite(linen.Module):
    """Base of the classes whose call is a user's `forward`."""

    _isomorph: Any = _hidden()

    def setup(self) -> None:
        """Bind the parameters that the user's module itself declares."""
        for name in self._isomorph.laws:
            _bind_parameter(self, name)

    @property
    def training(self) -> bool:
        """Whether the call is one in training."""
        asked = self.has_rng("dropout") or self.is_mutable_collection("batch_stats")
        return _is_training(self, asked and not self.is_initializing())


def _bind_parameter(native: Any, name: str) -> None:
    """Set a parameter's value as an attribute, unless its size is still unknown."""
    place, scope = native._isomorph, native.scope
    law = place.laws[name]
    collection, dtype = _collection(place.slot(law.parameter)), jnp.dtype(law.parameter.dtype)
    shape = law.parameter.shape if law.parameter.shape.is_known else place.shapes.get(id(law.parameter))
    link = place.links.get(name)
    value = None
    if link is not None and (shape is not None or not native.is_initializing()):
        value = link.find(scope, shape, dtype)
    if value is None:
        if not scope.has_variable(collection, name):
            if shape is None and native.is_initializing():
                return
            _create(scope, collection, name, law, shape, dtype)
        value = scope.get_variable(collection, name)
    object.__setattr__(native, place.names[name], value)


def _build(native: Any, inputs: tuple[Any, ...]) -> None:
    """Let the user's build hook size the parameters that Flax is to initialize; nothing else changes."""
    place = native._isomorph
    missing = [name for name in place.laws if place.names[name] not in vars(native)]
    if not missing:
        return
    specs = tuple(TensorSpec(x.shape, x.dtype.name) if isinstance(x, jax.Array) else x for x in inputs)
    own = place.module.own_parameters()
    with _drawing:
        before = {name: each._shape for name, each in own.items()}
        place.module.fill(specs)
        for name, shape in before.items():
            if own[name].shape.is_known:
                place.shapes[id(own[name])] = own[name].shape.known()
            own[name]._shape = shape
    for name in missing:
        _bind_parameter(native, name)


class _Shared:
    """A name that Flax's modules and the user's have both: Flax finds its own, the user the user's."""

    def __init__(self, name: str, flax_own: Any, users_own: Callable[[Any], Any]) -> None:
        self.name, self.flax_own, self.users_own = name, flax_own, users_own

    def __get__(self, native: Any, owner: type) -> Any:
        held = {} if native is None else vars(native)
        asks = sys._getframe(1).f_globals.get("__name__", "")
        if held.get("scope") is not None and asks != __name__ and not asks.startswith("flax."):
            return self.users_own(native)
        if self.name in held:
            return held[self.name]
        find = getattr(type(self.flax_own), "__get__", None)
        return self.flax_own if find is None else find(self.flax_own, native, owner)

    def __set__(self, native: Any, value: Any) -> None:
        if hasattr(type(self.flax_own), "__set__"):
            self.flax_own.__set__(native, value)
        else:
            vars(native)[self.name] = value


def _composite_class(module: nn.Module, place: Place, fields: tuple[str, ...], deferred: bool) -> Any:
    forward = _as_call(type(module).forward)

    def build_first(self: Any, *inputs: Any, **named: Any) -> Any:
        _build(self, inputs)
        return forward(self, *inputs, **named)

    names = [place.names[name] for name in fields]
    namespace = {
        "__call__": _as_call(build_first) if deferred else forward,
        "__annotations__": dict.fromkeys(names, Any),
        **{name: dataclasses.field(default=None, kw_only=True) for name in names},
    }
    cls: Any = native_class(_Composite, module, namespace)
    for name, value in list(vars(cls).items()):
        # Flax wraps properties so that an AttributeError in them is another error (0.12): not in ours.
        if isinstance(value, DescriptorWrapper):
            setattr(cls, name, value.wrapped)
    _expose_attributes(cls, type(module), place)
    return cls


def _expose_attributes(cls: type, user: type, place: Place) -> None:
    """Let the user's code find its attributes and methods under the names it gave them."""
    for name, native_name in place.names.items():
        if name in place.plain:
            _expose(cls, name, lambda native, name=name: native._isomorph.plain[name])
        elif name != native_name:
            _expose(cls, name, operator.attrgetter(native_name))
    methods = {name for kind in user.__mro__ if kind not in _OURS for name in vars(kind)}
    for name in methods & _FLAX_NAMES - set(place.names):
        method = next(vars(kind)[name] for kind in user.__mro__ if name in vars(kind))
        _expose(cls, name, lambda native, method=method: method.__get__(native, type(native)))


_OURS = (nn.Module, nn.ModuleList, nn.ModuleDict, nn.Sequential, object)
_FLAX_NAMES = {
    name for name in (*dir(_Composite), "name", "parent", "scope") if not name.startswith("__")
}


def _expose(cls: type, name: str, users_own: Callable[[Any], Any]) -> None:
    if name in _FLAX_NAMES:
        flax_own = next(vars(kind)[name] for kind in cls.__mro__ if name in vars(kind))
        setattr(cls, name, _Shared(name, flax_own, users_own))
    else:
        setattr(cls, name, property(users_own))


def _as_call(function: Any) -> Any:
    """Return the same function under the name by which Flax's tools know a module's call."""
    copy = types.FunctionType(
        function.__code__, function.__globals__, "__call__", function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__doc__ = function.__kwdefaults__, function.__doc__
    copy.__dict__.update(vars(function))
    return copy


def _can_be_field(value: Any) -> bool:
    if _holds_module(value):
        return True
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _holds_module(value: Any) -> bool:
    if isinstance(value, (tuple, dict)):
        return any(map(_holds_module, value.values() if isinstance(value, dict) else value))
    return isinstance(value, linen.Module)


def _field_name(name: str, taken: set[str]) -> str:
    """Return the name of a field: Flax's fields are identifiers, and some names are its own."""
    if name.isidentifier() and not keyword.iskeyword(name) and name not in _FLAX_NAMES:
        return name
    field = re.sub(r"\W", "_", f"layer_{name}" if name[:1].isdigit() else f"{name}_")
    while field in taken or field in _FLAX_NAMES:
        field += "_"
    return field


# Layers.


class Dense(linen.Dense):
    """`linen.Dense` with an activation behind it."""

    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(super().__call__(x))


@JaxAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)))
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    fields = _laws(layer, binding, kernel_init="weight", bias_init="bias")
    fields |= {"features": layer.units, "use_bias": layer.bias is not None}
    if layer.activation is None:
        return _leaf(linen.Dense, layer, binding, **fields)
    return _leaf(Dense, layer, binding, activation=_activation(layer.activation, binding), **fields)


class Conv(linen.Conv):
    """`linen.Conv` with an activation behind it, also for images whose channels are axis 1."""

    channels_first: bool = False
    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the activation of the convolution."""
        x = super().__call__(jnp.moveaxis(x, 1, -1) if self.channels_first else x)
        x = jnp.moveaxis(x, -1, 1) if self.channels_first else x
        return x if self.activation is None else self.activation(x)


def _conv(layer: Any, binding: Binding) -> Any:
    fields = _laws(layer, binding, kernel_init="weight", bias_init="bias")
    fields |= {
        "features": layer.out_channels, "kernel_size": layer.kernel_size, "strides": layer.stride,
        "padding": _padding(layer), "kernel_dilation": layer.dilation,
        "feature_group_count": layer.groups, "use_bias": layer.bias is not None,
    }
    if not _channels_first(binding) and layer.activation is None:
        return _leaf(linen.Conv, layer, binding, **fields)
    fields["activation"] = _activation(layer.activation, binding)
    return _leaf(Conv, layer, binding, channels_first=_channels_first(binding), **fields)


@JaxAdapter.lowers(nn.Conv1d, weight=("kernel", (2, 1, 0)))
def conv1d(layer: nn.Conv1d, binding: Binding) -> Any:
    """Lower Conv1d."""
    return _conv(layer, binding)


@JaxAdapter.lowers(nn.Conv2d, weight=("kernel", (2, 3, 1, 0)))
def conv2d(layer: nn.Conv2d, binding: Binding) -> Any:
    """Lower Conv2d."""
    return _conv(layer, binding)


class Pool(linen.Module):
    """One of Flax's pooling functions as a module."""

    function: Any
    channels_first: bool = False

    def __call__(self, x: Any) -> Any:
        """Return the pooled images."""
        if self.channels_first:
            return jnp.moveaxis(self.function(jnp.moveaxis(x, 1, -1)), -1, 1)
        return self.function(x)


@JaxAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower pooling."""
    window = {"window_shape": layer.kernel_size, "strides": layer.stride, "padding": _padding(layer)}
    if isinstance(layer, nn.MaxPool2d):
        function = functools.partial(linen.max_pool, **window)
    else:
        function = functools.partial(linen.avg_pool, **window, count_include_pad=layer.count_include_pad)
    return Pool(function, _channels_first(binding))


class BatchNorm(linen.BatchNorm):
    """`linen.BatchNorm` whose running variance is unbiased; it trains if ``batch_stats`` is mutable."""

    mean_init: Any = None
    var_init: Any = None
    _isomorph: Any = _hidden()

    def __call__(self, x: Any, use_running_average: bool | None = None, **named: Any) -> Any:
        """Return the normalized input."""
        size = x.shape[self.axis]
        for name, law in (("mean", self.mean_init), ("var", self.var_init)):
            if self.is_initializing() and not self.has_variable("batch_stats", name):
                key = self.make_rng("params")
                self.put_variable("batch_stats", name, law(key, (size,), self.param_dtype))
        asked = self.is_mutable_collection("batch_stats") and not self.is_initializing()
        if use_running_average or not _is_training(self, asked):
            return super().__call__(x, use_running_average=True, **named)
        before = {name: self.get_variable("batch_stats", name) for name in ("mean", "var")}
        y = super().__call__(x, use_running_average=False, **named)
        mean, var = (self.get_variable("batch_stats", name) for name in before)
        # Flax's variance is divided by n, not by n - 1; its statistics become float32 (0.12).
        var = var + (var - self.momentum * before["var"]) / (x.size // size - 1)
        self.put_variable("batch_stats", "mean", mean.astype(before["mean"].dtype))
        self.put_variable("batch_stats", "var", var.astype(before["var"].dtype))
        return y


@JaxAdapter.lowers(nn.BatchNorm, weight="scale", running_mean="mean", running_var="var")
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm."""
    fields = _laws(
        layer, binding,
        scale_init="weight", bias_init="bias", mean_init="running_mean", var_init="running_var",
    )
    return _leaf(
        BatchNorm, layer, binding, **fields, axis=1 if _channels_first(binding) else -1,
        momentum=1 - layer.momentum, epsilon=layer.eps, use_scale=layer.affine, use_bias=layer.affine,
        use_fast_variance=False,
    )


@JaxAdapter.lowers(nn.LayerNorm, weight="scale")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    # The fast variance is wrong by 0.7 at a mean of 1000 (Flax 0.12).
    return _leaf(
        linen.LayerNorm, layer, binding, **_laws(layer, binding, scale_init="weight", bias_init="bias"),
        epsilon=layer.eps, use_scale=layer.weight is not None, use_bias=layer.bias is not None,
        use_fast_variance=False,
    )


@JaxAdapter.lowers(nn.Embedding, weight="embedding")
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    fields = _laws(layer, binding, embedding_init="weight")
    sizes = {"num_embeddings": layer.num_embeddings, "features": layer.embedding_dim}
    return _leaf(linen.Embed, layer, binding, **sizes, **fields)


class Dropout(linen.Dropout):
    """`linen.Dropout` that drops if the call was given an rng named ``dropout``."""

    _isomorph: Any = _hidden()

    def __call__(self, x: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Return the input, in training with elements dropped."""
        if deterministic is None:
            deterministic = not _is_training(self, rng is not None or self.has_rng(self.rng_collection))
        return super().__call__(x, deterministic=deterministic, rng=rng)


@JaxAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return _leaf(Dropout, layer, binding, rate=layer.p)


class Function(linen.Module):
    """A function of one tensor as a module."""

    function: Any

    def __call__(self, x: Any) -> Any:
        """Return the function's value."""
        return self.function(x)


@JaxAdapter.lowers(nn.ReLU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.GELU)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation by its function in the table."""
    return Function(_activation(type(layer).__name__.lower(), binding))


@JaxAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU."""
    return Function(functools.partial(linen.leaky_relu, negative_slope=layer.negative_slope))


@JaxAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return Function(functools.partial(linen.softmax, axis=layer.axis))


@JaxAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    axes = (2, 3) if _channels_first(binding) else (1, 2)
    return Function(functools.partial(jnp.mean, axis=axes, keepdims=layer.keepdims))


@JaxAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten."""
    moves = moves_channels(layer, 3, binding.options.data_format)
    return Function(functools.partial(_flatten, start_axis=layer.start_axis, channels_last=moves))


class Sequential(linen.Sequential):
    """`linen.Sequential` that a `forward` can also index and run through; tuples pass as one value."""

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Call each module on what the one before returned."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self) -> Any:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: Any) -> Any:
        return self.layers[index]


@JaxAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Any:
    """Lower Sequential."""
    return Sequential(tuple(binding.native(child) for child in layer))


@JaxAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower ModuleList to a tuple, as Flax keeps lists."""
    return tuple(binding.native(child) for child in layer)


@JaxAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict to a dict."""
    return {name: binding.native(child) for name, child in layer.items()}


def _channels_first(binding: Binding) -> bool:
    return binding.options.data_format == "channels_first"


def _padding(layer: Any) -> Any:
    return "SAME" if layer.padding == "same" else tuple((pad, pad) for pad in layer.padding)


def _activation(value: Any, binding: Binding) -> Any:
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value


def _flatten(x: Any, start_axis: int, channels_last: bool = False) -> Any:
    x = jnp.moveaxis(x, -1, 1) if channels_last and x.ndim > 2 else x
    start = start_axis + x.ndim if start_axis < 0 else start_axis
    return jnp.reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))


# Functions.


class JaxOps(Ops):
    """The functions of `isomorph.ops` in JAX."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.add(a, b)

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.subtract(a, b)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.multiply(a, b)

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.divide(*map(_float, (a, b)))

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return a**b

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.maximum(a, b)

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.minimum(a, b)

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return jnp.where(condition, a, b)

    def negative(self, x: Tensor) -> Tensor:
        return -x

    def abs(self, x: Tensor) -> Tensor:
        return jnp.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return jnp.exp(_float(x))

    def log(self, x: Tensor) -> Tensor:
        return jnp.log(_float(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return jnp.sqrt(_float(x))

    def square(self, x: Tensor) -> Tensor:
        return jnp.square(x)

    def tanh(self, x: Tensor) -> Tensor:
        return jnp.tanh(_float(x))

    def sigmoid(self, x: Tensor) -> Tensor:
        return jax.nn.sigmoid(_float(x))

    def relu(self, x: Tensor) -> Tensor:
        return jax.nn.relu(x)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return jax.nn.leaky_relu(_float(x), negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        return jax.nn.gelu(_float(x), approximate=False)

    def silu(self, x: Tensor) -> Tensor:
        return jax.nn.silu(_float(x))

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return jnp.clip(x, low, high)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        if dtype == "float64":
            _require_x64("ops.astype")
        return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(dtype))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return jax.nn.softmax(_float(x), axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return jax.nn.log_softmax(_float(x), axis)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return jnp.sum(x, axis, x.dtype, keepdims=keepdims)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return jnp.mean(_float(x), axis, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return jnp.max(x, axis, keepdims=keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return jnp.matmul(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return jnp.einsum(equation, *operands)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(x.shape)

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return jnp.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return _flatten(x, start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return jnp.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return jnp.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return jnp.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return jnp.concatenate(list(tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return jnp.stack(list(tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return jnp.split(x, np.cumsum(sizes)[:-1].tolist(), axis)

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return jnp.pad(x, widths, constant_values=value)


def _float(x: Any) -> Any:
    """Return integers as float32, whatever jax_enable_x64 says; other values as they are."""
    is_whole = hasattr(x, "dtype") and not jnp.issubdtype(x.dtype, jnp.floating)
    return jnp.asarray(x, jnp.float32) if is_whole else x

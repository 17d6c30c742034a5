"""From a description to a framework's modules."""

from __future__ import annotations

from typing import Any

from . import registry
from .adapter import Adapter, Binding, Options, Slot
from .errors import (
    InvalidArgumentError,
    LayerNotSupportedError,
    StructureError,
)
from .init.streams import cast
from .initialize import store
from .parameter import Parameter
from .snapshot import Snapshot, all_or_nothing
from .structure import key_by_rank, key_by_sizes, key_by_values
from .tensor import FLOATS, dtype_name
from .tree import INTERNAL, Tree, is_module

DATA_FORMATS = ("channels_first", "channels_last")


def to(
    module: Tree,
    backend: str | None,
    device: Any,
    dtype: str | None,
    data_format: str | None,
    compile: bool | str | None,
) -> None:
    """Lower a net, or change its options; see `Module.to`."""
    module._check_ready()
    old = module._isomorph.binding
    if module.parent is not None and (old is None or old.root is not module):
        whole = module.root
        raise StructureError(
            f"{module.label} is part of {type(whole).__name__}, which is lowered as a whole.\n"
            "  Call to() on that net, or copy.deepcopy this part first."
        )
    changes: dict[str, Any] = {"device": device} if device is not None else {}
    if dtype is not None:
        changes["dtype"] = dtype_name(dtype, "to")
        if changes["dtype"] not in FLOATS:
            raise InvalidArgumentError.choice("to", "dtype", FLOATS, dtype)
    if data_format is not None:
        changes["data_format"] = checked_format("to", data_format)
    if compile != "unchanged":
        if compile not in (None, True, False):
            raise InvalidArgumentError.of("to", "compile", "True, False or None", compile)
        changes["compile"] = compile
    options = module._isomorph.options.updated(**changes)
    if backend is None and old is None:
        module._isomorph.options = options
        return
    adapter = registry.backend(backend) if backend is not None else old.adapter
    if old is not None and old.adapter is not adapter and device is None:
        options = options.updated(device=None)
    kept = old is not None and old.adapter is adapter and not old.stale
    if old is not None and kept and old.options.updated(compile=options.compile) == options:
        _recompile(old, options)
    else:
        bind(module, adapter, options)


def checked_format(where: str, data_format: str) -> str:
    """Return a data format; raises `InvalidArgumentError` for any other word."""
    if data_format not in DATA_FORMATS:
        raise InvalidArgumentError.choice(where, "data_format", DATA_FORMATS, data_format)
    return data_format


def _recompile(binding: Binding, options: Options) -> None:
    """Change only how calls are compiled: the native modules stay."""
    binding.adapter.check_options(options)
    binding.options = binding.root._isomorph.options = options
    binding.forget_runs()


def bind(root: Tree, adapter: Adapter, options: Options) -> Binding:
    """Lower the tree of `root`, carrying ready values along; on failure all is as before."""
    adapter.check_options(options)
    parameters = list(root.state().values())
    modules = [module for _, module in root.named_modules()]
    for module in modules:
        other = module._isomorph.binding
        if other is not None and other.root is not root and not _replaces(root, other.root):
            raise StructureError(
                f"{module.label} is shared with {type(other.root).__name__}, which is lowered to "
                f"{other.adapter.name}; one net can't be native twice.\n"
                "  Lower the net that contains both, or copy.deepcopy one of them."
            )
    internals = [module._isomorph for module in modules]
    before = Snapshot().keep(parameters, "_slot", "_value").keep(internals, "binding")
    binding = Binding(adapter, root, options, lower)
    values = [p.numpy() if p.is_ready else None for p in parameters]
    frozen = [p for p in parameters if not p.trainable and p.is_learned]
    with all_or_nothing(before.keep([root._isomorph], "options")):
        root._isomorph.options = options
        try:
            binding.native(root)
        except RecursionError:
            raise StructureError.too_deep(root.label) from None
        for parameter, value in zip(parameters, values):
            slots = binding.slots.get(id(parameter), [])
            parameter._slot = slots[0] if slots else None
            parameter._value = None if value is None else cast(value, parameter.dtype)
        key = _call_key(adapter, modules, parameters)
        for each in internals:
            each.binding, each.key = binding, key
            each.forget_runs()
        for parameter in frozen:
            parameter.trainable = False
        store(parameters)
        adapter.set_mode(binding)
    return binding


def _call_key(adapter: Adapter, modules: list[Tree], parameters: list[Parameter]) -> Any:
    """Return what calls are remembered by: by rank alone, where a call of a wrong size is an error anyway.

    Not where it would move statistics or buffers before it fails.
    """
    moves = any(module._is_layer and module.statistics for module in modules) or any(
        not parameter.is_learned for parameter in parameters
    )
    if adapter.specializes:
        return key_by_values
    return key_by_rank if adapter.refuses_sizes and not moves else key_by_sizes


def _replaces(root: Tree, other: Tree) -> bool:
    """Whether a part was lowered alone before it became part of this net."""
    return other is not root and any(module is other for _, module in root.named_modules())


def lower(binding: Binding, module: Tree) -> Any:
    """Return a new native object for one module and everything inside it."""
    adapter = binding.adapter
    lowering, layouts = _table_entry(adapter, module)
    if lowering is not None:
        native = lowering(module, binding)
    else:
        attributes = {
            name: binding.native(value) if is_module(value) else value
            for name, value in vars(module).items()
            if name != INTERNAL and not isinstance(value, Parameter)
        }
        attributes["data_format"] = binding.options.data_format
        native = adapter.compose(module, attributes, binding)
    for name, parameter in module.own_parameters().items():
        layout = layouts.get(name, name)
        native_name, axes = (layout, None) if isinstance(layout, str) else layout
        slot = Slot(binding, parameter, module, native_name, axes)
        binding.slots.setdefault(id(parameter), []).append(slot)
    return native


def _table_entry(adapter: Adapter, module: Tree) -> tuple[Any, Any]:
    """Return the lowering for a module's type, (None, {}) for one that is composed of its `forward`."""
    kind = type(module)
    for cls in kind.__mro__:
        entry = adapter.table.get(cls)
        if entry is not None and (cls is kind or _inherits_forward(kind, cls)):
            return entry
    if module._is_layer and getattr(kind.forward, "_is_rule", False):
        able = ", ".join(sorted(cls.__name__ for cls in adapter.table))
        raise LayerNotSupportedError.at(
            module.label,
            adapter.name,
            kind.__name__,
            f"It can lower: {able}.\n  Add a lowering with @Adapter.lowers({kind.__name__}), "
            "or give the layer a forward in isomorph.ops.",
        )
    return None, {}


def _inherits_forward(kind: Any, cls: Any) -> bool:
    """Whether a subclass of a layer computes just as the layer does."""
    return kind._is_layer and cls._is_layer and kind.forward is cls.forward


def bound(module: Tree) -> Binding:
    """Return the module's binding, lowering its net to the default backend if it has none."""
    module._check_ready()
    own = module._isomorph.binding
    binding = own or module.root._isomorph.binding
    if binding is None:
        return bind(module.root, registry.backend(registry.default_backend()), module.root._isomorph.options)
    return bind(binding.root, binding.adapter, binding.options) if own is None or binding.stale else binding

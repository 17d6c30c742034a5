"""Native objects kept in Keras's files, pickles and copies: by the description they came from."""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import pickle
from collections.abc import Iterator
from typing import Any

from isomorph import nn
from isomorph.adapter import LEAF, draw_values, store
from isomorph.errors import IsomorphError, NotSupportedError, StructureError

from .framework import keras

# Keras 3.15 does not offer it publicly.
from keras.src.saving.serialization_lib import in_safe_mode  # isort: skip

# What a file may name that was not written by this process: nothing that does anything when called.
_HOMES = ("isomorph.nn.", "isomorph.init.", "isomorph.ops.", "isomorph.parameter", "isomorph.shape")
_HOMES += ("isomorph.initialize", "isomorph.framework")
_KNOWN = {"builtins": {"set", "frozenset", "slice", "range", "complex", "bytearray", "tuple", "list", "dict",
                       "bool", "int", "float", "str"},
          "collections": {"OrderedDict"},
          "numpy": {"ndarray", "dtype"},
          "numpy._core.multiarray": {"_reconstruct", "scalar"},
          "numpy.core.multiarray": {"_reconstruct", "scalar"}}  # fmt: skip
_HINT = "Keep its values by net.native.save_weights(...), and make the net anew before load_weights."
# Digests of what this process wrote itself, and may read without asking.
_own: set[bytes] = set()


class _Pickler(pickle.Pickler):
    """Writes classes of modules by name, and parameters without their values."""

    def persistent_id(self, value: Any) -> Any:
        if value is LEAF or value is type(None):
            return ("leaf" if value is LEAF else "none",)
        is_module = isinstance(value, type) and issubclass(value, nn.Module)
        return (value.__module__, value.__qualname__) if is_module else None

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, nn.Parameter):
            return NotImplemented
        reduced: Any = value.__reduce_ex__(4)
        function, arguments, state, *_ = reduced
        return function, arguments, {**state, "_value": None}


class _Unpickler(pickle.Unpickler):
    """Reads what `_Pickler` wrote; with `is_safe`, nothing but descriptions of nets."""

    def __init__(self, file: Any, is_safe: bool) -> None:
        super().__init__(file)
        self.is_safe = is_safe

    def persistent_load(self, key: Any) -> Any:
        if len(key) == 1:
            return {"leaf": LEAF, "none": type(None)}[key[0]]
        return _module_class(*key, may_import=not self.is_safe)

    def find_class(self, module: str, name: str) -> Any:
        is_known = name in _KNOWN.get(module, ()) or f"{module}.".startswith(_HOMES)
        found = super().find_class(module, name) if is_known or not self.is_safe else None
        if self.is_safe and module not in _KNOWN:  # not what a module of ours has imported
            is_known = is_known and f"{getattr(found, '__module__', '')}.".startswith(_HOMES)
        if self.is_safe and not is_known:
            raise NotSupportedError.of(
                "tensorflow",
                "native.load",
                f"the file names {module}.{name}, which may run any code",
                "If you trust the file: load_model(..., safe_mode=False).\n  " + _HINT,
            )
        return found


def _module_class(module: str, name: str, may_import: bool) -> type:
    """Return a class of modules that this process knows."""
    if may_import and module not in ("__main__", "__mp_main__"):
        importlib.import_module(module)
    found = [kind for kind in _below(nn.Module) if (kind.__module__, kind.__qualname__) == (module, name)]
    if not found:
        raise StructureError(
            f"The file holds a net of the class {module}.{name}, which is not known here.\n"
            f"  Import {module} before load_model, or use safe_mode=False to let it be imported."
        )
    return found[-1]


def _below(kind: type) -> Iterator[type]:
    if not getattr(kind, "_is_native", False):
        yield kind
        subclasses: list[type] = kind.__subclasses__()
        for each in subclasses:
            yield from _below(each)


def encode(value: Any, label: str) -> str:
    """Return a description, or what is around a call's tensors, as text for Keras's files."""
    file = io.BytesIO()
    try:
        _Pickler(file, protocol=4).dump(value)
    except Exception as cause:
        able = f"{label} holds what can't be pickled ({type(cause).__name__}: {cause})"
        raise NotSupportedError.of("tensorflow", "native.save", able, _HINT) from cause
    _own.add(hashlib.sha256(file.getvalue()).digest())
    return base64.b64encode(file.getvalue()).decode()


def decode(text: str) -> Any:
    """Return what `encode` wrote; a file of another process's is read with Keras's safe mode."""
    data = base64.b64decode(text)
    is_safe = in_safe_mode() is not False and hashlib.sha256(data).digest() not in _own
    return _Unpickler(io.BytesIO(data), is_safe).load()


@keras.saving.register_keras_serializable("isomorph", "Native")
class Saved:
    """Lets Keras write a native object as its description and options, and make it anew from those."""

    def get_config(self: Any) -> dict[str, Any]:
        """Return what Keras writes: the description without values, and Keras's own plain arguments."""
        source = self.__dict__.get("_isomorph_source")
        if source is None:
            return super().get_config()  # type: ignore[misc, no-any-return]
        binding, module = source
        # Each net has a class of its own; Keras finds them all by one name.
        keras.saving.register_keras_serializable("isomorph", "Native")(type(self))
        options = binding.options
        own = {
            "description": encode(module, module.label),
            "ready": [path for path, parameter in module.state().items() if parameter.is_ready],
            "options": {name: getattr(options, name) for name in ("dtype", "data_format", "compile")},
        }
        return {"name": self.name, "trainable": self.trainable, "isomorph": own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a native object made anew; built ones get new values, until Keras loads some."""
        if "isomorph" not in config:
            return super().from_config(config)  # type: ignore[misc]
        own = config["isomorph"]
        try:
            module = decode(own["description"])
        except IsomorphError:
            raise
        except Exception as cause:
            raise StructureError(
                f"The file's description of a net can't be read: {cause}.\n  {_HINT}"
            ) from cause
        native = module.to("tensorflow", **own["options"]).native
        state = module.state()
        waiting = [state[path] for path in own["ready"] if not state[path].is_ready]
        draw_values(waiting)
        store(waiting)
        native.name = config["name"]
        if not config["trainable"]:
            native.trainable = False
        return native

    def get_build_config(self) -> None:
        """Return nothing: the description knows its shapes."""

    def __reduce__(self) -> Any:
        # The class of a native object is made for it, and can't be found by a pickle.
        reduced: Any = super().__reduce__()
        _, arguments = reduced
        return keras.Model._unpickle_model, arguments


@keras.saving.register_keras_serializable("isomorph", "Static")
class Static:
    """What a call of a model is given besides tensors, hidden from Keras."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get_config(self) -> dict[str, Any]:
        """Return it as Keras writes it."""
        return {"value": encode(self.value, "a call")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Static:
        """Return what was written."""
        return cls(decode(config["value"]))

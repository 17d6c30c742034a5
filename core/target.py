"""A model named on the command line: ``FILE[:NAME]``, and the data it runs on."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .errors import InvalidArgumentError, IsomorphError, TargetError
from .nn.module import Module
from .tensor import DTYPES, TensorSpec


@contextmanager
def users_code(what: str) -> Iterator[None]:
    """Run a user's code: whatever it raises, an exit included, is a `TargetError` that begins with `what`.

    Isomorph's own errors and Ctrl-C go through.
    """
    try:
        yield
    except (IsomorphError, KeyboardInterrupt):
        raise
    except BaseException as cause:
        raise TargetError(f"{what}: {type(cause).__name__}: {cause}") from cause


class Target:
    """A user's model: how to make it anew, and its file's own inputs if it has any."""

    def __init__(self, name: str, make: Callable[[], Module], namespace: ModuleType) -> None:
        self.name, self.make, self._namespace = name, make, namespace

    def inputs(self, shapes: list[str], seed: int) -> tuple[Any, ...]:
        """Return random arrays of the given shapes, else what ``example_inputs()`` returns.

        Raises `TargetError` where there is neither.
        """
        if shapes:
            generator = np.random.default_rng(seed)
            return tuple(_random(parse_shape(text), generator) for text in shapes)
        examples = getattr(self._namespace, "example_inputs", None)
        if examples is None:
            raise TargetError(
                f"{self.name} has no data to run on.\n  Give its input's shape, for example "
                "--shape 2,20, or define example_inputs() in its file."
            )
        with users_code(f"example_inputs() of {self.name} fails"):
            given = examples()
        inputs = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if not inputs or not all(hasattr(each, "shape") for each in inputs):
            raise TargetError(f"example_inputs() of {self.name} must return one array or a tuple of arrays.")
        return inputs


def load(target: str) -> Target:
    """Load ``FILE[:NAME]``; without a name, the last module class or net that FILE defines.

    Raises `TargetError` if the file or the name is not there or makes no net.
    """
    file, _, name = (
        target.rpartition(":") if ":" in target and not Path(target).exists() else (target, "", "")
    )
    namespace = _import_file(file)
    found = {
        key: value
        for key, value in vars(namespace).items()
        if isinstance(value, Module) or _is_own_class(value, namespace)
    }
    if not name:
        if not found:
            raise TargetError(
                f"{file} defines no model.\n  Define a subclass of isomorph.nn.Module, or a net."
            )
        name = list(found)[-1]
    elif not hasattr(namespace, name):
        close = difflib.get_close_matches(name, list(found) or dir(namespace), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise TargetError(f"{file} has no {name!r}.{hint}\n  Models in it: {', '.join(found) or 'none'}.")
    return Target(name, lambda: _make(file, name, getattr(namespace, name)), namespace)


def parse_shape(text: str) -> TensorSpec:
    """Return the spec for ``2,20`` or ``2,20:int64``; ``?`` is a size left open."""
    sizes, _, dtype = text.partition(":")
    try:
        shape = [
            None if size.strip() in ("?", "None") else int(size)
            for size in sizes.strip("()").split(",")
            if size.strip()
        ]
    except ValueError:
        shape = [-1]
    if any(size is not None and size < 0 for size in shape):
        raise InvalidArgumentError.of("--shape", "it", "sizes such as 2,20 or 2,20:int64", text)
    if dtype and dtype not in DTYPES:
        raise InvalidArgumentError.choice("--shape", "its data type", DTYPES, dtype)
    return TensorSpec(shape, dtype or None)


def _random(spec: TensorSpec, generator: np.random.Generator) -> Any:
    shape = [2 if size is None else size for size in spec.shape]
    dtype = spec.dtype or "float32"
    if dtype == "bool" or "int" in dtype:
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def _import_file(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        close = difflib.get_close_matches(path.name, [each.name for each in path.parent.glob("*.py")], n=1)
        hint = f" Did you mean {path.parent / close[0]}?" if close else ""
        raise TargetError(f"There is no file {file!r}.{hint}\n  Give a Python file: FILE or FILE:NAME.")
    spec = importlib.util.spec_from_file_location(f"isomorph_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{file} is not a Python file.\n  Give a file that ends in .py.")
    namespace = importlib.util.module_from_spec(spec)
    # Pickling and dataclasses look a class's module up by name; the file's neighbours are importable,
    # as they are when Python runs it.
    sys.modules[namespace.__name__] = namespace
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    with users_code(f"{file} fails on import"):
        spec.loader.exec_module(namespace)
    return namespace


def _is_own_class(value: Any, namespace: ModuleType) -> bool:
    return inspect.isclass(value) and issubclass(value, Module) and value.__module__ == namespace.__name__


def _make(file: str, name: str, value: Any) -> Module:
    from copy import deepcopy

    if isinstance(value, Module):
        net = deepcopy(value)
    elif callable(value):
        try:
            inspect.signature(value).bind()
        except TypeError as cause:
            raise TargetError(
                f"{file}:{name} can't be made without arguments: {cause}.\n"
                f"  Give its arguments defaults, or write a function that returns a {name}."
            ) from cause
        with users_code(f"{file}:{name} can't be made"):
            net = value()
    else:
        net = value
    if not isinstance(net, Module):
        raise TargetError(
            f"{file}:{name} is a {type(net).__name__}, not a model.\n"
            "  Name a subclass of isomorph.nn.Module, a net, or a function that returns one."
        )
    if not net.state():
        raise TargetError(
            f"{file}:{name} has no parameters: there is nothing to infer or initialize.\n"
            "  Assign its layers as attributes in __init__."
        )
    return net

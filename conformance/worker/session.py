"""One case's steps, performed: what a user would do with a net, one verb each."""

from __future__ import annotations

import copy
import operator
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from isomorph import Adapter, backend, nn, ops, to_numpy
from isomorph.adapter import Options, TensorSpec
from isomorph.conformance.data import array, index, operand

from . import build
from .nested import made, structure, tensors
from .observe import plain_text, tensor

# The losses that gradients are asked for: functions of a net's output, in `isomorph.ops`.
LOSSES: dict[str, Callable[[Any], Any]] = {
    "sum": ops.sum,
    "half-square-sum": lambda y: ops.sum(y * y) * 0.5,
    "mean-cube": lambda y: ops.mean(y * y * y),
}


# A process that runs scripts and knows nothing of Isomorph.
_ALONE = """
import sys
import numpy
sys.modules["isomorph"] = None
for name in sys.argv[1:]:
    namespace = {}
    exec(compile(open(name + ".py").read(), name, "exec"), namespace)
    given = dict(numpy.load(name + ".npz"))
    x = given.pop("x")
    numpy.save(name + ".npy", namespace["run"](given, x))
"""


class Session:
    """The nets of one case, by name, and the verbs that act on them.

    Every verb is a method; it takes its step's arguments and returns what is to be observed.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.nets: dict[str, nn.Module] = {}
        self.law_calls: list[list[Any]] = []

    def perform(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Perform one step; raises `LookupError` for a verb that this worker does not know."""
        step = getattr(self, f"do_{verb}", None)
        if step is None:
            raise LookupError(f"there is no step {verb!r}")
        result: dict[str, Any] = step(**arguments) or {}
        return result

    def part(self, net: str, path: str = "") -> Any:
        """Return a part of a net by its path."""
        return build.follow(self.nets[net], path)

    # Making nets.

    def do_construct(self, spec: dict[str, Any], net: str = "net") -> None:
        """Make a net from data."""
        self.nets[net] = build.module(spec, self.law_calls)

    def do_to(self, backend: str = "self", net: str = "net", **options: Any) -> dict[str, Any]:
        """Lower a net: to the backend under test, or to the reference."""
        returned = self.nets[net].to(self.adapter.name if backend == "self" else backend, **options)
        return {"same_object": returned is self.nets[net], "backend": self._which(net)}

    def _which(self, net: str) -> str | None:
        name = self.nets[net].backend
        return "self" if name == self.adapter.name else name

    def do_copy(self, to: str, net: str = "net", path: str = "") -> None:
        """Copy a net, or a part of it."""
        self.nets[to] = copy.deepcopy(self.part(net, path))

    def do_pickle(self, to: str, net: str = "net") -> None:
        """Send a net through pickle."""
        self.nets[to] = pickle.loads(pickle.dumps(self.nets[net]))

    def do_assign(self, path: str, spec: dict[str, Any], net: str = "net") -> None:
        """Put a new module in a place of the tree."""
        holder, _, name = path.rpartition(".")
        made = build.module(spec, self.law_calls, self.nets[net])
        inside = self.part(net, holder)
        if name.isdigit():
            inside[int(name)] = made
        else:
            setattr(inside, name, made)

    def do_append(self, spec: dict[str, Any], net: str = "net", path: str = "") -> None:
        """Append a module to a row of modules."""
        self.part(net, path).append(build.module(spec, self.law_calls, self.nets[net]))

    def do_remove(self, path: str, net: str = "net") -> None:
        """Take a module out of a row of modules."""
        holder, _, name = path.rpartition(".")
        del self.part(net, holder)[int(name)]

    def do_tie(self, there: str, here: str, net: str = "net") -> None:
        """Make two places hold one object."""
        build.tie(self.nets[net], there, here)

    # Sizes and values.

    def do_initialize(
        self,
        law: dict[str, Any] | None = None,
        patterns: dict[str, Any] | None = None,
        seed: int | None = None,
        force: bool = False,
        path: str = "",
        net: str = "net",
    ) -> None:
        """Ask for initial values, of a net, a part or a parameter."""
        if patterns is not None:
            given: Any = {text: build.law(each, self.law_calls) for text, each in patterns.items()}
        else:
            given = build.law(law, self.law_calls)
        self.part(net, path).initialize(given, seed=seed, force=force)

    def do_infer(self, shapes: list[Any], net: str = "net") -> dict[str, Any]:
        """Infer sizes from shapes alone, or from shapes with their types."""
        output = self.nets[net].infer(*(made(each, _spec) for each in shapes))
        specs = [[_sizes(each), each.dtype] for each in tensors(output, is_tensor)]
        return {"spec": specs[0][0], "specs": specs}

    def do_apply_init(
        self,
        inputs: list[Any],
        law: dict[str, Any] | None = None,
        seed: int | None = None,
        net: str = "net",
    ) -> None:
        """Infer sizes from data and initialize."""
        arrays = tuple(made(each, array) for each in inputs)
        self.nets[net].apply_init(arrays, build.law(law, self.law_calls), seed=seed)

    def do_set(self, path: str, data: dict[str, Any], net: str = "net") -> None:
        """Set a parameter's values."""
        self.part(net, path).set(array(data))

    def do_set_all(self, values: dict[str, Any], net: str = "net") -> None:
        """Set several parameters' values."""
        state = self.nets[net].state()
        for path, data in values.items():
            state[path].set(array(data))

    def do_edit(
        self, path: str, value: Any, index: list[int] | None = None, add: bool = False, net: str = "net"
    ) -> None:
        """Edit a parameter's values in place."""
        parameter = self.part(net, path)
        key: Any = slice(None) if index is None else tuple(index)
        if add:
            parameter[key] += value
        else:
            parameter[key] = value

    def do_read(self, path: str, what: str = "value", net: str = "net") -> dict[str, Any]:
        """Read something of a parameter."""
        parameter = self.part(net, path)
        if what == "value":
            return {"value": tensor(parameter.numpy())}
        if what == "native":
            return {"native": parameter.native is not None}
        if what == "grad":
            found = parameter.grad
            return {"gradients": {} if found is None else {path: tensor(found)}}
        return {"text": plain_text(str(getattr(parameter, what)))}

    def do_change(self, path: str, value: Any, net: str = "net") -> None:
        """Change an item of a list or dict that an attribute holds."""
        holder, _, name = path.rpartition(".")
        self.part(net, holder)[int(name) if name.isdigit() else name.removeprefix(":")] = value

    def do_freeze(self, path: str, trainable: bool = False, net: str = "net") -> None:
        """Freeze a parameter, or let it be trained again."""
        self.part(net, path).trainable = trainable

    def do_mode(self, training: bool, path: str = "", net: str = "net") -> None:
        """Change between training and evaluation."""
        part = self.part(net, path)
        part.train() if training else part.eval()

    # Calls.

    def do_call(
        self,
        inputs: list[Any],
        named: dict[str, Any] | None = None,
        as_native: bool = False,
        watched: bool = False,
        as_numpy: bool = False,
        path: str = "",
        net: str = "net",
    ) -> dict[str, Any]:
        """Call a net on data; watched, also see whether Python runs the user's own forward."""
        module = self.part(net, path)
        values = [self._input(each, as_native, net) for each in inputs]
        keywords = {name: self._input(each, as_native, net) for name, each in (named or {}).items()}
        with build.runs_of_forward() if watched else nullcontext() as runs:
            output = module(*values, **keywords)
        counted = {} if runs is None else {"in_python": bool(runs)}
        seen = self._seen(output, backend(self.nets[net].backend or self.adapter.name))
        return {**seen, **counted, **(_as_numpy(output) if as_numpy else {})}

    def _input(self, data: Any, as_native: bool, net: str) -> Any:
        options = self.nets[net]._isomorph.options

        def leaf(each: Any) -> Any:
            if not isinstance(each, dict):
                return each
            return self.adapter.from_numpy(array(each), options) if as_native else array(each)

        return made(data, leaf)

    def _seen(self, output: Any, adapter: Adapter) -> dict[str, Any]:
        """Return what an output is, its tensors in a row."""
        found = tensors(output, is_tensor)
        return {
            "owned": all(adapter.owns(each) for each in found),
            "output": [tensor(adapter.to_numpy(each)) for each in found],
            "structure": structure(output, is_tensor),
        }

    def do_call_in_threads(self, inputs: list[Any], count: int, net: str = "net") -> dict[str, Any]:
        """Call a net from several threads at once, the first call of each."""
        found: list[Any] = [None] * count
        start = threading.Barrier(count)

        def call(position: int) -> None:
            start.wait()
            try:
                found[position] = self.do_call(inputs, net=net)
            except Exception as error:
                found[position] = error

        threads = [threading.Thread(target=call, args=(position,)) for position in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in found:
            if isinstance(each, Exception):
                raise each
        return {"owned": found[0]["owned"], "output": [each["output"][0] for each in found]}

    def do_gradients(self, inputs: list[Any], loss: str, net: str = "net") -> dict[str, Any]:
        """Ask for the gradients of a loss."""
        found = self.nets[net].gradients(LOSSES[loss], *(made(each, array) for each in inputs))
        return {"gradients": {path: tensor(np.asarray(value)) for path, value in found.items()}}

    def do_op(self, op: str, arrays: list[Any], options: dict[str, Any]) -> dict[str, Any]:
        """Call one function of `isomorph.ops` on native tensors."""
        given = [self._operand(each) for each in arrays]
        settings = {name: _frozen(value) for name, value in options.items()}
        home, _, name = op.rpartition(".")
        if op == "shape":
            return {"owned": True, "output": [tensor(np.asarray(ops.shape(given[0]), "int64"))]}
        if op == "operator.getitem":
            output = given[0][index(options["index"])]
        elif home == "operator":
            output = getattr(operator, name)(*given)
        elif op in ("concat", "stack"):
            output = ops.__dict__[op](given, **settings)
        elif op == "einsum":
            output = ops.einsum(settings.pop("equation"), *given)
        else:
            output = getattr(ops, op)(*given, **settings)
        return self._seen(output, self.adapter)

    def _operand(self, spec: Any) -> Any:
        value = operand(spec)
        return value if "number" in spec else self.adapter.from_numpy(value, Options())

    # Looking.

    def do_text(self, what: str, net: str = "net") -> dict[str, Any]:
        """Print something about a net: its parameters, its summary, itself."""
        subject = self.nets[net]
        shown: dict[str, Callable[[], Any]] = {
            "parameters": subject.parameters,
            "summary": subject.summary,
            "repr": lambda: repr(subject),
        }
        return {"text": plain_text(str(shown[what]()))}

    def do_native(self, net: str = "net", path: str = "") -> dict[str, Any]:
        """Look at the native module: its classes, and what the framework itself lists."""
        module = self.part(net, path)
        native = module.native
        listed = self.adapter.native_parameters(module._isomorph.binding, module)
        described = self.nets[net]
        kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(native).__mro__]
        return {
            "classes": kinds,
            "user_class": isinstance(native, type(described)) if not path else None,
            "listed": {name: None if shape is None else list(shape) for name, shape in listed.items()},
        }

    def do_native_script(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Have nets' scripts in the framework's own API run, each on an input, without Isomorph."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in inputs.items():
                net: Any = self.nets[name]
                source = self.adapter.native_script(net, net._isomorph.options.data_format, net.training)
                Path(folder, f"{name}.py").write_text(source)
                given = {path: parameter.numpy() for path, parameter in net.state().items()}
                np.savez(Path(folder, f"{name}.npz"), **given, x=array(data))
            command = [sys.executable, "-c", _ALONE, *inputs]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            return {"output": [tensor(np.load(Path(folder, f"{name}.npy"))) for name in inputs]}

    def do_variables(self, net: str = "net", source: str | None = None) -> dict[str, Any]:
        """Read the framework's state tree, and give it back, or that of a like net."""
        tree = self.nets[source or net].variables
        self.nets[net].variables = tree
        return {"tree": tree is not None}

    def do_count(self, net: str = "net") -> dict[str, Any]:
        """Count a net's learned elements, a shared parameter once."""
        sizes = [parameter.shape.size for parameter in self.nets[net].parameters().values()]
        return {"count": int(sum(sizes))}

    def do_select(self, pattern: str, net: str = "net") -> dict[str, Any]:
        """Select parameters by a pattern."""
        return {"paths": list(self.nets[net].parameters().select(pattern))}


def is_tensor(value: Any) -> bool:
    """Whether a part of an output is a tensor."""
    return not isinstance(value, (type(None), bool, int, float, str)) or isinstance(value, np.generic)


def _spec(data: Any) -> Any:
    """Return the shape that data describe, with its type where they say one."""
    return TensorSpec(data["shape"], data["dtype"]) if isinstance(data, dict) else tuple(data)


def _sizes(spec: TensorSpec) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in spec.shape]


def _as_numpy(output: Any) -> dict[str, Any]:
    """Return what isomorph.to_numpy makes of an output."""
    arrays = to_numpy(output)
    found = tensors(arrays, is_tensor)
    return {
        "numpy": all(type(each) is np.ndarray for each in found),
        "output": [tensor(each) for each in found],
        "structure": structure(arrays, is_tensor),
    }


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def known_verbs() -> tuple[str, ...]:
    """Return the verbs of the step language."""
    return tuple(sorted(name[3:] for name in vars(Session) if name.startswith("do_")))

"""A script put together: what it uses is imported and defined above it, and nothing else."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache


@lru_cache(maxsize=1)
def own_laws() -> dict[str, str]:
    """Return the source of the suite's own laws by name, without annotations."""
    from .worker.build import OWN_LAWS

    return {name: _bare(inspect.getsource(kind)) for name, kind in OWN_LAWS.items()}


def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
        elif isinstance(node, ast.Name) and node.id == "np":
            node.id = "numpy"
    return ast.unparse(tree)


def helpers(backend: str) -> dict[str, str]:
    """Return what scripts may use beside the library, by name."""
    return {
        **own_laws(),
        **{name: text.strip().replace("BACKEND", backend) for name, text in _HELPERS.items()},
    }


_HELPERS = {
    "Pair": 'Pair = collections.namedtuple("Pair", ["left", "right"])',
    "Bundle": '''
@dataclasses.dataclass
class Bundle:
    """A data class of two."""

    left: object
    right: object
''',
    "Printed": '''
class Printed(init.Law):
    """A law that prints every parameter it is asked for."""

    def __init__(self, law):
        self.law = law

    def __call__(self, name, shape, dtype, generator):
        print(name, shape)
        return self.law(name, shape, dtype, generator)
''',
    "spread": '''
def spread(shape, salt=0, scale=1, offset=0):
    """Return numbers between -1.2 and 1.5, all different, in the irregular order of a hash."""
    count = int(numpy.prod(shape))
    keys = (numpy.arange(count, dtype="uint64") + (1 + salt * 2654435761 % 2**32)) % 2**32
    for shift, factor in (16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1):
        keys = (keys ^ (keys >> shift)) * factor % 2**32
    share = (numpy.argsort(numpy.argsort(keys)) + 0.37) / count
    values = -1.2 + 2.7 * share * (0.8 + 0.2 * share)
    return (values * scale + offset).astype("float32").reshape(shape)
''',
    "tensor": '''
def tensor(values):
    """Return an array as the framework's own tensor."""
    return isomorph.backend("BACKEND").from_numpy(values, Options())
''',
    "run_alone": '''
def run_alone(net, x):
    """Return what the net's script in the framework's own API gives for an input."""
    script = {}
    exec(isomorph.backend("BACKEND").native_script(net, net.data_format, net.training), script)
    return script["run"]({path: each.numpy() for path, each in net.state().items()}, x)
''',
}
_IMPORTS = (
    {
        "collections": "import collections",
        "copy": "import copy",
        "dataclasses": "import dataclasses",
        "pickle": "import pickle",
        "threading": "import threading",
        "types": "import types",
        "ThreadPoolExecutor": "from concurrent.futures import ThreadPoolExecutor",
    },
    {"numpy": "import numpy"},
    {"isomorph": "import isomorph"},
)


def assembled(classes: list[str], lines: list[str], backend: str) -> str:
    """Return a script: what it uses is imported and defined above it, and nothing else."""
    text = "\n".join(lines)
    known = helpers(backend)
    met = _names("\n".join([text, *classes]))
    above = [source for name, source in known.items() if name in met]
    met |= _names("\n".join(above))
    blocks = [[line for name, line in group.items() if name in met] for group in _IMPORTS]
    parts = [name for name in ("init", "nn", "ops") if name in met]
    blocks[-1] += [f"from isomorph import {', '.join(parts)}"] if parts else []
    blocks[-1] += ["from isomorph.adapter import Options"] if "Options" in met else []
    head = "\n\n".join("\n".join(block) for block in blocks if block)
    if not above and not classes:
        return f"{head}\n\n{text}\n"
    return "\n\n\n".join([head, *above, *classes, text]) + "\n"


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}

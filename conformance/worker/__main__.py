"""The worker's process: ``python -m isomorph.conformance.worker READ WRITE BACKEND [PRELOAD]``.

It reads requests from one private pipe and answers on another, a line of JSON each. Its
standard output and error belong to the framework and are captured apart.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from . import PROTOCOL


class Pipe:
    """Lines of JSON, to and from the parent; a forked child can't speak on it."""

    def __init__(self, read: int, write: int) -> None:
        os.set_inheritable(read, False)
        os.set_inheritable(write, False)
        self.lines, self.write, self.process = os.fdopen(read, "rb"), write, os.getpid()

    def receive(self) -> dict[str, Any] | None:
        """Return the next request, None when the parent is gone."""
        line = self.lines.readline()
        if os.getpid() != self.process:
            os._exit(0)
        request: dict[str, Any] | None = json.loads(line) if line else None
        return request

    def send(self, **answer: Any) -> None:
        """Send one answer."""
        if os.getpid() != self.process:
            os._exit(0)
        data = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self.write, data) :]


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse connections that Python makes: a case needs no network."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        raise PermissionError(f"a conformance case opened a connection to {arguments[1]}")


def end_with_parent() -> None:
    """End this process and all it started when its parent is gone, whatever it is doing."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def surroundings() -> dict[str, Any]:
    """Return what a case must leave as it was, to compare.

    Python's own generator is left out: a framework may seed its layers from it, as its users expect.
    """
    import numpy as np

    generator: Any = np.random.get_state(legacy=True)
    _, words, position, *rest = generator
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    return {
        "working directory": folder,
        "numpy's error state": np.geterr(),
        "numpy's global generator": (words.tobytes(), position, rest),
        "warnings filters": list(warnings.filters),
        "standard output": sys.stdout,
    }


def restored(before: dict[str, Any], variables: dict[str, str]) -> list[str]:
    """Put the surroundings back, for the next case; return what this one changed."""
    import numpy as np

    after = surroundings()
    leaks = [what for what, value in after.items() if before[what] != value]
    # Frameworks note settings of their own in new variables, and in private ones that they find.
    public = {name: value for name, value in variables.items() if not name.startswith("_")}
    changed = {name: value for name, value in public.items() if os.environ.get(name) != value}
    os.environ.update(changed)
    np.seterr(**before["numpy's error state"])
    warnings.filters[:] = before["warnings filters"]  # type: ignore[index]
    sys.stdout = before["standard output"]
    if "working directory" in leaks:
        os.makedirs(before["working directory"], exist_ok=True)
        os.chdir(before["working directory"])
    return leaks + [f"environment variable {name}" for name in changed]


def describe(name: str, profile: str | None) -> dict[str, Any]:
    """Load the backend and return who it is, with the text of its profile.

    The profile's environment is set before the framework is imported.
    """
    import numpy as np

    import isomorph
    from isomorph import nn, registry
    from isomorph.conformance.layers import RECORDS

    from .sites import profile_path

    info = registry.info(name)
    beside = Path(profile) if profile else profile_path(info.entry_point.module)
    text = beside.read_text() if beside.is_file() else None
    os.environ.update(_environment(text))
    adapter = isomorph.backend(name)
    return {
        "name": adapter.name,
        "adapter": f"{type(adapter).__module__}:{type(adapter).__qualname__}",
        "versions": {**info.versions, "numpy": np.__version__},
        "layers": [name for name in RECORDS if _has(adapter, getattr(nn, name))],
        "profile": text,
        "profile_path": str(beside),
    }


def _has(adapter: Any, layer: Any) -> bool:
    """Whether a backend lowers a layer, or composes it from a forward of the layer's own."""
    from isomorph import nn

    return layer in adapter.table or layer.forward is not nn.Layer.forward


def _environment(text: str | None) -> dict[str, str]:
    from isomorph.errors import IsomorphError

    from .sites import read_toml

    try:
        found = {} if text is None else read_toml(text).get("environment", {})
    except IsomorphError:
        return {}  # the parent says what is wrong with it
    texts = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in texts if isinstance(value, str)}


def _is_ours(warning: warnings.WarningMessage) -> bool:
    """Whether a warning is the library's: a framework's own points elsewhere."""
    from isomorph import errors

    # By the package's own folder: where it is installed, any name may stand in the path.
    package, file = Path(errors.__file__).parent, Path(warning.filename)
    if warning.category is not UserWarning or not file.is_relative_to(package):
        return False
    return file.relative_to(package).parts[0] != "backends"


def perform(pipe: Pipe, session: Any, request: dict[str, Any]) -> None:
    """Perform a case's steps, one answer each; the first error ends it unless more is asked."""
    from .observe import aliases, failure, state

    for position, (verb, arguments) in enumerate(request["steps"]):
        arguments = dict(arguments)
        goes_on = arguments.pop("goes_on", False)
        started, error, result = time.perf_counter(), None, {}
        session.law_calls.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = session.perform(verb, arguments)
            except BaseException as raised:
                error = failure(raised)
        seen: dict[str, Any] = {"result": result, "error": error, "law_calls": list(session.law_calls)}
        seen["warnings"] = [str(each.message) for each in caught if _is_ours(each)]
        try:
            seen["state"] = {name: state(net) for name, net in session.nets.items()}
            seen["aliases"] = {name: aliases(net) for name, net in session.nets.items()}
        except Exception as raised:
            seen.update(state={}, aliases={}, error=error or failure(raised))
        pipe.send(seq=request["seq"], step=position, seen=seen, ms=1e3 * (time.perf_counter() - started))
        if error and not goes_on:
            break


def serve(pipe: Pipe, name: str, preload: str) -> None:
    """Answer requests until the parent has no more."""
    from .session import Session

    first = pipe.receive()
    if first is None:
        return
    try:
        import isomorph

        about = describe(name, first.get("profile"))
        adapter = isomorph.backend(name)
        if preload:
            module, _, function = preload.partition(":")
            getattr(import_module(module), function)()
    except BaseException as error:
        pipe.send(seq=0, protocol=PROTOCOL, broken=f"{type(error).__name__}: {error}")
        return
    sys.stdout.flush()
    pipe.send(seq=0, protocol=PROTOCOL, about=about)
    while (request := pipe.receive()) is not None:
        import numpy as np

        np.random.seed(7)
        random.seed(7)
        before, variables = surroundings(), dict(os.environ)
        harness = ""
        try:
            perform(pipe, Session(adapter), request)
        except Exception:
            harness = traceback.format_exc()
        leaks = restored(before, variables)
        if harness:
            pipe.send(seq=request["seq"], harness=harness)
            continue
        sys.stdout.flush()
        pipe.send(seq=request["seq"], done=True, leaks=leaks, printed=os.fstat(1).st_size)


def main() -> None:
    """Run the worker."""
    faulthandler.enable()
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.addaudithook(refuse_network)
    pipe = Pipe(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdin.close()
    serve(pipe, sys.argv[3], "".join(sys.argv[4:]))
    # Some frameworks' threads and destructors crash or wait at the interpreter's exit.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

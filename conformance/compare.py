"""What a worker saw against what the spec says: one observable at a time."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .model.machine import UNKNOWN, Expected

Seen = dict[str, Any]
# How many roundings an element may be off: times the type's eps, the square root of the number of
# terms it sums, and the greatest element. Calibrated over the five backends: see docs/conformance.md.
ROUNDINGS = 4.0


@dataclass(frozen=True)
class Mismatch:
    """The first observable of a case that is not what it must be."""

    step: int
    observable: str
    expected: str
    received: str


def decode(tensor: Seen | None) -> Any:
    """Return the array that a worker sent; None if it sent the hash alone."""
    if tensor is None or "data" not in tensor:
        return None
    dtype: Any = tensor["dtype"]
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    raw = base64.b64decode(tensor["data"])
    return np.frombuffer(raw, np.dtype(dtype)).reshape(tensor["shape"])


def first_mismatch(
    case: dict[str, Any], seen: list[Seen], expected: list[Expected], profile: Seen, bound: float = 0.0
) -> Mismatch | None:
    """Return the first difference between what was seen and what must be; None if there is none.

    Args:
        case: The case, from the manifest.
        seen: What the worker answered, step by step.
        expected: What the model says, step by step.
        profile: What the backend claims of itself, which native objects are held against.
        bound: A declared deviation: how much further numbers may be off, relative to their scale.
    """
    asked: dict[int, list[Any]] = {}
    for step, *rest in case["ask"]:
        asked.setdefault(step, []).append(rest)
    for step, wanted in enumerate(expected):
        if step >= len(seen):
            return Mismatch(step, "steps", f"{len(expected)} steps", f"{len(seen)} answers")
        found = _error_presence(step, seen[step], wanted)
        if found is not None:
            return found
        for observable, *options in asked.get(step, []):
            literal = case.get("expect", {}).get(str(step), {}).get(observable)
            setting = {"profile": profile, "bound": bound, **(options[0] if options else {})}
            found = _observe(step, observable, setting, literal, seen, expected)
            if found is not None:
                return found
    return None


def _error_presence(step: int, seen: Seen, expected: Expected) -> Mismatch | None:
    error: Seen | None = seen["error"]
    if expected.error is None and error is not None:
        return Mismatch(step, "error", "no error", f"{error['type']}: {error['message']}")
    if expected.error is not None and error is None:
        return Mismatch(step, "error", expected.error["type"], "no error")
    if expected.error is not None and error is not None and not error["ours"]:
        return Mismatch(step, "error", expected.error["type"], f"{error['type']}: {error['message']}")
    return None


def _observe(
    step: int, observable: str, options: Seen, literal: Any, seen: list[Seen], expected: list[Expected]
) -> Mismatch | None:
    if "like" in options or "unlike" in options:
        return _relation(step, observable, options, seen)
    compare = COMPARISONS[observable]
    found = compare(seen[step], expected[step], options)
    if found is None and literal is not None:
        found = _literally(observable, literal, seen[step], expected[step])
    return None if found is None else Mismatch(step, observable, *found)


def _literally(observable: str, literal: Any, seen: Seen, expected: Expected) -> Compared:
    """Compare with what the case itself says: numbers numerically, everything else to the letter."""
    received = LITERALS[observable](seen)
    if observable != "output":
        return None if received == literal else (_short(literal), _short(received))
    pairs = zip(received, literal, expected.result["dtypes"])
    found = (close(one, two, dtype, expected.terms, expected.scale) for one, two, dtype in pairs)
    return next((each for each in found if each is not None), None)


def _relation(step: int, observable: str, options: Seen, seen: list[Seen]) -> Mismatch | None:
    """Compare a step with an earlier one of the same run."""
    other = options["like"] if "like" in options else options["unlike"]
    before, after = seen[other]["result"][observable], seen[step]["result"][observable]
    if "unlike" in options:
        same = [each["sha"] for each in before] == [each["sha"] for each in after]
        return Mismatch(step, observable, f"other values than step {other}", "the same") if same else None
    for one, two in zip(before, after):
        found = close(decode(two), decode(one), one["dtype"], options.get("terms", 64))
        if found is not None:
            return Mismatch(step, observable, f"{found[0]} as in step {other}", found[1])
    return None


Compared = tuple[str, str] | None
Compare = Callable[[Seen, Expected, Seen], Compared]


def close(
    received: Any, expected: Any, dtype: str, terms: int, scale: float = 0.0, bound: float = 0.0
) -> Compared:
    """Compare numerically: ``atol = (ROUNDINGS * eps * sqrt(terms) + bound) * scale``, rtol 8 eps.

    The scale is the greatest number met on the way, at least the greatest expected one.
    """
    if expected is UNKNOWN:
        return None
    expected = np.asarray(expected, "float64")
    if received is None or tuple(received.shape) != expected.shape:
        return str(expected.shape), "nothing" if received is None else str(received.shape)
    if not expected.size:
        return None
    received = np.asarray(received, "float64")
    precision = epsilon(dtype)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(scale, float(finite.max()) if finite.size else 1.0)
    allowed = (ROUNDINGS * precision * math.sqrt(terms) + bound) * scale + 8 * precision * np.abs(expected)
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(received - expected) <= allowed) | (received == expected))
    off &= ~(np.isnan(received) & np.isnan(expected))
    if not off.any():
        return None
    worst = np.unravel_index(
        np.argmax(np.where(off, np.nan_to_num(np.abs(received - expected)), -1)), off.shape
    )
    where = f"{expected.shape}, at {[int(i) for i in worst]}" if expected.ndim else "a number"
    return (
        f"{where}: {expected[worst]:.9g}",
        f"{received[worst]:.9g} ({int(off.sum())} of {off.size} elements differ)",
    )


def epsilon(dtype: str) -> float:
    """Return the distance from one to the next number of a type; integers are exact."""
    known = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
    return known.get(dtype, 0.0)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 300 else f"{text[:300]}..."


def _equal(received: Any, expected: Any) -> Compared:
    return None if received == expected else (_short(expected), _short(received))


def _of_state(name: str) -> Compare:
    """Return a comparison of one fact of every parameter."""

    def compare(seen: Seen, expected: Expected, options: Seen) -> Compared:
        for net, wanted in expected.state.items():
            found = {each["path"]: each[name] for each in seen["state"].get(net, [])}
            for each in wanted:
                path = each["path"]
                if path not in found:
                    return f"{path}", f"{', '.join(found) or 'nothing'}"
                if found[path] != each[name]:
                    return f"{path} {_text(each[name])}", f"{path} {_text(found[path])}"
        return None

    return compare


def _text(value: Any) -> str:
    return (
        f"({', '.join('?' if n is None else str(n) for n in value)})"
        if isinstance(value, list)
        else str(value)
    )


def _paths(seen: Seen, expected: Expected, options: Seen) -> Compared:
    received = {net: [each["path"] for each in state] for net, state in seen["state"].items()}
    return _equal(received, {net: [each["path"] for each in state] for net, state in expected.state.items()})


def _values(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """Compare values bit by bit where the spec fixes the bits."""
    for net, wanted in expected.state.items():
        found = {each["path"]: each["value"] for each in seen["state"].get(net, [])}
        for each in wanted:
            path, value = each["path"], each["value"]
            received = found.get(path)
            if value is None or received is None:
                if (value is None) != (received is None):
                    return f"{path} {'without' if value is None else 'with'} values", "the opposite"
                continue
            if value is UNKNOWN or not each["is_exact"]:
                continue
            found_bits = same_bits(received, value)
            if found_bits is not None:
                return f"{path} {found_bits[0]}", f"{path} {found_bits[1]}"
    return None


def same_bits(received: Seen, expected: Any) -> Compared:
    """Compare an array that a worker sent with one that it must equal bit by bit."""
    import hashlib

    expected = np.ascontiguousarray(expected)
    if received["dtype"] != expected.dtype.name or received["shape"] != list(np.shape(expected)):
        return f"{expected.dtype} {expected.shape}", f"{received['dtype']} {tuple(received['shape'])}"
    if received["sha"] == hashlib.sha256(expected.tobytes()).hexdigest()[:24]:
        return None
    values = decode(received)
    return _short(expected.ravel()[:6].tolist()), "other bits" if values is None else _short(
        values.ravel()[:6]
    )


def _statistics(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """Compare computed state, such as running means, numerically."""
    for net, wanted in expected.state.items():
        found = {each["path"]: each["value"] for each in seen["state"].get(net, [])}
        for each in wanted:
            if each["value"] is None or each["value"] is UNKNOWN:
                continue
            path = each["path"]
            difference = close(
                decode(found.get(path)),
                each["value"],
                each["dtype"],
                expected.terms,
                expected.scale,
                options["bound"],
            )
            if difference is not None:
                return f"{path} {difference[0]}", difference[1]
    return None


def _outputs(seen: Seen, expected: Expected, options: Seen) -> Compared:
    received = seen["result"].get("output", [])
    wanted = expected.result["output"]
    if len(received) != len(wanted):
        return f"{len(wanted)} outputs", f"{len(received)}"
    for one, value, dtype in zip(received, wanted, expected.result["dtypes"]):
        difference = close(decode(one), value, dtype, expected.terms, expected.scale, options["bound"])
        if difference is not None:
            return difference
    return None


def _output_shapes(seen: Seen, expected: Expected, options: Seen) -> Compared:
    return _equal([each["shape"] for each in seen["result"].get("output", [])], expected.result["shapes"])


def _gradients(seen: Seen, expected: Expected, options: Seen) -> Compared:
    received, wanted = seen["result"].get("gradients", {}), expected.result["gradients"]
    if sorted(received) != sorted(wanted):
        return f"gradients of {sorted(wanted)}", f"of {sorted(received)}"
    dtypes = {each["path"]: each["dtype"] for state in expected.state.values() for each in state}
    for path, value in wanted.items():
        if received[path]["dtype"] != dtypes[path]:
            return f"{path} in {dtypes[path]}", f"in {received[path]['dtype']}"
        difference = close(
            decode(received[path]),
            value,
            dtypes[path],
            expected.terms,
            expected.scale,
            options["bound"],
        )
        if difference is not None:
            return f"{path} {difference[0]}", difference[1]
    return None


def _error(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """Compare an error's class and those of its facts that the spec fixes."""
    if expected.error is None:
        return None
    received = {name: seen["error"].get(name) for name in expected.error}
    return _equal(received, expected.error)


def _error_text(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """A message names the path, and its second line says what to do."""
    if expected.error is None:
        return None
    message, path = seen["error"]["message"], expected.error.get("path")
    first, _, rest = message.partition("\n")
    if path and path not in first:
        return f"a first line that names {path}", first
    if not rest.strip() and "Did you mean" not in message:
        return "a second line with the next step", message
    return None if seen["error"].get("bases") else ("a built-in that it refines", "none")


def _result(name: str) -> Compare:
    return lambda seen, expected, options: _equal(seen["result"].get(name), expected.result[name])


def _read_value(seen: Seen, expected: Expected, options: Seen) -> Compared:
    value = expected.result["value"]
    return None if value is UNKNOWN else same_bits(seen["result"]["value"], value)


def _printed(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """A net's text shows each parameter: its name, that of its module, and its shape."""
    said = seen["result"]["text"]
    for each in expected.state["net"]:
        holder, _, name = each["path"].rpartition(".")
        shape = ", ".join("?" if size is None else str(size) for size in each["shape"])
        for word in (holder, name, f"({shape}"):
            if word not in said:
                return f"{word!r} for {each['path']}", said[:200]
    return None


def _dropped(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """Ones become 0 or 1/(1-p); how many become 0 is within six standard deviations of p."""
    p = options["p"]
    values = decode(seen["result"]["output"][0])
    kept = np.abs(values - 1 / (1 - p)) < 1e-5
    if not (kept | (values == 0)).all():
        return f"0 or {1 / (1 - p):.4f}", _short(np.unique(values)[:6])
    share, allowed = float((values == 0).mean()), 6 * math.sqrt(p * (1 - p) / values.size)
    return None if abs(share - p) <= allowed else (f"{p} zeros, within {allowed:.3f}", f"{share:.3f}")


def _native_class(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """The native object is of the class that the backend's profile claims."""
    claimed = options["profile"].get("native", {}).get(options["kind"], {}).get("class")
    if claimed is None:
        return f"a profile with [native.{options['kind']}] class", "none"
    return (
        None if claimed in seen["result"]["classes"] else (claimed, ", ".join(seen["result"]["classes"][:3]))
    )


def _native_names(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """The framework lists the parameters that the backend's profile claims, and no others."""
    claimed = options["profile"].get("native", {}).get(options["kind"], {}).get("parameters")
    if claimed is None:
        return f"a profile with [native.{options['kind']}] parameters", "none"
    return _equal(sorted(seen["result"]["listed"]), sorted(claimed))


def _native_memory(seen: Seen, expected: Expected, options: Seen) -> Compared:
    """Before data the framework holds no memory for what waits; afterwards for everything."""
    listed = seen["result"]["listed"]
    # A scalar is a counter of the framework's own; it waits for no size.
    held = [name for name, shape in listed.items() if shape is not None and shape != []]
    if expected.result["is_ready"]:
        waiting = [name for name, shape in listed.items() if shape is None]
        return ("memory for every parameter", f"none for {waiting}") if waiting or not listed else None
    return ("no memory before sizes are known", f"{held} hold some") if held else None


COMPARISONS: dict[str, Compare] = {
    "shapes": _of_state("shape"),
    "states": _of_state("state"),
    "dtypes": _of_state("dtype"),
    **{name: _of_state(name) for name in ("name", "kind", "trainable", "requested")},
    "paths": _paths,
    "values": _values,
    "statistics": _statistics,
    "aliases": lambda seen, expected, options: _equal(seen["aliases"], expected.aliases),
    "output": _outputs,
    "output.shape": _output_shapes,
    "output.dtype": lambda seen, expected, options: _equal(
        [each["dtype"] for each in seen["result"].get("output", [])], expected.result["dtypes"]
    ),
    "output.owned": _result("owned"),
    "output.structure": _result("structure"),
    "output.numpy": lambda seen, expected, options: _equal(seen["result"]["numpy"], True),
    "law_calls": lambda seen, expected, options: _equal(seen["law_calls"], expected.law_calls),
    "warnings": lambda seen, expected, options: _equal(len(seen["warnings"]), expected.warnings),
    "gradients": _gradients,
    "error": _error,
    "error.text": _error_text,
    **{name: _result(name) for name in ("spec", "specs", "count", "same_object", "backend")},
    "selected": _result("paths"),
    "value": _read_value,
    "tree": _result("tree"),
    "dropout": _dropped,
    "native.memory": _native_memory,
    "native.class": _native_class,
    "native.names": _native_names,
    "native.user_class": lambda seen, expected, options: _equal(seen["result"]["user_class"], True),
    "text": _printed,
    "compiled": lambda seen, expected, options: _equal(seen["result"]["in_python"], False),
    "eager": lambda seen, expected, options: _equal(seen["result"]["in_python"], True),
}

# How a literal expectation's observable is read off what was seen.
LITERALS: dict[str, Callable[[Seen], Any]] = {
    "shapes": lambda seen: {each["path"]: each["shape"] for each in seen["state"]["net"]},
    "states": lambda seen: {each["path"]: each["state"] for each in seen["state"]["net"]},
    "paths": lambda seen: [each["path"] for each in seen["state"]["net"]],
    "output": lambda seen: [decode(each) for each in seen["result"]["output"]],
    "output.shape": lambda seen: [each["shape"] for each in seen["result"]["output"]],
    "output.dtype": lambda seen: [each["dtype"] for each in seen["result"]["output"]],
    "count": lambda seen: seen["result"]["count"],
    "spec": lambda seen: seen["result"]["spec"],
    "law_calls": lambda seen: seen["law_calls"],
    "error": lambda seen: seen["error"]["type"],
    "selected": lambda seen: seen["result"]["paths"],
}

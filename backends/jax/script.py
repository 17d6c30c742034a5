"""Scripts that make one layer in Flax's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isomorph import nn
from isomorph import script as parts

_HEAD = "import jax\nimport jax.numpy as jnp\nimport numpy\nfrom flax import linen"
_FUNCTIONS = {
    "relu": "jax.nn.relu(y)",
    "gelu": "jax.nn.gelu(y, approximate=False)",
    "silu": "jax.nn.silu(y)",
    "tanh": "jnp.tanh(y)",
    "sigmoid": "jax.nn.sigmoid(y)",
    "softmax": "jax.nn.softmax(y)",
    "log_softmax": "jax.nn.log_softmax(y)",
    "leaky_relu": "jax.nn.leaky_relu(y, 0.01)",
}


def script(
    layer: nn.Layer,
    data_format: str,
    training: bool,
    table: Mapping[type, Any],
    rows: Mapping[type, str],
) -> str:
    """Return the source; see `Adapter.native_script`."""
    before, after = parts.moved(layer, data_format, "channels_last", "jnp.moveaxis")
    native = parts.filled("jax", layer, rows, **_options(layer, data_format, training))
    if "(x" in native:  # a function of the input
        call = ["x = jnp.asarray(x)", f"y = {native}"]
    else:
        call = [f"layer = {native}", *_variables(layer, table), _applied(layer, training)]
    lines = [*before, *call, *after, *parts.activated("jax", layer, _FUNCTIONS), "y = numpy.asarray(y)"]
    return parts.assembled(_HEAD, lines)


def _options(layer: nn.Layer, data_format: str, training: bool) -> dict[str, Any]:
    padding = getattr(layer, "padding", ())
    return {
        "pads": "SAME" if padding == "same" else tuple((each, each) for each in padding),
        "running": not training,
        "channel_axis": 1 if data_format == "channels_first" else -1,
    }


def _applied(layer: nn.Layer, training: bool) -> str:
    if training and layer.draws:
        return 'y = layer.apply(variables, x, rngs={"dropout": jax.random.key(0)})'
    if training and layer.statistics:
        return 'y, statistics = layer.apply(variables, x, mutable=["batch_stats"])'
    return "y = layer.apply(variables, x)"


def _variables(layer: nn.Layer, table: Mapping[type, Any]) -> list[str]:
    values = parts.values(layer, table)
    collections: dict[str, list[str]] = {"params": [], "batch_stats": []}
    for parameter, (name, value) in zip(layer.own_parameters().values(), values.items()):
        is_learned = not isinstance(parameter, nn.Buffer)
        collections["params" if is_learned else "batch_stats"].append(f'"{name}": {value}')
    trees = [f'"{name}": {{{", ".join(held)}}}' for name, held in collections.items() if held]
    return [f"variables = {{{', '.join(trees)}}}"]

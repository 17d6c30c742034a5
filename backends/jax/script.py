"""Scripts that make one layer in Flax's own API."""

from __future__ import annotations

from isomorph import nn
from isomorph import script as parts

from .adapter import JaxAdapter

_HEAD = "import jax\nimport jax.numpy as jnp\nimport numpy\nfrom flax import linen"
_CONV = (
    "linen.Conv({out_channels}, {kernel_size}, {stride}, {pads!r}, kernel_dilation={dilation}, "
    "feature_group_count={groups}, use_bias={has_bias})"
)
_NORM = "epsilon={eps}, use_scale={has_weight}, use_bias={has_bias}, use_fast_variance=False)"
_LAYERS = {
    nn.Dense: "linen.Dense({units}, use_bias={has_bias})",
    nn.Conv1d: _CONV,
    nn.Conv2d: _CONV,
    nn.BatchNorm: "linen.BatchNorm({running}, {channel_axis}, {kept}, " + _NORM,
    nn.LayerNorm: "linen.LayerNorm(" + _NORM,
    nn.Embedding: "linen.Embed({num_embeddings}, {embedding_dim})",
    nn.Dropout: "linen.Dropout({p}, deterministic={running})",
}
_EXPRESSIONS = {
    nn.MaxPool2d: "linen.max_pool(x, {kernel_size}, {stride}, {pads!r})",
    nn.AvgPool2d: "linen.avg_pool(x, {kernel_size}, {stride}, {pads!r}, {count_include_pad})",
    nn.GlobalAvgPool2d: "jnp.mean(x, (1, 2), keepdims={keepdims})",
    nn.Flatten: "jnp.reshape(x, (*x.shape[:{start_axis}], -1))",
    nn.ReLU: "jax.nn.relu(x)",
    nn.GELU: "jax.nn.gelu(x, approximate=False)",
    nn.SiLU: "jax.nn.silu(x)",
    nn.Tanh: "jnp.tanh(x)",
    nn.Sigmoid: "jax.nn.sigmoid(x)",
    nn.LeakyReLU: "jax.nn.leaky_relu(x, {negative_slope})",
    nn.Softmax: "jax.nn.softmax(x, {axis})",
}
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


def script(layer: nn.Layer, data_format: str, training: bool) -> str:
    """Return the source; see `Adapter.native_script`."""
    before, after = parts.moved(layer, data_format, "channels_last", "jnp.moveaxis")
    padding = getattr(layer, "padding", ())
    options = {
        "pads": "SAME" if padding == "same" else tuple((each, each) for each in padding),
        "running": not training,
        "channel_axis": 1 if data_format == "channels_first" else -1,
    }
    if isinstance(layer, tuple(_EXPRESSIONS)):
        call = ["x = jnp.asarray(x)", f"y = {parts.filled('jax', layer, _EXPRESSIONS, **options)}"]
    else:
        native = parts.filled("jax", layer, _LAYERS, **options)
        call = [f"layer = {native}", *_variables(layer), "y = layer.apply(variables, x)"]
        if training and isinstance(layer, nn.Dropout):
            call[-1] = 'y = layer.apply(variables, x, rngs={"dropout": jax.random.key(0)})'
        elif training and isinstance(layer, nn.BatchNorm):
            call[-1] = 'y, statistics = layer.apply(variables, x, mutable=["batch_stats"])'
    lines = [*before, *call, *after, *parts.activated("jax", layer, _FUNCTIONS), "y = numpy.asarray(y)"]
    return parts.assembled(_HEAD, lines)


def _variables(layer: nn.Layer) -> list[str]:
    values = parts.values(layer, JaxAdapter.table)
    collections: dict[str, list[str]] = {"params": [], "batch_stats": []}
    for parameter, (name, value) in zip(layer.own_parameters().values(), values.items()):
        is_learned = not isinstance(parameter, nn.Buffer)
        collections["params" if is_learned else "batch_stats"].append(f'"{name}": {value}')
    trees = [f'"{name}": {{{", ".join(held)}}}' for name, held in collections.items() if held]
    return [f"variables = {{{', '.join(trees)}}}"]

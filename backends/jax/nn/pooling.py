"""Pooling."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import Function, leaf
from ..windows import channels_last, padding_of

SCRIPTS = {
    nn.MaxPool2d: "linen.max_pool(x, {kernel_size}, {stride}, {pads!r})",
    nn.AvgPool2d: "linen.avg_pool(x, {kernel_size}, {stride}, {pads!r}, {count_include_pad})",
    nn.GlobalAvgPool2d: "jnp.mean(x, (1, 2), keepdims={keepdims})",
}


@JaxAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower pooling."""
    window = {"window_shape": layer.kernel_size, "strides": layer.stride, "padding": padding_of(layer)}
    if isinstance(layer, nn.MaxPool2d):
        function = functools.partial(linen.max_pool, **window)
    else:
        function = functools.partial(_avg_pool, **window, count_include_pad=layer.count_include_pad)
    if not binding.options.channels_last:
        function = functools.partial(channels_last, function)
    return leaf(Function, layer, binding, {"function": function})


def _avg_pool(x: Any, *args: Any, **options: Any) -> Any:
    # Flax divides by counts in float32, whatever the images are (0.12).
    return linen.avg_pool(x, *args, **options).astype(x.dtype)


@JaxAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    axes = (1, 2) if binding.options.channels_last else (2, 3)
    function = functools.partial(jnp.mean, axis=axes, keepdims=layer.keepdims)
    return leaf(Function, layer, binding, {"function": function})

"""Normalization."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding

from ..adapter import JaxAdapter
from ..leaf import leaf
from ..native import trains
from ..values import plain
from ..windows import channels_last

_NORM = "epsilon={eps}, use_scale={has_weight}, use_bias={has_bias}, use_fast_variance=False)"
SCRIPTS = {
    nn.BatchNorm: "linen.BatchNorm({running}, {channel_axis}, {kept}, " + _NORM,
    nn.LayerNorm: "linen.LayerNorm(" + _NORM,
    nn.GroupNorm: "linen.GroupNorm({num_groups}, " + _NORM,
}


class BatchNorm(linen.BatchNorm):
    """`linen.BatchNorm` whose running variance is unbiased; it trains if ``batch_stats`` is mutable."""

    def __call__(self, x: Any, use_running_average: bool | None = None, **named: Any) -> Any:
        """Return the normalized input."""
        x = plain(x)
        size = x.shape[self.axis]
        if self.is_initializing() and not self.has_variable("batch_stats", "mean"):
            # Flax's own are float32, whatever the parameters are (0.12).
            self.put_variable("batch_stats", "mean", jnp.zeros(size, self.param_dtype))
            self.put_variable("batch_stats", "var", jnp.ones(size, self.param_dtype))
        if use_running_average or not trains(self, self.is_mutable_collection("batch_stats")):
            return super().__call__(x, use_running_average=True, **named)
        before = self.get_variable("batch_stats", "var")
        y = super().__call__(x, use_running_average=False, **named)
        mean, var = (self.get_variable("batch_stats", name) for name in ("mean", "var"))
        # Flax's variance is divided by n, not by n - 1; its statistics become float32 (0.12).
        var = var + (var - self.momentum * before) / (x.size // size - 1)
        self.put_variable("batch_stats", "mean", mean.astype(before.dtype))
        self.put_variable("batch_stats", "var", var.astype(before.dtype))
        return y


@JaxAdapter.lowers(nn.BatchNorm, weight="scale", running_mean="mean", running_var="var")
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm."""
    fields = {"axis": -1 if binding.options.channels_last else 1, "momentum": 1 - layer.momentum}
    return leaf(BatchNorm, layer, binding, _norm(layer) | fields, scale_init="weight", bias_init="bias")


class LayerNorm(linen.LayerNorm):
    """`linen.LayerNorm` of a tensor alone."""

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Return the normalized input."""
        return super().__call__(plain(x))


@JaxAdapter.lowers(nn.LayerNorm, weight="scale")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    return leaf(LayerNorm, layer, binding, _norm(layer), scale_init="weight", bias_init="bias")


class GroupNorm(linen.GroupNorm):
    """`linen.GroupNorm` of a tensor alone, also with channels in axis 1."""

    channels_first: bool = False

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Return the normalized input."""
        call, x = super().__call__, plain(x)
        return channels_last(call, x) if self.channels_first else call(x)


@JaxAdapter.lowers(nn.GroupNorm, weight="scale")
def group_norm(layer: nn.GroupNorm, binding: Binding) -> Any:
    """Lower GroupNorm."""
    fields = {"num_groups": layer.num_groups, "channels_first": not binding.options.channels_last}
    return leaf(GroupNorm, layer, binding, _norm(layer) | fields, scale_init="weight", bias_init="bias")


def _norm(layer: Any) -> dict[str, Any]:
    return {
        "epsilon": layer.eps,
        "use_scale": layer.weight is not None,
        "use_bias": layer.bias is not None,
        "use_fast_variance": False,  # it is wrong by 0.7 at a mean of 1000 (Flax 0.12)
    }

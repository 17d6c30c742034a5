"""Normalization."""

from __future__ import annotations

import functools
from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding

from ..adapter import MXNetAdapter
from ..blocks import block, function_block
from ..framework import Symbol, autograd, gluon, is_foreign, is_training
from ..ops import table_of
from ..values import note, value_of

_ENDS = "{eps}, {has_bias}, {has_weight}, in_channels=x.shape[{channel_axis}])"
_AFFINE = 'mx.np.array(parameters.get("{}", {}), dtype=dtype).reshape((-1, *[1] * (x.ndim - 2)))'
_GROUPS = "mx.nd.ones({num_groups}, dtype=dtype), mx.nd.zeros({num_groups}, dtype=dtype), {num_groups}, {eps}"
SCRIPTS: dict[type, str] = {
    nn.BatchNorm: "mx.gluon.nn.BatchNorm({channel_axis}, {kept}, " + _ENDS,
    nn.LayerNorm: "mx.gluon.nn.LayerNorm(-1, " + _ENDS,
    # Gluon's GroupNorm scales by group, and takes no NumPy arrays and no matrix (1.9.1).
    nn.GroupNorm: f"mx.nd.GroupNorm(x.reshape((*x.shape, 1)).as_nd_ndarray(), {_GROUPS})"
    ".as_np_ndarray().reshape(x.shape)"
    f" * {_AFFINE.format('weight', 1)} + {_AFFINE.format('bias', 0)}",
}


class BatchNorm(gluon.nn.BatchNorm):
    """Gluon's, but its forward updates the running statistics, with an unbiased variance."""

    isomorph_training = True

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        if is_foreign(x):
            return super().hybrid_forward(F, x, **parameters)
        training = is_training(self)
        # Momentum 1 keeps MXNet's own update, in its backward, from changing anything.
        options = {**self._kwargs, "momentum": 1.0, "use_global_stats": not training}
        names = ("gamma", "beta", "running_mean", "running_var")
        y = F.npx.batch_norm(x, *(parameters[name] for name in names), name="fwd", **options)
        if training:
            with autograd.pause():
                self.update(x)
        return y

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        table = table_of(x)
        first = self._kwargs["axis"] == 1
        channels = self.running_mean.shape[0]
        flat = table.npx.reshape(x, (-2, -2, -1) if first else (-1, channels))  # -2 keeps an axis
        axes = (0, 2) if first else (0,)
        return table.np.mean(flat, axes), table.np.var(flat, axes, ddof=1)

    def update(self, x: Any) -> None:
        """Blend a batch's statistics into the running ones."""
        kept = self._kwargs["momentum"]
        for name, new in zip(("running_mean", "running_var"), self._statistics(x)):
            place = self.isomorph_places[name]
            running = value_of(place.parameter, isinstance(x, Symbol))
            note(place, running * kept + new * (1 - kept))


@MXNetAdapter.lowers(nn.BatchNorm, weight="gamma", bias="beta")
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm; Gluon's momentum weights the old statistics."""
    return block(
        BatchNorm, layer, binding, axis=-1 if binding.options.channels_last else 1,
        momentum=1 - layer.momentum, epsilon=layer.eps, center=layer.affine, scale=layer.affine,
    )  # fmt: skip


@MXNetAdapter.lowers(nn.LayerNorm, weight="gamma", bias="beta")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    if layer.weight is not None:
        options = {"epsilon": layer.eps, "center": layer.bias is not None}
        return block(gluon.nn.LayerNorm, layer, binding, **options)

    return function_block(layer, binding, functools.partial(normalized, eps=layer.eps), "layer_norm")


def normalized(x: Any, eps: float) -> Any:
    """Return a tensor with its last axis of mean 0 and variance 1."""
    centered = x - ops.mean(x, -1, keepdims=True)
    return centered / ops.sqrt(ops.mean(centered * centered, -1, keepdims=True) + eps)

"""The layers: Flax's own modules, or subclasses where those lack something."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen

from isomorph import nn
from isomorph.adapter import Binding
from isomorph.nn.activations import moves_channels

from .adapter import JaxAdapter
from .composites import hidden, trains
from .laws import Law, Tied
from .state import place_of


class Dense(linen.Dense):
    """`linen.Dense` with an activation behind it."""

    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(super().__call__(x))


@JaxAdapter.lowers(nn.Dense, weight=("kernel", (1, 0)))
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    fields = _laws(layer, binding, kernel_init="weight", bias_init="bias")
    fields |= {"features": layer.units, "use_bias": layer.bias is not None}
    if layer.activation is None:
        return _leaf(linen.Dense, layer, binding, fields)
    return _leaf(Dense, layer, binding, fields | {"activation": _activation(layer.activation, binding)})


class Conv(linen.Conv):
    """`linen.Conv` with an activation behind it, also for images whose channels are axis 1."""

    channels_first: bool = False
    activation: Any = None

    def __call__(self, x: Any) -> Any:
        """Return the activation of the convolution."""
        call = super().__call__
        x = _channels_last(call, x) if self.channels_first else call(x)
        return x if self.activation is None else self.activation(x)


@JaxAdapter.lowers(nn.Conv1d, weight=("kernel", (2, 1, 0)))
@JaxAdapter.lowers(nn.Conv2d, weight=("kernel", (2, 3, 1, 0)))
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution: to the plain class where that does all the layer asks for."""
    fields = _laws(layer, binding, kernel_init="weight", bias_init="bias") | {
        "features": layer.out_channels,
        "kernel_size": layer.kernel_size,
        "strides": layer.stride,
        "padding": _padding(layer),
        "kernel_dilation": layer.dilation,
        "feature_group_count": layer.groups,
        "use_bias": layer.bias is not None,
    }
    first = _channels_first(binding)
    if not first and layer.activation is None:
        return _leaf(linen.Conv, layer, binding, fields)
    fields |= {"channels_first": first, "activation": _activation(layer.activation, binding)}
    return _leaf(Conv, layer, binding, fields)


class BatchNorm(linen.BatchNorm):
    """`linen.BatchNorm` whose running variance is unbiased; it trains if ``batch_stats`` is mutable."""

    _isomorph: Any = hidden()

    def __call__(self, x: Any, use_running_average: bool | None = None, **named: Any) -> Any:
        """Return the normalized input."""
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
    sizes = {"axis": 1 if _channels_first(binding) else -1, "momentum": 1 - layer.momentum}
    return _leaf(BatchNorm, layer, binding, _norm(layer, binding) | sizes)


@JaxAdapter.lowers(nn.LayerNorm, weight="scale")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    return _leaf(linen.LayerNorm, layer, binding, _norm(layer, binding))


def _norm(layer: Any, binding: Binding) -> dict[str, Any]:
    return _laws(layer, binding, scale_init="weight", bias_init="bias") | {
        "epsilon": layer.eps,
        "use_scale": layer.weight is not None,
        "use_bias": layer.bias is not None,
        "use_fast_variance": False,  # it is wrong by 0.7 at a mean of 1000 (Flax 0.12)
    }


@JaxAdapter.lowers(nn.Embedding, weight="embedding")
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    sizes = {"num_embeddings": layer.num_embeddings, "features": layer.embedding_dim}
    return _leaf(linen.Embed, layer, binding, _laws(layer, binding, embedding_init="weight") | sizes)


class Dropout(linen.Dropout):
    """`linen.Dropout` that drops if the call was given an rng named ``dropout``."""

    _isomorph: Any = hidden()

    def __call__(self, x: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Return the input, in training with elements dropped."""
        if deterministic is None:
            deterministic = not trains(self, rng is not None or self.has_rng(self.rng_collection))
        return super().__call__(x, deterministic=deterministic, rng=rng)


@JaxAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return _leaf(Dropout, layer, binding, {"rate": layer.p})


class Function(linen.Module):
    """A function of one tensor as a module."""

    function: Any

    def __call__(self, x: Any) -> Any:
        """Return the function's value."""
        return self.function(x)


@JaxAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower pooling."""
    window = {"window_shape": layer.kernel_size, "strides": layer.stride, "padding": _padding(layer)}
    if isinstance(layer, nn.MaxPool2d):
        function = functools.partial(linen.max_pool, **window)
    else:
        function = functools.partial(_avg_pool, **window, count_include_pad=layer.count_include_pad)
    return Function(functools.partial(_channels_last, function) if _channels_first(binding) else function)


def _avg_pool(x: Any, *args: Any, **options: Any) -> Any:
    # Flax divides by counts in float32, whatever the images are (0.12).
    return linen.avg_pool(x, *args, **options).astype(x.dtype)


@JaxAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    axes = (2, 3) if _channels_first(binding) else (1, 2)
    return Function(functools.partial(jnp.mean, axis=axes, keepdims=layer.keepdims))


_ACTIVATIONS = {
    nn.ReLU: "relu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.LeakyReLU: "leaky_relu",
    nn.Softmax: "softmax",
}


@JaxAdapter.lowers(*_ACTIVATIONS)
def activation(layer: Any, binding: Binding) -> Any:
    """Lower an activation by its function in the table."""
    function = _activation(next(n for kind, n in _ACTIVATIONS.items() if isinstance(layer, kind)), binding)
    if isinstance(layer, nn.LeakyReLU):
        function = functools.partial(function, negative_slope=layer.negative_slope)
    elif isinstance(layer, nn.Softmax):
        function = functools.partial(function, axis=layer.axis)
    return Function(function)


@JaxAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten; its order is channels, height, width in both formats."""
    moves = moves_channels(layer, 3, binding.options.data_format)

    def function(x: Any) -> Any:
        x = jnp.moveaxis(x, -1, 1) if moves and x.ndim > 2 else x
        return binding.adapter.ops.flatten(x, layer.start_axis)

    return Function(function)


class Sequential(linen.Sequential):
    """`linen.Sequential` that a `forward` can also index and run through; tuples pass as one value."""

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Call each module on what the one before returned."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self) -> Any:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: Any) -> Any:
        return self.layers[index]


@JaxAdapter.lowers(nn.Sequential, nn.ModuleList)
def modules(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower Sequential, and ModuleList to a tuple, as Flax keeps lists."""
    children = tuple(binding.native(child) for child in layer)
    return Sequential(children) if isinstance(layer, nn.Sequential) else children


@JaxAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict to a dict."""
    return {name: binding.native(child) for name, child in layer.items()}


def _laws(layer: nn.Module, binding: Binding, **names: str) -> dict[str, Any]:
    """Return Flax's arguments for the initializers of the parameters that the layer has."""
    own, place = layer.own_parameters(), place_of(binding, layer)
    laws = {field: Law(place, own[name]) for field, name in names.items() if name in own}
    return {**laws, "param_dtype": jnp.dtype(binding.options.dtype)}


def _leaf(kind: type, layer: nn.Module, binding: Binding, fields: dict[str, Any]) -> Any:
    """Return a native layer, one that looks elsewhere for parameters it shares."""
    if any(id(parameter) in binding.slots for parameter in layer.own_parameters().values()):
        kind = _tied_class(kind)
    if "_isomorph" in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        fields = fields | {"_isomorph": place_of(binding, layer)}
    return kind(**fields)


@functools.cache
def _tied_class(kind: type) -> type:
    return type(kind.__name__, (Tied, kind), {"__module__": __name__})


def _activation(value: Any, binding: Binding) -> Any:
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value


def _channels_first(binding: Binding) -> bool:
    return binding.options.data_format == "channels_first"


def _channels_last(function: Any, x: Any) -> Any:
    """Call a function of channels-last images on channels-first ones."""
    return jnp.moveaxis(function(jnp.moveaxis(x, 1, -1)), -1, 1)


def _padding(layer: Any) -> Any:
    return "SAME" if layer.padding == "same" else tuple((pad, pad) for pad in layer.padding)

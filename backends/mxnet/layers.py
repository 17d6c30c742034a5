"""The layers: Gluon's own blocks, or subclasses where those lack something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from isomorph import nn, ops
from isomorph.adapter import Binding
from isomorph.nn.activations import function_name, moves_channels

from .adapter import MXNetAdapter
from .deferral import prefix_of
from .framework import NDArray, Symbol, autograd, gluon, is_foreign, is_training, np_mode, state


def made(kind: type, layer: nn.Module, binding: Binding, *args: Any, **options: Any) -> Any:
    """Return a block made in np-mode, named by its path."""
    with np_mode():
        return kind(*args, prefix=prefix_of(binding, layer), **options)


def _lambda(layer: nn.Module, binding: Binding, function: Callable[[Any], Any], name: str) -> Any:
    """Return a function as a block."""

    def call(F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return function(x)

    call.__name__ = name
    return made(gluon.nn.HybridLambda, layer, binding, call)


def _named(layer: nn.Module, binding: Binding, name: str) -> Any:
    """Return the block of an activation's name."""
    if name in ("relu", "sigmoid", "tanh"):
        return made(gluon.nn.Activation, layer, binding, name)
    if name == "gelu" and binding.options.dtype != "float64":  # its constants are float32
        return made(gluon.nn.GELU, layer, binding)
    return _lambda(layer, binding, getattr(ops, name), name)


def activation_of(layer: Any, binding: Binding) -> Any:
    """Return a layer's activation as a block, None if there is none."""
    value = layer.activation
    if value is None or "is_probe" in binding.memory:  # it may be any function, and changes no shape
        return None
    if isinstance(value, str):
        return _named(layer, binding, value)
    return _lambda(layer, binding, value, getattr(value, "__name__", "activation"))


class Dense(gluon.nn.Dense):
    """Gluon's, but its bias learns while its weight is frozen: MXNet 1.9.1 gives it no gradient then."""

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:  # noqa: N803 - Gluon's name
        if bias is None or self.weight.grad_req != "null":
            return super().hybrid_forward(F, x, weight, bias)
        y = F.npx.fully_connected(x, weight, no_bias=True, num_hidden=self._units, flatten=False) + bias
        return y if self.act is None else self.act(y)


@MXNetAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense. Gluon flattens by default; every other framework keeps leading axes."""
    has_bias = layer.bias is not None
    native = made(Dense, layer, binding, layer.units, use_bias=has_bias, flatten=False)
    native.act = activation_of(layer, binding)
    return native


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
        if training and isinstance(x, Symbol):
            state.trace.updates.append((self, *self._statistics(x)))  # type: ignore[union-attr]
        elif training:
            with autograd.pause():
                self.update(*self._statistics(x))
        return y

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        table: Any = ops.table.table_of(x)
        first = self._kwargs["axis"] == 1
        channels = self.running_mean.shape[0]
        flat = table.npx.reshape(x, (-2, -2, -1) if first else (-1, channels))  # -2 keeps an axis
        axes = (0, 2) if first else (0,)
        return table.np.mean(flat, axes), table.np.var(flat, axes, ddof=1)

    def update(self, mean: Any, variance: Any) -> None:
        """Blend a batch's statistics into the running ones."""
        kept = self._kwargs["momentum"]
        with autograd.pause():
            for parameter, new in ((self.running_mean, mean), (self.running_var, variance)):
                running = parameter.data()
                running[:] = running * kept + new * (1 - kept)


@MXNetAdapter.lowers(nn.BatchNorm, weight="gamma", bias="beta")
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm; Gluon's momentum weights the old statistics."""
    return made(
        BatchNorm, layer, binding, axis=-1 if binding.options.data_format == "channels_last" else 1,
        momentum=1 - layer.momentum, epsilon=layer.eps, center=layer.affine, scale=layer.affine,
    )  # fmt: skip


@MXNetAdapter.lowers(nn.LayerNorm, weight="gamma", bias="beta")
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    if layer.weight is not None:
        options = {"epsilon": layer.eps, "center": layer.bias is not None}
        return made(gluon.nn.LayerNorm, layer, binding, **options)

    def normalized(x: Any) -> Any:
        centered = x - ops.mean(x, -1, keepdims=True)
        return centered / ops.sqrt(ops.mean(centered * centered, -1, keepdims=True) + layer.eps)

    return _lambda(layer, binding, normalized, "layer_norm")


@MXNetAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    dtype = layer.weight._dtype or binding.options.dtype
    return made(gluon.nn.Embedding, layer, binding, layer.num_embeddings, layer.embedding_dim, dtype)


class Dropout(gluon.nn.Dropout):
    """Gluon's, in the mode of its own module where that differs from the net's."""

    isomorph_training = True

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's name
        return super().hybrid_forward(F, x) if is_foreign(x) or is_training(self) else x


@MXNetAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return made(Dropout, layer, binding, layer.p)


@MXNetAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten, which goes in the order channels, height, width."""
    if layer.start_axis == 1 and binding.options.data_format == "channels_first":
        return made(gluon.nn.Flatten, layer, binding)

    def flat(x: Any) -> Any:
        # On a matrix, the least that a symbol can be, moving the last axis to 1 changes nothing.
        rank = x.ndim if isinstance(x, NDArray) else 3
        if moves_channels(layer, rank, binding.options.data_format):
            x = ops.table.table_of(x).np.moveaxis(x, -1, 1)  # type: ignore[attr-defined]
        return ops.flatten(x, layer.start_axis)

    return _lambda(layer, binding, flat, "flatten")


@MXNetAdapter.lowers(nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation without options."""
    return _named(layer, binding, function_name(layer))


@MXNetAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return _lambda(layer, binding, lambda x: ops.softmax(x, layer.axis), "softmax")


@MXNetAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU. Gluon's own holds its slope in float32."""
    if binding.options.dtype != "float64":
        return made(gluon.nn.LeakyReLU, layer, binding, layer.negative_slope)
    return _lambda(layer, binding, lambda x: ops.leaky_relu(x, layer.negative_slope), "leaky_relu")


@MXNetAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    axes = (2, 3) if binding.options.data_format == "channels_first" else (1, 2)
    if layer.keepdims and axes == (2, 3):
        return made(gluon.nn.GlobalAvgPool2D, layer, binding)
    return _lambda(layer, binding, lambda x: ops.mean(x, axes, layer.keepdims), "global_avg_pool")


@MXNetAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower a row of modules."""
    native = gluon.nn.HybridSequential(prefix=prefix_of(binding, layer))
    for name, child in layer.children().items():
        native.register_child(binding.native(child), name)
    return native


class BlockDict(gluon.HybridBlock, Mapping[str, Any]):
    """Blocks by name."""

    __eq__, __hash__ = object.__eq__, object.__hash__

    def __getitem__(self, name: str) -> Any:
        return self._children[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __len__(self) -> int:
        return len(self._children)


@MXNetAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower modules by name."""
    native = BlockDict(prefix=prefix_of(binding, layer))
    for name, child in layer.items():
        native.register_child(binding.native(child), name)
    return native

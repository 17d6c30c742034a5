"""Normalization."""

from __future__ import annotations

import math
import numbers
from typing import Any

from .. import ops
from ..errors import InvalidArgumentError, ShapeMismatchError
from ..framework import Options
from ..init.laws import Ones, Zeros
from ..parameter import Buffer, Parameter
from ..tensor import dtype_name
from .arguments import known_size, positive
from .module import Layer
from .rules import channel_axis, fit, require_features, require_floating, require_rank


class BatchNorm(Layer):
    """Normalize each channel over the batch, in training; by running statistics otherwise.

    Args:
        eps: Added to the variance under the root.
        momentum: Weight of the new statistics: ``running = (1 - m) running + m new``.
        affine: Whether to scale and shift by learned parameters.
        weight_init: Law of the scale, one by default.
        bias_init: Law of the shift, zero by default.
        in_features: Number of channels; without it, taken from the first input.

    Names, defaults and the unbiased running variance are those of `torch.nn.BatchNorm2d`
    (Ioffe and Szegedy, arXiv:1502.03167). Any rank from ``(batch, channels)`` on; the channels
    are axis 1, or the last as the net's data format says.

    >>> layer = nn.BatchNorm()
    >>> layer(numpy.ones((2, 3, 5, 5), "float32")).shape, layer.running_mean.shape
    ((2, 3, 5, 5), (3,))
    >>> print(layer.running_mean.numpy())
    [0.1 0.1 0.1]
    """

    statistics = True

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        weight_init: Any = None,
        bias_init: Any = None,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        self.eps = _positive(self, "eps", eps)
        self.momentum = _positive(self, "momentum", momentum)
        self.affine = bool(affine)
        self.in_features = known_size(self, "in_features", in_features)
        size = (self.in_features,)
        self.weight = Parameter(size, weight_init, role="scale") if affine else None
        self.bias = Parameter(size, bias_init, role="bias") if affine else None
        self.running_mean = Buffer(size, Zeros())
        self.running_var = Buffer(size, Ones())
        _have_one_size(self)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output; all parameters take the number of channels."""
        require_rank(self, x, at_least=2)
        require_floating(self, x)
        axis = channel_axis(self, x)
        for parameter in self.own_parameters().values():
            fit(self, parameter, 0, x.shape[axis], "channels")
        others = [size for i, size in enumerate(x.shape) if i != axis]
        if self.training and all(isinstance(size, int) for size in others) and math.prod(others) < 2:
            raise ShapeMismatchError.at(
                self.label,
                "in training, values per channel",
                "more than 1",
                math.prod(others),
                "A variance needs two. Use a larger batch, or net.eval().",
            )
        return x

    def fitting_input(self, options: Options) -> tuple[int | None, ...] | None:
        return _fitting_input(self)


class LayerNorm(Layer):
    """Normalize the last axis of each example, then scale and shift.

    Args:
        eps: Added to the variance under the root; `torch.nn.LayerNorm`'s 1e-5.
        affine: Whether to scale and shift by learned parameters.
        bias: Whether there is a shift.
        weight_init: Law of the scale, one by default.
        bias_init: Law of the shift, zero by default.
        in_features: Size of the last axis; without it, taken from the first input.

    Source: Ba, Kiros and Hinton, arXiv:1607.06450.

    >>> layer = nn.LayerNorm()
    >>> layer(numpy.array([[1.0, 3.0]], "float32")).round(2).tolist(), layer.weight.shape
    ([[-1.0, 1.0]], (2,))
    """

    def __init__(
        self,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        *,
        weight_init: Any = None,
        bias_init: Any = None,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        self.eps = _positive(self, "eps", eps)
        self.affine = bool(affine)
        self.in_features = known_size(self, "in_features", in_features)
        size = (self.in_features,)
        self.weight = Parameter(size, weight_init, role="scale") if affine else None
        self.bias = Parameter(size, bias_init, role="bias") if affine and bias else None
        _have_one_size(self)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output; all parameters take the last axis's size."""
        require_rank(self, x, at_least=1)
        require_floating(self, x)
        require_features(self, x)
        for parameter in self.own_parameters().values():
            fit(self, parameter, 0, x.shape[-1], "features")
        return x

    def fitting_input(self, options: Options) -> tuple[int | None, ...] | None:
        return _fitting_input(self)


class GroupNorm(Layer):
    """Normalize groups of channels of each example, then scale and shift each channel.

    Args:
        num_groups: Parts of equal size that the channels are split into.
        eps: Added to the variance under the root.
        affine: Whether to scale and shift by learned parameters, one of each a channel.
        weight_init: Law of the scale, one by default.
        bias_init: Law of the shift, zero by default.
        in_features: Number of channels; without it, taken from the first input.

    Names, defaults and the biased variance are those of `torch.nn.GroupNorm` (Wu and He,
    arXiv:1803.08494). Any rank from ``(batch, channels)`` on; the channels are axis 1, or the last
    as the net's data format says. Half-precision inputs are normalized in float32.

    Raises `ShapeMismatchError` where the channels do not divide into the groups.

    >>> layer = nn.GroupNorm(num_groups=2)
    >>> x = numpy.array([[1, 3, 10, 10]], "float32")
    >>> layer(x).round(2).tolist(), layer.weight.shape
    ([[-1.0, 1.0, 0.0, 0.0]], (4,))
    """

    def __init__(
        self,
        num_groups: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        weight_init: Any = None,
        bias_init: Any = None,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        self.num_groups = positive(self, "num_groups", num_groups)
        self.eps = _positive(self, "eps", eps)
        self.affine = bool(affine)
        self.in_features = known_size(self, "in_features", in_features)
        if self.in_features is not None and self.in_features % self.num_groups:
            raise InvalidArgumentError.of(
                "nn.GroupNorm", "in_features", f"divisible by num_groups={num_groups}", in_features
            )
        size = (self.in_features,)
        self.weight = Parameter(size, weight_init, role="scale") if affine else None
        self.bias = Parameter(size, bias_init, role="bias") if affine else None
        _have_one_size(self)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output; all parameters take the number of channels."""
        require_rank(self, x, at_least=2)
        require_floating(self, x)
        channels = x.shape[channel_axis(self, x)]
        for parameter in self.own_parameters().values():
            fit(self, parameter, 0, channels, "channels")
        if isinstance(channels, int) and channels % self.num_groups:
            hint = "Choose a num_groups that divides the input's channels."
            raise ShapeMismatchError.at(
                self.label, "channels divisible by num_groups:", self.num_groups, channels, hint
            )
        return x

    def forward(self, x: Any) -> Any:
        """Return each group less its mean, over its standard deviation; scaled and shifted."""
        axis = x.ndim - 1 if self.data_format == "channels_last" else 1
        sizes, dtype = ops.shape(x)[1:], dtype_name(x.dtype)
        is_half = dtype in ("float16", "bfloat16")
        groups = self.num_groups, sizes[axis - 1] // self.num_groups
        y = ops.astype(x, "float32") if is_half else x
        y = ops.reshape(y, (-1, *sizes[: axis - 1], *groups, *sizes[axis:]))
        others = tuple(i for i in range(1, x.ndim + 1) if i != axis)
        y = y - ops.mean(y, others, keepdims=True)
        y = y / ops.sqrt(ops.mean(ops.square(y), others, keepdims=True) + self.eps)
        y = ops.reshape(y, (-1, *sizes))
        if self.weight is not None:
            per_channel = tuple(-1 if i == axis else 1 for i in range(x.ndim))
            weight, bias = (ops.reshape(each, per_channel) for each in (self.weight, self.bias))
            y = ops.add(ops.multiply(y, weight), bias)
        return ops.astype(y, dtype) if is_half else y

    def fitting_input(self, options: Options) -> tuple[int | None, ...] | None:
        return _fitting_input(self)


def _fitting_input(layer: Layer) -> tuple[int | None, ...] | None:
    """Return the shape of one example with the size that all parameters have."""
    sizes = [parameter.shape[0] for parameter in layer.own_parameters().values()]
    return (1, sizes[0]) if sizes else None


def _have_one_size(layer: Layer) -> None:
    for parameter in layer.own_parameters().values():
        parameter._has_size_of_others = True


def _positive(layer: object, name: str, value: Any) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not float(value) > 0:
        raise InvalidArgumentError.of(f"nn.{type(layer).__name__}", name, "a positive number", value)
    return float(value)

"""Convolutions."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidArgumentError, ShapeMismatchError
from ..framework import Options
from . import arguments
from .arguments import Activation, Padding, known_size, per_axis, positive, weight_and_bias
from .module import Layer
from .rules import applied, channel_axis, fit, origin, require_floating, require_rank, window_output


class _Conv(Layer):
    """What convolutions of every rank share. The weight is (out, in/groups, *kernel)."""

    spatial: int

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        activation: Activation = None,
        bias: bool = True,
        weight_init: Any = None,
        bias_init: Any = None,
        in_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.out_channels = positive(self, "out_channels", out_channels)
        self.kernel_size = per_axis(self, "kernel_size", kernel_size, self.spatial)
        self.stride = per_axis(self, "stride", stride, self.spatial)
        self.padding = arguments.padding(self, padding, self.spatial)
        self.dilation = per_axis(self, "dilation", dilation, self.spatial)
        self.groups = positive(self, "groups", groups)
        self.activation = arguments.activation(self, activation)
        self.in_channels = known_size(self, "in_channels", in_channels)
        if self.out_channels % self.groups:
            raise InvalidArgumentError.of(
                f"nn.{type(self).__name__}", "out_channels", f"divisible by groups={groups}", out_channels
            )
        inner = None if self.in_channels is None else self._channels_per_group(self.in_channels)
        self.weight, self.bias = weight_and_bias(
            (self.out_channels, inner, *self.kernel_size), self.out_channels, bias, weight_init, bias_init
        )

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output; the weight takes its channels from the input."""
        require_rank(self, x, exactly=self.spatial + 2)
        require_floating(self, x)
        axis = channel_axis(self, x)
        channels = x.shape[axis]
        if isinstance(channels, int):
            if self.weight.shape[1] is not None:
                self._check_channels(channels)
            channels = self._channels_per_group(channels)
        fit(self, self.weight, 1, channels, "input channels per group")
        start = 1 if axis > 1 else 2
        shape = list(x.shape)
        shape[axis] = self.out_channels
        for i in range(self.spatial):
            padding = self.padding if isinstance(self.padding, str) else self.padding[i]
            shape[start + i] = window_output(
                self, x.shape[start + i], self.kernel_size[i], self.stride[i], self.dilation[i], padding
            )
        return applied(self.activation, x.with_shape(shape))

    def fitting_input(self, options: Options) -> tuple[int | None, ...]:
        inner = self.weight.shape[1]
        channels = None if inner is None else inner * self.groups
        space = [step * (size - 1) + 1 for step, size in zip(self.dilation, self.kernel_size)]
        return (1, *space, channels) if options.channels_last else (1, channels, *space)

    def _check_channels(self, received: int) -> None:
        expected = self.groups * (self.weight.shape[1] or 0)
        if expected != received:
            hint = origin(self, self.weight, 1)
            raise ShapeMismatchError.at(self.label, "input channels:", expected, received, hint)

    def _channels_per_group(self, channels: int) -> int:
        if channels % self.groups:
            raise ShapeMismatchError.at(
                self.label,
                "input channels divisible by groups",
                self.groups,
                channels,
                "Choose groups that divide the input's channels.",
            )
        return channels // self.groups


class Conv1d(_Conv):
    """Convolve along one axis.

    Args:
        out_channels: Number of filters.
        kernel_size: Length of a filter.
        stride: Step between positions.
        padding: Zeros on both sides, or ``"same"`` (TensorFlow's rule at every stride, the
            extra zero at the end) or ``"valid"``.
        dilation: Distance between a filter's elements.
        groups: Parts that channels are split into, each convolved alone.
        activation: A name such as ``"relu"``, or a function in `isomorph.ops`.
        bias: Whether to add a bias.
        weight_init: Law of the weight; by default as `torch.nn.Conv1d`.
        bias_init: Law of the bias.
        in_channels: Channels of the input; without it, taken from the first input.

    Shapes: ``(batch, channels, length)``, or channels last as the net's data format says.

    >>> layer = nn.Conv1d(8, kernel_size=3, padding="same")
    >>> layer(numpy.ones((2, 5, 7), "float32")).shape, layer.weight.shape
    ((2, 8, 7), (8, 5, 3))
    """

    spatial = 1


class Conv2d(_Conv):
    """Convolve along two axes. Arguments as in `Conv1d`; integers or pairs for height, width.

    Shapes: ``(batch, channels, height, width)``, or channels last as the net's data format
    says; weight ``(out_channels, channels / groups, kernel height, kernel width)``.

    >>> layer = nn.Conv2d(8, kernel_size=3, stride=2, padding=1)
    >>> layer(numpy.ones((2, 3, 7, 9), "float32")).shape, layer.weight.shape
    ((2, 8, 4, 5), (8, 3, 3, 3))
    """

    spatial = 2

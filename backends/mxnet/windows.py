"""Convolution and pooling: Gluon's own, or with channels last and uneven padding around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import nn, ops
from isomorph.adapter import Binding
from isomorph.errors import ForwardError
from isomorph.nn.rules import same_padding

from .adapter import MXNetAdapter
from .framework import NDArray, Trace, gluon, state, tracing
from .layers import activation_of, made

Pads = list[tuple[int, int]]


def _same(layer: Any, sizes: Any) -> Pads:
    dilation = getattr(layer, "dilation", (1, 1))
    return list(map(same_padding, sizes, layer.kernel_size, layer.stride, dilation))


def _fixed(layer: Any) -> Pads | None:
    """Return the padding before and after each axis; None where it depends on the input's sizes."""
    if layer.padding != "same":
        return [(each, each) for each in layer.padding]
    return _same(layer, layer.kernel_size) if max(layer.stride) == 1 else None


def _sizes(x: Any) -> Any:
    if isinstance(x, NDArray):
        return x.shape[2:]
    if state.trace is None:
        raise ForwardError(
            'padding="same" at a stride needs sizes, which symbols have not.\n'
            "  Leave net.native as it is and call the net with compile=True, or pad by a number."
        )
    return state.trace.shape(x)[2:]


class _Windowed:
    """What Gluon's blocks do not do: NHWC on the CPU, uneven padding."""

    isomorph_layer: Any
    isomorph_last: bool
    isomorph_pads: Pads | None  # empty where Gluon pads itself, None where it depends on sizes
    activation = None
    fill = 0.0

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        # MXNet 1.9.1 has no NHWC convolution on the CPU, and finds out asynchronously.
        x = F.np.moveaxis(x, -1, 1) if self.isomorph_last else x
        pads = self.isomorph_pads
        y = self.windows(F, x, _same(self.isomorph_layer, _sizes(x)) if pads is None else pads, parameters)
        y = F.np.moveaxis(y, 1, -1) if self.isomorph_last else y
        return y if self.activation is None else self.activation(y)

    def infer_shape(self, x: Any) -> None:
        """Let Gluon's own inference, on symbols, know the sizes."""
        with tracing(Trace({"data": x.shape})):
            super().infer_shape(x)  # type: ignore[misc]
        # Gluon keeps that graph, which is for these sizes only.
        self._clear_cached_op()  # type: ignore[attr-defined]

    def windows(self, F: Any, x: Any, pads: Pads, parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        """Return Gluon's own result for the padded input."""
        if pads:
            x = ops.table.table_of(x).pad(x, ((0, 0), (0, 0), *pads), self.fill)
        return super().hybrid_forward(F, x, **parameters)  # type: ignore[misc]


class Conv1D(_Windowed, gluon.nn.Conv1D):
    """Gluon's, on channels-last data or with uneven padding."""


class Conv2D(_Windowed, gluon.nn.Conv2D):
    """Gluon's, on channels-last data or with uneven padding."""


class MaxPool2D(_Windowed, gluon.nn.MaxPool2D):
    """Gluon's, on channels-last data or with uneven padding."""

    fill = -np.inf


class AvgPool2D(_Windowed, gluon.nn.AvgPool2D):
    """Gluon's, on channels-last data or with uneven padding, which never counts."""

    def windows(self, F: Any, x: Any, pads: Pads, parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        """Return the means of what is not padding."""
        y = super().windows(F, x, pads, parameters)
        return y / super().windows(F, F.np.ones_like(x), pads, parameters) if pads else y


def _window(own: type, layer: Any, binding: Binding, *args: Any, **options: Any) -> Any:
    """Make Gluon's own layer where it does all that the description asks, ours elsewhere."""
    last, pads = binding.options.data_format == "channels_last", _fixed(layer)
    is_even = pads is not None and all(before == after for before, after in pads)
    options["padding"] = [before for before, _ in pads] if pads and is_even else [0] * len(layer.kernel_size)
    if is_even and not last:
        return made(own.__mro__[2], layer, binding, *args, strides=layer.stride, **options)
    native = made(own, layer, binding, *args, strides=layer.stride, **options)
    native.isomorph_layer, native.isomorph_last = layer, last
    native.isomorph_pads = [] if is_even else pads
    return native


@MXNetAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution."""
    native = _window(
        Conv1D if layer.spatial == 1 else Conv2D, layer, binding, layer.out_channels, layer.kernel_size,
        dilation=layer.dilation, groups=layer.groups, use_bias=layer.bias is not None,
    )  # fmt: skip
    # Behind the last move of the channels, where the block has one.
    setattr(native, "activation" if isinstance(native, _Windowed) else "act", activation_of(layer, binding))
    return native


@MXNetAdapter.lowers(nn.MaxPool2d)
def max_pool(layer: nn.MaxPool2d, binding: Binding) -> Any:
    """Lower MaxPool2d."""
    return _window(MaxPool2D, layer, binding, layer.kernel_size)


@MXNetAdapter.lowers(nn.AvgPool2d)
def avg_pool(layer: nn.AvgPool2d, binding: Binding) -> Any:
    """Lower AvgPool2d."""
    return _window(AvgPool2D, layer, binding, layer.kernel_size, count_include_pad=layer.count_include_pad)

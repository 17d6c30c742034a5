"""Windows over images: Gluon's own layers, or with channels last and uneven padding around them."""

from __future__ import annotations

from typing import Any

from isomorph.adapter import Binding, same_padding
from isomorph.errors import ForwardError

from .blocks import block
from .framework import NDArray, Trace, state, tracing
from .ops import table_of

Pads = list[tuple[int, int]]


Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _same(window: Window, sizes: Any) -> Pads:
    return list(map(same_padding, sizes, *window))


def _window_of(layer: Any) -> Window:
    """Return kernel, stride and dilation."""
    return layer.kernel_size, layer.stride, getattr(layer, "dilation", (1, 1))


def _fixed(layer: Any) -> Pads | None:
    """Return the padding before and after each axis; None where it depends on the input's sizes."""
    if layer.padding != "same":
        return [(each, each) for each in layer.padding]
    return _same(_window_of(layer), layer.kernel_size) if max(layer.stride) == 1 else None


def _sizes(x: Any) -> Any:
    if isinstance(x, NDArray):
        return x.shape[2:]
    if state.trace is None:
        raise ForwardError(
            'padding="same" at a stride needs sizes, which symbols of MXNet have not.\n'
            "  Hybridize net.native itself, or pad by a number."
        )
    return state.trace.shape(x, "sizes")[2:]


class Windowed:
    """What Gluon's blocks do not do: NHWC on the CPU, uneven padding."""

    isomorph_window: Window
    isomorph_last: bool
    isomorph_pads: Pads | None  # empty where Gluon pads itself, None where it depends on sizes
    activation = None
    fill = 0.0

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803 - Gluon's name
        # MXNet 1.9.1 has no NHWC convolution on the CPU, and finds out asynchronously.
        x = F.np.moveaxis(x, -1, 1) if self.isomorph_last else x
        pads = self.isomorph_pads
        y = self.windows(F, x, _same(self.isomorph_window, _sizes(x)) if pads is None else pads, parameters)
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
            x = table_of(x).pad(x, ((0, 0), (0, 0), *pads), self.fill)
        return super().hybrid_forward(F, x, **parameters)  # type: ignore[misc]


def window(own: type, layer: Any, binding: Binding, *args: Any, **options: Any) -> Any:
    """Make Gluon's own layer where it does all that the description asks, ours elsewhere."""
    last, pads = binding.options.channels_last, _fixed(layer)
    is_even = pads is not None and all(before == after for before, after in pads)
    options["padding"] = [before for before, _ in pads] if pads and is_even else [0] * len(layer.kernel_size)
    if is_even and not last:
        return block(own.__mro__[2], layer, binding, *args, strides=layer.stride, **options)
    native = block(own, layer, binding, *args, strides=layer.stride, **options)
    native.isomorph_window, native.isomorph_last = _window_of(layer), last
    native.isomorph_pads = [] if is_even else pads
    return native

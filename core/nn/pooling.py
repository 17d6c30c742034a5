"""Pooling: the greatest or mean element of windows, or of whole images."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidArgumentError
from . import arguments
from .arguments import Padding, per_axis
from .module import Layer
from .rules import channel_axis, require_floating, require_rank, window_output


class _Pool2d(Layer):
    """What the two pooling layers share."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: Padding = 0,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis(self, "kernel_size", kernel_size, 2)
        self.stride = per_axis(self, "stride", kernel_size if stride is None else stride, 2)
        self.padding = arguments.padding(self, padding, 2)
        if not isinstance(self.padding, str) and any(
            2 * pad > kernel for pad, kernel in zip(self.padding, self.kernel_size)
        ):
            raise InvalidArgumentError.of(
                f"nn.{type(self).__name__}", "padding", f"at most half of kernel_size={kernel_size}", padding
            )

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output."""
        require_rank(self, x, exactly=4)
        require_floating(self, x)
        start = 1 if channel_axis(self, x) == 3 else 2
        shape = list(x.shape)
        for i in range(2):
            padding = self.padding if isinstance(self.padding, str) else self.padding[i]
            shape[start + i] = window_output(
                self, x.shape[start + i], self.kernel_size[i], self.stride[i], 1, padding
            )
        return x.with_shape(shape)


class MaxPool2d(_Pool2d):
    """Take the greatest element of each window.

    Args:
        kernel_size: Height and width of the window.
        stride: Step between windows; by default the window's size.
        padding: Rows and columns of minus infinity on both sides, at most half the window;
            or ``"same"`` (TensorFlow's rule, extra at the end) or ``"valid"``.

    >>> nn.MaxPool2d(2)(numpy.ones((1, 3, 7, 8), "float32")).shape
    (1, 3, 3, 4)
    """


class AvgPool2d(_Pool2d):
    """Take the mean of each window.

    Args:
        kernel_size: Height and width of the window.
        stride: Step between windows; by default the window's size.
        padding: Rows and columns of zeros on both sides, at most half the window; or
            ``"same"`` (TensorFlow's rule, extra at the end) or ``"valid"``.
        count_include_pad: Whether padded zeros count in the mean, as in `torch.nn.AvgPool2d`.
            Those of ``"same"`` never do, as in TensorFlow.

    >>> nn.AvgPool2d(3, stride=1, padding=1)(numpy.ones((1, 1, 3, 3), "float32"))[0, 0, 0, 0]
    0.44444445
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: Padding = 0,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = bool(count_include_pad) and self.padding != "same"


class GlobalAvgPool2d(Layer):
    """Take the mean of each channel over height and width: ``(batch, channels)``.

    Args:
        keepdims: Whether to keep height and width as axes of size one.

    >>> nn.GlobalAvgPool2d()(numpy.ones((2, 3, 5, 7), "float32")).shape
    (2, 3)
    """

    def __init__(self, keepdims: bool = False) -> None:
        super().__init__()
        self.keepdims = bool(keepdims)

    def infer_shapes(self, x: Any) -> Any:
        """Return the spec of the output."""
        require_rank(self, x, exactly=4)
        require_floating(self, x)
        axis = channel_axis(self, x)
        sizes = [x.shape[0], *(x.shape[i] if i == axis else 1 for i in (1, 2, 3))]
        return x.with_shape(sizes if self.keepdims else (x.shape[0], x.shape[axis]))

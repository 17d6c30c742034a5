"""Padding as the TensorFlow rule has it, where PyTorch's own does not."""

from __future__ import annotations

from typing import Any

from isomorph.adapter import same_padding


def pads_itself(layer: Any) -> bool:
    """Whether a convolution's "same" is more than PyTorch's own does.

    That refuses strides, and warns where the two ends differ (2.13); else it is the same rule.
    """
    spans = (step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size))
    return layer.padding == "same" and (max(layer.stride) > 1 or any(span % 2 for span in spans))


def same_pads(sizes: Any, *window: tuple[int, ...]) -> list[int]:
    """Return the widths of "same", as `torch.nn.functional.pad` takes them: the last axis first."""
    pads = [same_padding(*axis) for axis in zip(sizes, *window)]
    return [width for pair in reversed(pads) for width in pair]

"""Images as Flax's convolutions and pooling take them: channels last, padding in pairs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def channels_last(function: Any, x: Any) -> Any:
    """Call a function of channels-last images on channels-first ones."""
    return jnp.moveaxis(function(jnp.moveaxis(x, 1, -1)), -1, 1)


def padding_of(layer: Any) -> Any:
    """Return a layer's padding as Flax takes it."""
    return "SAME" if layer.padding == "same" else tuple((pad, pad) for pad in layer.padding)

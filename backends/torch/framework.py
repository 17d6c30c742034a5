"""Tensors, devices and types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from isomorph.adapter import Array, Options, TensorSpec
from isomorph.errors import InvalidArgumentError


def tensor(array: Array) -> Any:
    """Return a tensor that shares the array's memory."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def device_of(options: Options) -> Any:
    """Return the device; raises `InvalidArgumentError` for a name PyTorch does not know."""
    try:
        return torch.device(options.device if options.device is not None else "cpu")
    except RuntimeError as cause:
        raise InvalidArgumentError.of(
            "to", "device", "a PyTorch device such as 'cpu' or 'cuda:0'", options.device
        ) from cause


@contextmanager
def creating(options: Options) -> Iterator[None]:
    """Make parameters that can be trained, on the options' device, wherever a call stands.

    What is made in inference mode can't be trained later, and `torch.device` is a mode too.
    """
    with torch.inference_mode(False), torch.no_grad(), device_of(options):
        yield


def factory(options: Options) -> dict[str, Any]:
    """Return where and in which type parameters are made."""
    return {"device": device_of(options), "dtype": getattr(torch, options.dtype)}


def as_spec(value: Any) -> TensorSpec:
    """Return a tensor's shape and type."""
    return TensorSpec(tuple(value.shape), str(value.dtype)[6:])


def meta(spec: Any) -> Any:
    """Return a tensor of a spec's shape and type, without memory."""
    if not isinstance(spec, TensorSpec):
        return spec
    sizes = [size if isinstance(size, int) else 1 for size in spec.shape]
    return torch.empty(sizes, dtype=getattr(torch, spec.dtype or "float32"), device="meta")

"""Tensors, devices and types."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isomorph.adapter import Array, Binding, Options, TensorSpec
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


def factory(binding: Binding) -> dict[str, Any]:
    """Return where and in which type parameters are made."""
    meta = torch.get_default_device().type == "meta"
    device = torch.device("meta") if meta else device_of(binding.options)
    return {"device": device, "dtype": getattr(torch, binding.options.dtype)}


def meta(spec: Any) -> Any:
    """Return a tensor of a spec's shape and type, without memory."""
    if not isinstance(spec, TensorSpec):
        return spec
    sizes = [size if isinstance(size, int) else 1 for size in spec.shape]
    return torch.empty(sizes, dtype=getattr(torch, spec.dtype or "float32"), device="meta")

"""Modules, which NumPy itself has none of."""

from __future__ import annotations

from typing import Any

from isomorph.adapter import Binding


class NumpyModule:
    """A callable that holds its parameters as attributes: None until they have values."""

    training = True

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(vars(self))})"


def last(binding: Binding) -> bool:
    """Return whether the net's images have their channels last."""
    return binding.options.data_format == "channels_last"

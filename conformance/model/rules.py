"""What each layer declares and infers: parameters, shapes, types, and inputs it must refuse."""

from __future__ import annotations

from isomorph.conformance.layers import RECORDS
from isomorph.conformance.layers.record import Declared, Inferred, Layer, Place, Refusal, Sizes


def declared(layer: Layer) -> dict[str, Declared]:
    """Return a layer's parameters in the canonical order, None for sizes not yet known."""
    return RECORDS[layer["kind"]].parameters(layer)


def infer(
    layer: Layer,
    shape: Sizes,
    dtype: str | None,
    known: dict[str, Sizes] | None = None,
    training: bool = True,
    data_format: str = "channels_first",
    net_dtype: str = "float32",
) -> Inferred:
    """Return what a layer infers from an input, or raise `Refusal`.

    Args:
        layer: The layer's net data.
        shape: The input's sizes, None where open.
        dtype: The input's type; None where only its shape is known.
        known: Parameter shapes known so far; by default those that the constructor was told.
        training: Whether the layer is in training mode.
        data_format: ``"channels_first"`` or ``"channels_last"``.
        net_dtype: Type of the net's parameters, which is that of an embedding's output.
    """
    record = RECORDS[layer["kind"]]
    record.check(shape, dtype)
    sizes = {name: each.shape for name, each in declared(layer).items()} | (known or {})
    output = record.infer(layer, shape, sizes, Place(training, data_format, net_dtype))
    return Inferred(output, net_dtype if record.takes_indices else dtype, sizes)


__all__ = ["Refusal", "declared", "infer"]

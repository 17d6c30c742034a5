"""The embedding."""

from __future__ import annotations

from isomorph.conformance.data import indices, numbers, spread

from . import drawing
from .record import (
    INTEGERS,
    Array,
    Computed,
    Data,
    Declared,
    Layer,
    Looked,
    Place,
    Record,
    Refusal,
    Refused,
    Row,
    Sizes,
    Values,
)

PLAIN: Data = {"num_embeddings": 11, "embedding_dim": 3}


def _parameters(layer: Layer) -> dict[str, Declared]:
    shape = (layer["num_embeddings"], layer["embedding_dim"])
    return {"weight": Declared(shape, "weight", {"law": "Normal"})}


def _infer(layer: Layer, shape: Sizes, sizes: dict[str, Sizes], place: Place) -> Sizes:
    return (*shape, layer["embedding_dim"])


def _compute(layer: Layer, values: Values, x: Array, place: Place) -> Computed:
    if x.size and (x.min() < 0 or x.max() >= layer["num_embeddings"]):
        raise Refusal("NativeCallError")
    return Computed(values["weight"][x])


RECORDS = (
    Record(
        "Embedding",
        "L-8",
        _compute,
        (Row("plain", PLAIN, (2, 5)), Row("vector", PLAIN, (7,))),
        parameters=_parameters,
        infer=_infer,
        takes=INTEGERS,
        refusals=(Refused("floats", "E-3", PLAIN, spread(2, 3)),),
        looked=(
            Looked("out-of-range", numbers([[1, 11]], "int64"), refused=True),
            Looked("negative-index", numbers([[1, -1]], "int64"), refused=True),
            Looked("indices-int32", indices(2, 5, below=11, dtype="int32")),
            Looked("indices-int64", indices(2, 5, below=11)),
        ),
        draw=lambda draws, here: {
            "num_embeddings": drawing.TOKENS,
            "embedding_dim": draws.one(drawing.WIDTHS),
            **drawing.laws(draws, weight_init=drawing.LAWS + drawing.FAN_LAWS),
        },
    ),
)

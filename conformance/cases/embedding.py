"""Cases of the indices that an Embedding takes and refuses."""

from __future__ import annotations

from typing import Any

from .write import Case, case, indices, layer, numbers

CONSTRUCT: list[Any] = ["construct", {"spec": layer("Embedding", num_embeddings=11, embedding_dim=3)}]


def cases() -> list[Case]:
    """Return the cases of indices out of range, and of each type of index."""
    return [
        case(
            "layers.embedding.out-of-range",
            "L-8",
            [
                CONSTRUCT,
                ["to", {}],
                ["initialize", {"seed": 1}],
                ["call", {"inputs": [numbers([[1, 11]], "int64")]}],
            ],
            [[3, "error"], [3, "error.text"]],
            feature="embedding",
        ),
        case(
            "layers.embedding.negative-index",
            "L-8",
            [
                CONSTRUCT,
                ["to", {}],
                ["initialize", {"seed": 1}],
                ["call", {"inputs": [numbers([[1, -1]], "int64")]}],
            ],
            [[3, "error"], [3, "error.text"]],
            feature="embedding",
        ),
        *(
            case(
                f"layers.embedding.indices-{dtype}",
                "L-8",
                [
                    CONSTRUCT,
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["call", {"inputs": [indices(2, 5, below=11, dtype=dtype)]}],
                ],
                [[3, "output"]],
                feature="embedding",
                oracle="reference",
                needs=("layers.embedding.plain.values",),
            )
            for dtype in ("int32", "int64")
        ),
    ]

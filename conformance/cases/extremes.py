"""Cases of layers at the ends of what they take: single elements, high ranks, an offset in a variance."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread
from isomorph.conformance.layers import RECORDS
from isomorph.conformance.layers.activations import ACTIVATIONS

from .layers import FORMATS, ROWS, feature_of, formats_of, in_format, pair, simpler
from .write import Case, Data, case, dense, layer

Row = tuple[str, Data, tuple[int, ...]]
SEQUENCE = (2, 4, 11)


def _sequence(slug: str, **options: Any) -> Row:
    return slug, layer("Conv1d", **{"out_channels": 7, "kernel_size": 3, **options}), SEQUENCE


# Two groups of two channels or more: a weight per group and channel is told apart.
SEQUENCES = (
    _sequence("groups-of-two", groups=2, out_channels=6),
    _sequence("groups-of-one", groups=4, out_channels=8),
    _sequence("stride-three", stride=3),
    _sequence("stride-padding", stride=2, padding=1),
    _sequence("dilation-stride", stride=2, dilation=2),
    _sequence("dilation-three", dilation=3, padding=2),
    _sequence("same-even", padding="same", kernel_size=2),
    _sequence("same-stride-three", padding="same", stride=3, kernel_size=4),
    _sequence("dilation-same", padding="same", dilation=2),
    _sequence("groups-same", padding="same", groups=2, out_channels=6, stride=2),
    _sequence("valid", padding="valid", stride=2),
    _sequence("kernel-one", kernel_size=1),
    _sequence("known", in_channels=4),
)
SINGLE: tuple[Row, ...] = (
    ("one-unit", dense(1), (2, 5)),
    ("one-feature", dense(3), (2, 1)),
    ("one-element", dense(1), (1, 1)),
    ("one-element-vector", dense(1), (1,)),
    ("one-channel", layer("Conv1d", out_channels=1, kernel_size=1), (1, 1, 1)),
    ("one-channel", layer("Conv2d", out_channels=1, kernel_size=1), (1, 1, 1, 1)),
    ("one-feature", layer("LayerNorm"), (2, 1)),
    ("rank-4", layer("LayerNorm"), (2, 3, 5, 7)),
    ("rank-4", layer("GroupNorm", num_groups=2), (2, 6, 5, 7)),
    ("rank-4", layer("BatchNorm"), (2, 6, 5, 7)),
    ("rank-5", layer("BatchNorm"), (2, 6, 5, 3, 7)),
    ("rank-5", layer("GroupNorm", num_groups=3), (2, 6, 5, 3, 7)),
    ("rank-3", layer("Embedding", num_embeddings=11, embedding_dim=3), (2, 3, 5)),
    ("rank-4", layer("Softmax", axis=1), (2, 3, 5, 7)),
    *(
        (f"told-{name}", layer(kind, activation=name, **options), shape)
        for kind, options, shape in (
            ("Conv1d", {"out_channels": 5, "kernel_size": 2}, (2, 3, 7)),
            ("Conv2d", {"out_channels": 5, "kernel_size": 2}, (2, 3, 7, 4)),
        )
        for name in ACTIVATIONS
    ),
    *(("rank-0", layer(kind), ()) for kind in ("ReLU", "SiLU", "Tanh", "Sigmoid")),
)
NORMS: tuple[tuple[Data, tuple[int, ...]], ...] = (
    (layer("BatchNorm"), (11, 6)),
    (layer("BatchNorm"), (5, 6, 3, 2)),
    (layer("LayerNorm"), (2, 3, 7)),
    (layer("GroupNorm", num_groups=2), (2, 6, 5)),
)


def offset() -> list[Case]:
    """Return the cases of inputs far from zero: a variance is no difference of two great squares."""
    found = []
    for spec, shape in NORMS:
        record = RECORDS[spec["kind"]]
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            ["to", {}],
            ["call", {"inputs": [{**spread(*shape), "offset": 3000.0}]}],
        ]
        found.append(
            case(
                f"layers.{record.feature}.offset.rank-{len(shape)}",
                record.clause,
                steps,
                [[2, "output"]],
                feature=record.feature,
                oracle="reference",
                needs=(f"layers.{record.feature}.plain.values",),
            )
        )
    return found


def cases() -> list[Case]:
    """Return, for each row and data format, a case of values; and offsets."""
    found: list[Case] = []
    plainer = {f"layers.{feature_of(spec)}.{slug}" for slug, spec, _ in ROWS}
    for slug, spec, shape in (*SEQUENCES, *SINGLE):
        feature = RECORDS[spec["kind"]].feature
        # An activation comes after the layer's own axes have their order.
        for short in ["first"] if slug.startswith("told") else formats_of(spec, shape):
            stem = f"layers.{feature}.extreme.{slug}" + (".last" if short == "last" else "")
            told = {f"layers.dense.activation-{slug.removeprefix('told-')}"}
            base = (f"layers.{feature}.plain", *sorted((simpler(feature, slug) | told) & plainer))
            *_, values = pair(stem, spec, in_format(shape, FORMATS[short]), FORMATS[short], base, {})
            found.append({**values, "needs": [f"{each}.values" for each in base]})
    return [*found, *offset()]

"""Cases of inputs that layers must refuse, and of those that a ready layer takes."""

from __future__ import annotations

from typing import Any

from .layers import feature_of
from .write import Case, Data, case, dense, indices, layer, numbers, spread

CONV, POOL = layer("Conv2d", out_channels=6, kernel_size=3), layer("MaxPool2d", kernel_size=3)
EMBED = layer("Embedding", num_embeddings=11, embedding_dim=3)
# Names, clauses, layers and inputs.
REFUSED: list[tuple[str, str, Data, Data]] = [
    ("conv2d.groups-do-not-divide", "I-9", {**CONV, "groups": 2}, spread(2, 3, 11, 7)),
    (
        "conv1d.groups-do-not-divide",
        "I-9",
        layer("Conv1d", out_channels=6, kernel_size=3, groups=3),
        spread(2, 5, 11),
    ),
    ("conv2d.window-too-large", "I-9", CONV, spread(2, 3, 2, 7)),
    ("conv2d.dilated-window-too-large", "I-9", {**CONV, "dilation": 4}, spread(2, 3, 11, 7)),
    ("conv1d.window-too-large", "I-9", layer("Conv1d", out_channels=6, kernel_size=3), spread(2, 3, 2)),
    ("maxpool2d.window-too-large", "I-9", POOL, spread(2, 3, 11, 2)),
    ("avgpool2d.window-too-large", "I-9", {**POOL, "kind": "AvgPool2d"}, spread(2, 3, 11, 2)),
    ("conv2d.known-channels", "E-1", {**CONV, "in_channels": 5}, spread(2, 3, 11, 7)),
    ("batchnorm.known-channels", "E-1", layer("BatchNorm", in_features=5), spread(2, 3)),
    ("layernorm.known-features", "E-1", layer("LayerNorm", in_features=5), spread(2, 3)),
    ("conv2d.rank", "E-2", CONV, spread(2, 3, 11)),
    ("conv1d.rank", "E-2", layer("Conv1d", out_channels=6, kernel_size=3), spread(2, 3, 11, 7)),
    ("maxpool2d.rank", "E-2", POOL, spread(2, 3, 11)),
    ("globalavgpool2d.rank", "E-2", layer("GlobalAvgPool2d"), spread(2, 3, 11)),
    ("batchnorm.rank", "E-2", layer("BatchNorm"), spread(5)),
    ("conv2d.integers", "E-3", CONV, indices(2, 3, 11, 7, below=9, dtype="int32")),
    ("relu.integers", "E-3", layer("ReLU"), indices(2, 3, below=9, dtype="int32")),
    ("layernorm.integers", "E-3", layer("LayerNorm"), indices(2, 3, below=9, dtype="int32")),
    ("embedding.floats", "E-3", EMBED, spread(2, 3)),
    ("conv2d.zero-size", "E-1", CONV, numbers([[], []])),
    ("dense.vector-of-nothing", "E-1", dense(3), numbers([])),
    ("layernorm.vector-of-nothing", "E-1", layer("LayerNorm", affine=False), numbers([])),
    ("softmax.axis-outside", "E-2", layer("Softmax", axis=2), spread(2, 3)),
]
# Names, layers, a first input and a second.
AFTER: list[tuple[str, Data, Data, Data]] = [
    ("conv2d.another-channel-count", CONV, spread(2, 3, 11, 7), spread(2, 5, 11, 7)),
    ("batchnorm.another-channel-count", layer("BatchNorm"), spread(5, 3), spread(5, 7)),
    ("layernorm.another-feature-count", layer("LayerNorm"), spread(5, 3), spread(5, 7)),
]
SIZES: list[tuple[str, Data, Data, Data]] = [
    ("conv2d.another-image-size", CONV, spread(2, 3, 11, 7), spread(5, 3, 8, 13)),
    ("batchnorm.another-image-size", layer("BatchNorm"), spread(2, 3, 5, 7), spread(5, 3, 8, 4)),
]


def refused() -> list[Case]:
    """Return, for each input, a case of the error and one of its text."""
    found: list[Case] = []
    for name, clause, spec, x in REFUSED:
        steps: list[Any] = [
            ["construct", {"spec": spec}],
            ["to", {}],
            ["initialize", {"seed": 1}],
            ["call", {"inputs": [x]}],
        ]
        for suffix, of, asked in (
            ("", clause, ["error", "shapes", "states"]),
            (".text", "E-5", ["error.text"]),
        ):
            found.append(
                case(
                    f"layers.{name}{suffix}",
                    of,
                    steps,
                    [[3, each] for each in asked],
                    feature=feature_of(spec),
                    needs=(f"layers.{name}", "core.error.size-deep-in-a-tree.text") if suffix else (),
                )
            )
    return found


def contradictions() -> list[Case]:
    """Return the cases of values whose sizes contradict each other."""
    found: list[Case] = []
    for kind in ("BatchNorm", "LayerNorm"):
        feature = kind.lower()
        found.append(
            case(
                f"layers.{feature}.values-that-contradict",
                "P-4",
                [
                    ["construct", {"spec": layer(kind)}],
                    ["to", {}],
                    ["set", {"path": "bias", "data": spread(8)}],
                    ["set", {"path": "weight", "data": spread(7)}],
                ],
                [[3, "error"], [3, "shapes"], [3, "states"]],
                feature=feature,
            )
        )
    return found


def later_refused() -> list[Case]:
    """Return the cases of a ready layer that meets channels it doesn't know."""
    found: list[Case] = []
    for name, spec, x, other in AFTER:
        feature = feature_of(spec)
        found.append(
            case(
                f"layers.{name}",
                "I-6",
                [
                    ["construct", {"spec": spec}],
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["mode", {"training": False}],
                    ["call", {"inputs": [x]}],
                    ["call", {"inputs": [other], "goes_on": True}],
                    ["call", {"inputs": [x]}],
                ],
                [[5, "error"], [5, "shapes"], [5, "values"], [6, "output"]],
                feature=feature,
                oracle="reference",
                needs=(f"layers.{feature}.plain.values",),
            )
        )
    return found


def later_taken() -> list[Case]:
    """Return the cases of a ready layer that meets an image of another size."""
    found: list[Case] = []
    for name, spec, x, other in SIZES:
        feature = feature_of(spec)
        found.append(
            case(
                f"layers.{name}",
                "I-5",
                [
                    ["construct", {"spec": spec}],
                    ["to", {}],
                    ["initialize", {"seed": 1}],
                    ["mode", {"training": False}],
                    ["call", {"inputs": [x]}],
                    ["call", {"inputs": [other]}],
                ],
                [[5, "shapes"], [5, "values"], [5, "output"]],
                feature=feature,
                oracle="reference",
                needs=(f"layers.{feature}.plain.values",),
            )
        )
    return found


def cases() -> list[Case]:
    """Return the cases of refused inputs and values, before data and after."""
    return [*refused(), *contradictions(), *later_refused(), *later_taken()]

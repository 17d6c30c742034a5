"""Cases of layers with numbers that stand in papers, books and standards, or are worked by hand."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers

from .write import Case, Data, case, layer

CONV = layer("Conv1d", out_channels=1, kernel_size=2, bias=False)
ONES = layer("Conv1d", out_channels=1, kernel_size=3, stride=2, padding="same", bias=False)
CORNER = layer("AvgPool2d", kernel_size=3, stride=1, padding=1)


def _worked(name: str, clause: str, spec: Data, values: Data, x: Any, y: Any, feature: str) -> Case:
    steps: list[Any] = [["construct", {"spec": spec}], ["to", {}], ["mode", {"training": False}]]
    steps += [["set_all", {"values": values}]] if values else []
    steps.append(["call", {"inputs": [x]}])
    last = len(steps) - 1
    expect = {str(last): {"output": [y]}}
    return case(
        f"layers.{name}",
        clause,
        steps,
        [[last, "output"]],
        feature=feature,
        oracle="published",
        expect=expect,
        needs=(f"layers.{feature}.plain.values",),
    )


def cases() -> list[Case]:
    """Return the cases of layers whose outputs are worked by hand."""
    return [
        _worked(
            "conv1d.not-flipped",
            "L-2",
            CONV,
            {"weight": numbers([[[10, 100]]])},
            numbers([[[1, 2, 3]]]),
            [[[210.0, 320.0]]],
            "conv1d",
        ),
        _worked(
            "conv1d.same-pads-at-the-end",
            "L-3",
            ONES,
            {"weight": numbers([[[1, 1, 1]]])},
            numbers([[[1, 2, 3, 4]]]),
            [[[6.0, 7.0]]],
            "conv1d",
        ),
        _worked(
            "maxpool2d.padding-never-wins",
            "L-4",
            layer("MaxPool2d", kernel_size=2, stride=2, padding=1),
            {},
            numbers([[[[-1, -2], [-3, -4]]]]),
            [[[[-1.0, -2.0], [-3.0, -4.0]]]],
            "maxpool2d",
        ),
        _worked(
            "avgpool2d.padding-counts",
            "L-5",
            CORNER,
            {},
            numbers([[[[9, 18, 27], [36, 45, 54], [63, 72, 81]]]]),
            [[[[12.0, 21.0, 16.0], [27.0, 45.0, 33.0], [24.0, 39.0, 28.0]]]],
            "avgpool2d",
        ),
        _worked(
            "flatten.channels-first-order",
            "L-9",
            layer("Flatten"),
            {},
            numbers([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]),
            [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]],
            "flatten",
        ),
        _worked(
            "leakyrelu.default-slope",
            "L-10",
            layer("LeakyReLU"),
            {},
            numbers([[-128.0, 2.0]]),
            [[_single(-1.28), 2.0]],
            "leakyrelu",
        ),
    ]


def _single(value: float) -> float:
    import numpy as np

    return float(np.float32(value))

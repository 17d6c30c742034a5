"""The oracle's streams against the library's, bit for bit, and the laws against their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isomorph import init, nn
from isomorph.conformance.layers.record import WEIGHT, within_fan_in
from isomorph.conformance.model import streams
from isomorph.conformance.model.machine import Machine

NUMBERS = st.floats(-5, 5, allow_nan=False)
POSITIVE = st.floats(0, 5)
SCALED = {"distribution": st.sampled_from(["uniform", "normal"])}
LAWS = st.one_of(
    st.just({"law": "Zeros"}),
    st.just({"law": "Ones"}),
    st.fixed_dictionaries({"law": st.just("Constant"), "value": NUMBERS | st.integers(-9, 9)}),
    st.fixed_dictionaries({"law": st.just("Normal")}, optional={"std": POSITIVE, "mean": NUMBERS}),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: {"law": "Uniform", "low": min(pair), "high": max(pair)}),
    st.fixed_dictionaries({"law": st.just("Xavier")}, optional={**SCALED, "gain": POSITIVE}),
    st.fixed_dictionaries(
        {"law": st.just("Kaiming")},
        optional={**SCALED, "mode": st.sampled_from(["fan_in", "fan_out"]), "a": POSITIVE},
    ),
)
PATHS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.sampled_from(
    ["0.weight", "hidden.bias"]
)
SHAPES = st.lists(st.integers(1, 7), min_size=2, max_size=4).map(tuple)
DTYPES = st.sampled_from(["float16", "bfloat16", "float32", "float64"])
SEEDS = st.integers(0, 2**63)


def library(law: dict) -> Any:
    return getattr(init, law["law"])(**{key: value for key, value in law.items() if key != "law"})


def same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert np.ascontiguousarray(actual).tobytes() == np.ascontiguousarray(expected).tobytes()


@settings(max_examples=3000, deadline=None)
@given(LAWS, SEEDS, PATHS, SHAPES, DTYPES)
def test_values_are_the_librarys_bit_for_bit(
    law: dict, seed: int, path: str, shape: tuple, dtype: str
) -> None:
    same_bits(streams.draw(law, shape, dtype, seed, path), init.draw(library(law), seed, path, shape, dtype))


LAYERS = {
    "dense": ({"kind": "Dense", "units": 5, "in_features": 3}, lambda: nn.Dense(5, in_features=3)),
    "conv1d": (
        {"kind": "Conv1d", "out_channels": 5, "kernel_size": 3, "in_channels": 7},
        lambda: nn.Conv1d(5, 3, in_channels=7),
    ),
    "conv2d": (
        {"kind": "Conv2d", "out_channels": 6, "kernel_size": [2, 3], "in_channels": 9, "groups": 3},
        lambda: nn.Conv2d(6, (2, 3), in_channels=9, groups=3),
    ),
    "embedding": (
        {"kind": "Embedding", "num_embeddings": 11, "embedding_dim": 3},
        lambda: nn.Embedding(11, 3),
    ),
    "batch-norm": ({"kind": "BatchNorm", "in_features": 3}, lambda: nn.BatchNorm(in_features=3)),
    "layer-norm": ({"kind": "LayerNorm", "in_features": 3}, lambda: nn.LayerNorm(in_features=3)),
}


@pytest.mark.parametrize("given_law", [None, {"law": "Normal", "std": 0.01}], ids=["default", "given"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_start_as_the_oracle_says(name: str, given_law: dict | None) -> None:
    (layer, make) = LAYERS[name]
    net = nn.Sequential(make()).initialize(library(given_law) if given_law else None, seed=11)
    construct = ["construct", {"spec": {"kind": "Sequential", "children": [layer]}}]
    said = Machine().expected([construct, ["initialize", {"law": given_law, "seed": 11}]])[-1].state["net"]
    assert [each["path"] for each in said] == list(net.state())
    for each in said:
        same_bits(net.state()[each["path"]].numpy(), each["value"])


def test_the_stream_is_the_documented_one() -> None:
    """SHA-256 of "abc" is FIPS 180-2's example; its words are read least significant byte first."""
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    expected = np.random.Generator(np.random.SFC64(np.random.SeedSequence([7, *words])))
    assert streams.generator(7, "abc").random(9).tolist() == expected.random(9).tolist()


SCALES = {
    "xavier": ({"law": "Xavier"}, torch.nn.init.xavier_uniform_),
    "xavier-normal": ({"law": "Xavier", "distribution": "normal"}, torch.nn.init.xavier_normal_),
    "kaiming": ({"law": "Kaiming"}, torch.nn.init.kaiming_uniform_),
    "kaiming-normal": ({"law": "Kaiming", "distribution": "normal"}, torch.nn.init.kaiming_normal_),
    "fan-out": (
        {"law": "Kaiming", "mode": "fan_out"},
        lambda weight: torch.nn.init.kaiming_uniform_(weight, mode="fan_out"),
    ),
    "default": (WEIGHT, lambda weight: torch.nn.init.kaiming_uniform_(weight, math.sqrt(5))),
}


@pytest.mark.parametrize("name", SCALES)
def test_scales_are_pytorchs(name: str) -> None:
    law, judge = SCALES[name]
    shape = (53, 31, 5, 7)
    torch.manual_seed(0)
    theirs = judge(torch.empty(shape)).numpy()
    mine = streams.draw(law, shape, "float32", 0, "weight")
    assert mine.std() == pytest.approx(theirs.std(), rel=0.02)
    if law.get("distribution") != "normal":
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)


def test_a_bias_stays_within_its_weights_fan_in() -> None:
    drawn = streams.draw(within_fan_in((9973, 25)), (9973,), "float32", 0, "bias")
    assert 0.199 < np.abs(drawn).max() <= 0.2


def test_a_bias_needs_its_weights_shape() -> None:
    with pytest.raises(ValueError, match="whole shape"):
        within_fan_in((3, None))

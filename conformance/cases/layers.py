"""Cases of the layers: named rows, each a layer with one option in both data formats."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS

from .write import Case, Data, case, values_for

FORMATS = {"first": "channels_first", "last": "channels_last"}
Row = tuple[str, Data, tuple[int, ...]]
ROWS: tuple[Row, ...] = tuple(
    (row.slug, record.layer(row.options), row.shape) for record in RECORDS.values() for row in record.rows
)
PLAIN = {spec["kind"]: (spec, shape) for slug, spec, shape in ROWS if slug == "plain"}
# Layers whose data format says where channels are.
IMAGES = tuple(name for name, record in RECORDS.items() if record.moves_channels)


def feature_of(spec: Data) -> str:
    """Return a layer's feature: the row of the scoreboard it counts in."""
    return RECORDS[spec["kind"]].feature


def in_format(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    """Return a channels-first shape in a data format."""
    return (shape[0], *shape[2:], shape[1]) if data_format == "channels_last" and len(shape) > 1 else shape


def input_for(spec: Data, shape: tuple[int, ...]) -> Data:
    """Return a layer's input of a shape."""
    return RECORDS[spec["kind"]].input(spec, shape)


def formats_of(spec: Data, shape: tuple[int, ...]) -> list[str]:
    """Return the data formats in which a layer meets inputs of this rank differently."""
    return list(FORMATS) if RECORDS[spec["kind"]].moves_channels and len(shape) > 2 else ["first"]


def moved_in(data_format: str) -> Data:
    """Return the options of a move to a backend in a data format; the default is not named."""
    return {} if data_format == "channels_first" else {"data_format": data_format}


def simpler(feature: str, slug: str) -> set[str]:
    """Return the stems of the cases whose slugs begin this one: groups-of-four needs groups."""
    words = slug.split("-")
    return {f"layers.{feature}.{'-'.join(words[:count])}" for count in range(1, len(words))}


def pair(
    stem: str, spec: Data, shape: tuple[int, ...], data_format: str, base: tuple[str, ...], options: Data
) -> list[Case]:
    """Return a case of shapes and one of values, of one layer on one input."""
    record = RECORDS[spec["kind"]]
    to: list[Any] = ["to", {**moved_in(data_format), **options}]
    construct: list[Any] = ["construct", {"spec": spec}]
    evaluate: list[Any] = ["mode", {"training": False}]
    call: list[Any] = ["call", {"inputs": [record.input(spec, shape)]}]
    values = values_for(spec, shape, data_format)
    setting: list[Any] = [["set_all", {"values": values}]] if values else []
    steps = [construct, to, evaluate, *setting, call]
    last = len(steps) - 1
    return [
        case(
            f"{stem}.shapes",
            record.shapes_clause,
            [construct, to, evaluate, call],
            [[1, "shapes"], [3, "shapes"], [3, "output.shape"]],
            feature=record.feature,
            needs=tuple(f"{each}.shapes" for each in base),
        ),
        case(
            f"{stem}.values",
            record.clause_of(spec),
            steps,
            [[last, "output.dtype"], [last, "output"]],
            feature=record.feature,
            oracle="reference",
            needs=(f"{stem}.shapes", *(f"{each}.values" for each in base)),
        ),
    ]


def cases() -> list[Case]:
    """Return, for each row and data format, a case of shapes and one of values."""
    found: list[Case] = []
    stems: set[str] = set()
    for slug, spec, shape in ROWS:
        feature = feature_of(spec)
        for short in formats_of(spec, shape):
            last = ".last" if short == "last" else ""
            stem = f"layers.{feature}.{slug}{last}"
            plain = {f"layers.{feature}.plain", f"layers.{feature}.plain{last}", stem.removesuffix(".last")}
            needs = tuple(sorted(((plain | simpler(feature, slug)) & stems) - {stem}))
            stems.add(stem)
            found += pair(stem, spec, in_format(shape, FORMATS[short]), FORMATS[short], needs, {})
    return found

"""Cases of later calls of another rank than the first."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.layers import RECORDS

from .layers import FORMATS, PLAIN, formats_of, in_format, moved_in
from .write import Case, Data, case

# Channels first; all sizes that a swapped axis could take for another are equal.
EQUAL = {1: (6,), 2: (6, 6), 3: (6, 6, 6), 4: (6, 6, 6, 6)}


def _ranks(kind: str) -> list[int]:
    """Return those of the first few ranks that a layer takes."""
    least, most = RECORDS[kind].ranks
    # A compiler that knows no ranks can't tell a vector from what has channels last.
    least = max(least, 2 if RECORDS[kind].moves_channels else 1)
    return [rank for rank in EQUAL if rank >= least and (most is None or rank <= most)]


def _input(kind: str, spec: Data, rank: int, data_format: str) -> Data:
    return RECORDS[kind].input(spec, in_format(EQUAL[rank], data_format))


def _steps(kind: str, spec: Data, ranks: list[int], data_format: str, training: bool) -> list[Any]:
    return [
        ["construct", {"spec": spec}],
        ["to", moved_in(data_format)],
        ["initialize", {"seed": 11}],
        ["mode", {"training": training}],
        *(["call", {"inputs": [_input(kind, spec, rank, data_format)]}] for rank in ranks),
    ]


def cases() -> list[Case]:
    """Return, for each layer that takes several ranks, a call of each rank and then of all others."""
    found: list[Case] = []
    for kind, (spec, shape) in PLAIN.items():
        record, allowed = RECORDS[kind], _ranks(kind)
        if not (record.parameters(spec) or record.moves_channels) or record.takes_indices or len(allowed) < 2:
            continue  # a function of each element knows no rank
        for first in allowed:
            ranks = [first, *(rank for rank in allowed if rank != first)]
            for short in formats_of(spec, EQUAL[max(ranks)]):
                plain = ".last" if short == "last" and short in formats_of(spec, shape) else ""
                for training in (False, True) if kind == "BatchNorm" else (False,):
                    mode, last = ".training" if training else "", ".last" if short == "last" else ""
                    steps = _steps(kind, spec, ranks, FORMATS[short], training)
                    calls = range(len(steps) - len(ranks), len(steps))
                    asked = [[at, what] for at in calls for what in ("output", "statistics")]
                    found.append(
                        case(
                            f"layers.{record.feature}.second.after-rank-{first}{mode}{last}",
                            record.clause,
                            steps,
                            asked,
                            feature=record.feature,
                            oracle="reference",
                            needs=(f"layers.{record.feature}.plain{plain}.values",),
                        )
                    )
    return found

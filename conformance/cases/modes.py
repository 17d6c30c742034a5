"""Cases of modes, running statistics and dropout."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import numbers, spread

from .layers import FORMATS, in_format
from .nets import CALL, SEED, TO
from .write import Case, Data, chain, dense, layer, train_case, values_for

IMAGE = (2, 3, 5, 7)
NORM = layer("BatchNorm")
REFERENCE: dict[str, Any] = {"oracle": "reference"}
PLAIN = "train.batchnorm.batch-statistics.plain"
STATISTICS = "train.batchnorm.running.one-step"


def _norm(spec: Data, shape: tuple[int, ...], data_format: str = "channels_first") -> list[Any]:
    shape = in_format(shape, data_format)
    to = {"data_format": data_format} if data_format != "channels_first" else {}
    values = values_for(spec, shape, data_format)
    return [["construct", {"spec": spec}], ["to", to], ["set_all", {"values": values}]]


STEPS = _norm(NORM, (5, 3))
CALLS: list[Any] = [["call", {"inputs": [spread(5, 3, salt=salt, offset=salt)]}] for salt in range(3)]
CALL_ONES: list[Any] = ["call", {"inputs": [numbers([[1.0] * 31] * 31)]}]


def statistics() -> list[Case]:
    """Return the cases of a norm by the batch's statistics, and of one step of the running ones."""
    found: list[Case] = []
    shapes = {"plain": (5, 3), "sequence": (5, 3, 7), "image": IMAGE}
    for name, shape in shapes.items():
        for short, data_format in FORMATS.items():
            if short == "last" and len(shape) == 2:
                continue
            suffix = ".last" if short == "last" else ""
            steps = _norm(NORM, shape, data_format)
            call = ["call", {"inputs": [spread(*in_format(shape, data_format), offset=0.5)]}]
            found.append(
                train_case(
                    f"batchnorm.batch-statistics.{name}{suffix}",
                    "M-2",
                    [*steps, call],
                    [[3, "output.dtype"], [3, "output"]],
                    needs=() if f"train.batchnorm.batch-statistics.{name}{suffix}" == PLAIN else (PLAIN,),
                    **REFERENCE,
                )
            )
            found.append(
                train_case(
                    f"batchnorm.running.{'one-step' if name == 'plain' else name}{suffix}",
                    "M-3",
                    [*steps, call],
                    [[3, "statistics"]],
                    needs=() if name == "plain" else (STATISTICS,),
                    **REFERENCE,
                )
            )
    return found


def running() -> list[Case]:
    """Return the cases of running statistics over several calls."""
    return [
        train_case(
            "batchnorm.running.three-steps",
            "M-3",
            [*STEPS, *CALLS],
            [[5, "statistics"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.running.momentum",
            "M-3",
            [*_norm(layer("BatchNorm", momentum=0.3), (5, 3)), *CALLS],
            [[5, "statistics"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.running.from-the-start",
            "M-3",
            [["construct", {"spec": NORM}], TO, CALLS[0]],
            [[2, "statistics"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.running.changed-once-by-the-first-call",
            "M-3",
            [["construct", {"spec": chain(dense(3), NORM)}], TO, SEED, CALL],
            [[3, "statistics"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
    ]


def evaluation() -> list[Case]:
    """Return the cases of a norm in evaluation, and of what changes no statistics."""
    return [
        train_case(
            "batchnorm.eps",
            "M-2",
            [*_norm(layer("BatchNorm", eps=0.3), (5, 3)), CALLS[0]],
            [[3, "output"]],
            needs=(PLAIN,),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.eval-uses-running",
            "M-4",
            [*STEPS, CALLS[1], ["mode", {"training": False}], CALLS[0]],
            [[5, "output"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.eval-changes-nothing",
            "M-4",
            [*STEPS, ["mode", {"training": False}], CALLS[0], CALLS[1]],
            [[5, "values"], [5, "statistics"]],
            **REFERENCE,
        ),
        train_case(
            "batchnorm.infer-changes-nothing",
            "D-8",
            [*STEPS, ["infer", {"shapes": [[7, 3]]}]],
            [[3, "values"]],
            oracle="stream",
        ),
        train_case(
            "batchnorm.one-value-in-training",
            "E-1",
            [["construct", {"spec": NORM}], TO, ["call", {"inputs": [spread(1, 3)]}]],
            [[2, "error"], [2, "states"]],
        ),
        train_case(
            "batchnorm.one-value-in-evaluation",
            "M-4",
            [*STEPS, ["mode", {"training": False}], ["call", {"inputs": [spread(1, 3)]}]],
            [[4, "output"]],
            **REFERENCE,
        ),
    ]


def moves() -> list[Case]:
    """Return the cases of statistics that outlast a move and a failed call."""
    return [
        train_case(
            "batchnorm.move-and-back",
            "P-9",
            [
                *STEPS,
                CALLS[1],
                ["to", {"backend": "numpy"}],
                ["to", {}],
                ["mode", {"training": False}],
                CALLS[0],
            ],
            [[7, "output"]],
            needs=("train.batchnorm.eval-uses-running",),
            **REFERENCE,
        ),
        train_case(
            "batchnorm.failed-call-keeps-statistics",
            "D-9",
            [
                ["construct", {"spec": chain(NORM, layer("Flatten"), dense(3))}],
                TO,
                SEED,
                ["call", {"inputs": [spread(2, 3, 7)]}],
                # The norm takes any length; what is behind it does not.
                ["call", {"inputs": [spread(2, 3, 11)]}],
            ],
            [[4, "error"], [4, "states"], [4, "statistics"], [4, "values"]],
            oracle="reference",
            needs=(STATISTICS,),
        ),
    ]


def switches() -> list[Case]:
    """Return the cases of modes that are switched."""
    return [
        train_case(
            "mode.default-is-training",
            "M-1",
            [["construct", {"spec": NORM}], TO, CALLS[1]],
            [[2, "statistics"]],
            needs=(STATISTICS,),
            **REFERENCE,
        ),
        train_case(
            "mode.part-of-a-net",
            "M-7",
            [
                ["construct", {"spec": chain(NORM, dense(5), NORM)}],
                TO,
                SEED,
                ["mode", {"training": False, "path": "0"}],
                CALLS[1],
            ],
            [[4, "statistics"], [4, "output"]],
            needs=(PLAIN,),
            **REFERENCE,
        ),
        train_case(
            "mode.back-and-forth",
            "M-7",
            [
                *STEPS,
                ["mode", {"training": False}],
                CALLS[0],
                ["mode", {"training": True}],
                CALLS[1],
                ["mode", {"training": False}],
                CALLS[0],
            ],
            [[6, "statistics"], [8, "output"]],
            needs=(PLAIN,),
            **REFERENCE,
        ),
        train_case(
            "mode.before-backend",
            "M-7",
            [["construct", {"spec": NORM}], ["mode", {"training": False}], TO, CALLS[1]],
            [[3, "output"], [3, "statistics"]],
            **REFERENCE,
        ),
    ]


def dropout() -> list[Case]:
    """Return the cases of dropout in each mode."""
    return [
        train_case(
            "dropout.evaluation",
            "M-5",
            [["construct", {"spec": layer("Dropout", p=0.25)}], TO, ["mode", {"training": False}], CALL],
            [[3, "output"]],
            **REFERENCE,
        ),
        train_case(
            "dropout.training",
            "M-6",
            [
                ["construct", {"spec": layer("Dropout", p=0.25)}],
                TO,
                ["call", {"inputs": [numbers([[1.0] * 127] * 127)]}],
            ],
            [[2, "dropout", {"p": 0.25}]],
            oracle="rules",
        ),
        train_case(
            "dropout.none",
            "M-6",
            [["construct", {"spec": layer("Dropout", p=0.0)}], TO, CALL],
            [[2, "output"]],
            **REFERENCE,
        ),
        train_case(
            "dropout.draws-anew",
            "M-6",
            [["construct", {"spec": layer("Dropout", p=0.5)}], TO, CALL_ONES, CALL_ONES],
            [[3, "output", {"unlike": 2}]],
            oracle="relation",
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of batch and running statistics, modes and dropout."""
    return [*statistics(), *running(), *evaluation(), *moves(), *switches(), *dropout()]

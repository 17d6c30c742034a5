"""Cases of freezing: parameters that training leaves alone, and the gradients that are kept."""

from __future__ import annotations

from typing import Any

from isomorph.conformance.data import spread

from .nets import CALL, CALLED, NET, READY, SEED, TIED_PARAMETER, TO, TOKENS, X
from .write import Case, core_case, dense, law

FREEZE: list[Any] = ["freeze", {"path": "0.weight"}]
SET: list[Any] = ["set", {"path": "0.weight", "data": spread(7, 5)}]
THAW: list[Any] = ["freeze", {"path": "0.weight", "trainable": True}]
GRADIENTS: list[Any] = ["gradients", {"inputs": [X], "loss": "half-square-sum"}]
READ: list[Any] = ["read", {"path": "0.weight", "what": "grad"}]


def frozen() -> list[Case]:
    """Return the cases of frozen parameters in every state."""
    first = ("core.freeze.before-sizes",)

    def stays(name: str, steps: list[Any], **more: Any) -> Case:
        last = len(steps) - 1
        asked = [[last, "trainable"], [last, "states"], [last, "kind"]]
        return core_case(f"freeze.{name}", "P-13", steps, asked, needs=first, **more)

    def keeps(name: str, steps: list[Any], observable: str, **more: Any) -> Case:
        last = len(steps) - 1
        return core_case(f"freeze.{name}", "P-14", steps, [[last, observable]], needs=first, **more)

    return [
        core_case(
            "freeze.before-sizes",
            "P-13",
            [NET, TO, SEED, FREEZE, CALL],
            [[3, "trainable"], [3, "states"], [4, "trainable"], [4, "kind"]],
            needs=CALLED,
        ),
        stays("before-a-backend", [NET, FREEZE, TO, SEED, CALL]),
        stays("with-values", [*READY, FREEZE, CALL]),
        stays("and-back", [*READY, FREEZE, CALL, THAW]),
        stays("and-back-before-sizes", [NET, TO, FREEZE, THAW, SEED, CALL]),
        stays("initialized-anew", [*READY, FREEZE, ["initialize", {"seed": 3, "force": True}]]),
        stays("copied", [*READY, FREEZE, ["copy", {"to": "twin"}], THAW]),
        stays("copied-before-sizes", [NET, TO, FREEZE, ["copy", {"to": "twin"}], THAW, CALL]),
        stays("pickled", [*READY, FREEZE, ["pickle", {"to": "twin"}], ["to", {"net": "twin"}], THAW]),
        stays("pickled-before-sizes", [NET, FREEZE, ["pickle", {"to": "twin"}], THAW]),
        stays("moved-and-back", [*READY, FREEZE, ["to", {"backend": "numpy"}], TO, CALL]),
        stays("moved-before-sizes", [NET, TO, FREEZE, ["to", {"backend": "numpy"}], TO, SEED, CALL]),
        stays("beside-a-new-part", [*READY, FREEZE, ["append", {"spec": dense(5)}], CALL]),
        stays("then-replaced", [*READY, FREEZE, ["assign", {"path": "0", "spec": dense(7)}], CALL]),
        stays(
            "shared",
            [
                ["construct", {"spec": TIED_PARAMETER}],
                TO,
                SEED,
                ["freeze", {"path": "out.weight"}],
                ["call", {"inputs": [TOKENS]}],
            ],
            level="layers",
        ),
        stays("cast", [*READY, FREEZE, ["to", {"dtype": "float64"}], CALL], level="extras"),
        keeps("initial-values", [NET, TO, FREEZE, SEED, CALL], "values", oracle="stream"),
        keeps(
            "follows-a-law",
            [NET, TO, FREEZE, ["initialize", {"law": law("Constant", value=0.25), "seed": 11}], CALL],
            "values",
            oracle="stream",
        ),
        keeps("keeps-its-place", [*READY, FREEZE, ["select", {"pattern": ".*"}]], "selected"),
        keeps("is-counted", [*READY, FREEZE, ["count", {}]], "count"),
        keeps("takes-values", [*READY, FREEZE, SET], "values"),
        keeps("is-used", [*READY, FREEZE, CALL], "output", oracle="reference"),
    ]


def gradients() -> list[Case]:
    """Return the cases of gradients, some of them of frozen parameters."""

    def asked(name: str, clause: str, steps: list[Any]) -> Case:
        asks = [[len(steps) - 1, "gradients"]]
        more: dict[str, Any] = {"oracle": "reference", "needs": ("train.gradients.dense",)}
        return core_case(f"gradients.{name}", clause, steps, asks, level="train", **more)

    sums: list[Any] = ["gradients", {"inputs": [X], "loss": "sum"}]
    return [
        asked("frozen-before-sizes", "G-5", [NET, TO, FREEZE, SEED, GRADIENTS]),
        asked("frozen", "G-5", [*READY, FREEZE, GRADIENTS]),
        asked("frozen-after-gradients", "G-5", [*READY, GRADIENTS, FREEZE, GRADIENTS]),
        asked("thawed", "G-5", [*READY, FREEZE, GRADIENTS, THAW, GRADIENTS]),
        asked("frozen-and-moved", "G-5", [*READY, FREEZE, ["to", {"backend": "numpy"}], TO, GRADIENTS]),
        asked("frozen-copy", "G-5", [*READY, FREEZE, ["copy", {"to": "net"}], GRADIENTS]),
        asked(
            "all-frozen",
            "G-5",
            [
                *READY,
                *(["freeze", {"path": f"{layer}.{name}"}] for layer in "01" for name in ("weight", "bias")),
                GRADIENTS,
            ],
        ),
        core_case(
            "gradients.kept",
            "G-6",
            [*READY, READ, GRADIENTS, READ],
            [[4, "gradients"], [6, "gradients"]],
            oracle="reference",
            needs=("train.gradients.dense",),
            level="train",
        ),
        asked("the-last-is-kept", "G-6", [*READY, GRADIENTS, sums, READ]),
        asked("none-of-a-frozen-one", "G-6", [*READY, GRADIENTS, FREEZE, GRADIENTS, READ]),
    ]


def cases() -> list[Case]:
    """Return the cases of frozen parameters and of the gradients that are kept."""
    return [*frozen(), *gradients()]

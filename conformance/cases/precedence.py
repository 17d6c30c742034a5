"""Cases of which initial law wins."""

from __future__ import annotations

from typing import Any

from .nets import CALL, NET, READY, TO
from .write import Case, Data, chain, core_case, dense, law

ONE, TWO, THREE = law("Constant", value=1), law("Constant", value=2), law("Constant", value=3)
OWN: list[Any] = ["construct", {"spec": chain(dense(7, weight_init=THREE), dense(3))}]
NESTED: list[Any] = ["construct", {"spec": chain(chain(dense(7), dense(5)), dense(3))}]


def _ask(law: Data, path: str = "", **more: Any) -> list[Any]:
    return ["initialize", {"law": law, "path": path, **more}]


def laws() -> list[Case]:
    """Return a case for each two laws that meet."""
    rows: dict[str, tuple[list[Any], list[list[Any]]]] = {
        "constructor-over-net": (OWN, [_ask(ONE)]),
        "parameter-over-net": (NET, [_ask(ONE, "0.weight"), _ask(TWO)]),
        "layer-over-net": (NET, [_ask(ONE, "0"), _ask(TWO)]),
        "layer-over-constructor": (OWN, [_ask(ONE, "0")]),
        "pattern-over-net": (NET, [["initialize", {"patterns": {r"0\.weight": THREE}}], _ask(TWO)]),
        "pattern-over-constructor": (OWN, [["initialize", {"patterns": {r".*weight": ONE}}]]),
        "parameter-over-pattern": (
            NET,
            [_ask(ONE, "0.weight"), ["initialize", {"patterns": {r".*weight": THREE}}]],
        ),
        "layer-over-pattern": (NET, [_ask(ONE, "1"), ["initialize", {"patterns": {r".*": THREE}}]]),
        "nearest-over-net": (NESTED, [_ask(ONE, "0"), _ask(TWO)]),
        "layer-over-nearest": (NESTED, [_ask(THREE, "0.1"), _ask(ONE, "0"), _ask(TWO)]),
        "later-layer": (NET, [_ask(ONE, "0"), _ask(TWO, "0")]),
        "later-parameter-over-layer": (NET, [_ask(ONE, "0"), _ask(TWO, "0.weight")]),
        "later-layer-over-parameter": (NET, [_ask(TWO, "0.weight"), _ask(ONE, "0")]),
        "pattern-names-biases": (NET, [_ask(ONE), ["initialize", {"patterns": {r".*bias": TWO}}]]),
        "pattern-inside-a-part": (
            NESTED,
            [_ask(ONE), ["initialize", {"patterns": {r"1\.weight": TWO}, "path": "0"}]],
        ),
        "later-pattern": (
            NET,
            [["initialize", {"patterns": {".*": ONE}}], ["initialize", {"patterns": {r"1\..*": TWO}}]],
        ),
    }
    return [
        core_case(
            f"init.precedence.{name}",
            "N-7" if "pattern-" in name and "over" not in name else "N-6",
            [construct, TO, ["initialize", {"seed": 1}], *requests, CALL],
            [[3 + len(requests), "values"]],
            oracle="stream",
        )
        for name, (construct, requests) in rows.items()
    ]


def forced() -> list[Case]:
    """Return the cases of force on a part of a net, and of patterns that match nothing."""
    return [
        core_case(
            "init.precedence.force-forgets-laws-inside",
            "N-8",
            [*READY, _ask(ONE, "1", force=True), _ask(law("HalfZero"), force=True)],
            [[4, "values"], [5, "values"]],
            oracle="stream",
            needs=("core.init.force-redraws",),
        ),
        core_case(
            "init.precedence.force-one-parameter",
            "N-8",
            [*READY, _ask(law("Xavier"), "0.weight", force=True)],
            [[4, "values"]],
            oracle="stream",
            needs=("core.init.force-redraws",),
        ),
        core_case(
            "init.pattern-of-a-part-of-a-path",
            "N-7",
            [NET, TO, ["initialize", {"patterns": {"weight": ONE}}]],
            [[2, "error"], [2, "requested"]],
        ),
        core_case(
            "init.pattern-that-matches-nothing",
            "E-7",
            [NET, TO, ["initialize", {"patterns": {"wieght": ONE}}]],
            [[2, "error"], [2, "requested"]],
        ),
    ]


def cases() -> list[Case]:
    """Return the cases of which law wins: of several, with force, and by patterns."""
    return [*laws(), *forced()]

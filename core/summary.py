"""A table of a net's modules, shapes and parameter counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .inference import argument_specs, run_trace
from .parameter import Parameter
from .shape import Dim, Size, format_shape, product
from .structure import parts_of
from .tensor import TensorSpec
from .trace import Call, shapes_kept, tracing_shapes
from .tree import Tree


@dataclass(frozen=True)
class Row:
    """One module: where it is, what it returns, what it holds itself."""

    path: str
    kind: str
    output: str
    parameters: str
    count: str


@dataclass(frozen=True)
class Summary:
    """The rows of a summary and their total; printing it shows a table.

    >>> print(nn.Sequential(nn.Dense(3), nn.Dense(2)).summary())
    path  layer       output  parameters              count
          Sequential
    0     Dense               weight (3, ?) bias (3,)  3*? + 3
    1     Dense               weight (2, ?) bias (2,)  2*? + 2
    known so far 5, and 2 parameters or buffers of unknown size
    """

    rows: tuple[Row, ...]
    total: int
    unknown: int
    not_trainable: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        head = Row("path", "layer", "output", "parameters", "count")
        table = [tuple(asdict(row).values()) for row in (head, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        total = (
            f"total {self.total:,}: {self.total - self.not_trainable:,} trainable, {self.not_trainable:,} not"
        )
        if self.unknown:
            total = f"known so far {self.total:,}, and {self.unknown} parameters or buffers of unknown size"
        return "\n".join([*lines, total])

    __repr__ = __str__


def summarize(module: Tree, inputs: tuple[Any, ...], named: dict[str, Any]) -> Summary:
    """Return the summary of a net, after a dry run if inputs are given; nothing is changed."""
    if not inputs and not named:
        return _table(module, {})
    specs, keywords = argument_specs(inputs, named)
    with shapes_kept(module, always=True):
        with tracing_shapes(module) as trace:
            run_trace(module, specs, keywords)
        return _table(module, trace.calls)


def _table(module: Tree, calls: dict[int, Call]) -> Summary:
    rows, seen = [], set[int]()
    for path, inside in module.named_modules():
        own = {name: p for name, p in inside.own_parameters().items() if id(p) not in seen}
        seen.update(id(parameter) for parameter in own.values())
        count: Size = 0
        for parameter in own.values():
            count = count + _count(parameter)
        call = calls.get(id(inside))
        rows.append(
            Row(
                path,
                type(inside).__name__,
                _output(call.output) if call else "",
                " ".join(f"{name} {parameter.shape}" for name, parameter in own.items()),
                f"{count:,}" if isinstance(count, int) and own else str(count) if own else "",
            )
        )
    state = list(module.state().values())
    known = [p for p in state if p.shape.is_known]
    return Summary(
        tuple(rows),
        sum(p.shape.size for p in known),
        len(state) - len(known),
        sum(p.shape.size for p in known if not p.trainable),
    )


def _count(parameter: Parameter) -> Size:
    return product(Dim.symbol("?") if size is None else size for size in parameter.shape)


def _output(output: Any) -> str:
    if isinstance(output, TensorSpec):
        return format_shape(output.shape)
    keys, items = parts_of(output) or (None, None)
    if items is None:
        return type(output).__name__
    texts = map(_output, items)
    return ", ".join(texts if keys is None else (f"{key}: {text}" for key, text in zip(keys, texts)))

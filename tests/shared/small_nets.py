"""Small nets that several cases and tests use."""

from __future__ import annotations

from typing import Any

from isomorph import nn


class MLP(nn.Module):
    """The books' perceptron, 256 hidden units and 10 scores, without an input size."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Dense(256, activation="relu")
        self.out = nn.Dense(10)

    def forward(self, x: Any) -> Any:
        """Return (batch, 10) scores."""
        return self.out(self.hidden(x))

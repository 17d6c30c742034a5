"""A small CNN with a residual block, on the handwritten digits that scikit-learn ships.

    isomorph run examples/digits.py --backend all

The net is written once, without input sizes; each backend infers them from the images.
"""

from __future__ import annotations

import numpy as np

from isomorph import nn, ops


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm(),
            nn.ReLU(),
            nn.Conv2d(channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm(),
        )

    def forward(self, x):
        """Return the sum of both ways, rectified; shape as the input's."""
        return ops.relu(x + self.body(x))


class DigitsNet(nn.Module):
    """Scores for the ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(16, kernel_size=3, padding=1, activation="relu")
        self.block = Residual(16)
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.hidden = nn.Dense(32, activation="relu")
        self.scores = nn.Dense(10)

    def forward(self, images):
        """Return (batch, 10) scores for (batch, 1, 8, 8) images."""
        x = self.pool(self.block(self.stem(images)))
        return self.scores(self.hidden(self.flatten(x)))


def example_inputs() -> np.ndarray:
    """Return the 1,797 images, (1797, 1, 8, 8), between 0 and 1."""
    from sklearn.datasets import load_digits

    images: np.ndarray = load_digits().images
    return (images[:, None] / 16.0).astype("float32")

"""A small CNN with a residual block, on the handwritten digits that scikit-learn ships.

    python examples/digits.py                                   # on ISOMORPH_BACKEND, else NumPy
    isomorph run examples/digits.py:trained --backend all       # the trained net, backends compared

The net is written once, without input sizes; each backend infers them from the images. Its trained
weights, made by train_digits.py, fit every backend.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import isomorph
from isomorph import nn, ops

WEIGHTS = Path(__file__).with_name("digits_weights.npz")
SHADES = np.array(list(" .:+*#%@@"))


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


def labels() -> np.ndarray:
    """Return the digit that each image shows, (1797,)."""
    from sklearn.datasets import load_digits

    digits: np.ndarray = load_digits().target
    return digits


def held_out() -> np.ndarray:
    """Return which images the training never sees, (1797,): every fifth."""
    return np.arange(len(labels())) % 5 == 0


def trained() -> DigitsNet:
    """Return a net with the trained weights, in evaluation mode."""
    net = DigitsNet()
    with np.load(WEIGHTS) as values:
        for path, parameter in net.state().items():
            parameter.set(values[path].astype(parameter.dtype))
    return net.eval()


def drawn(images: np.ndarray) -> str:
    """Return (count, 1, 8, 8) images as text, side by side, two characters a pixel."""
    shades = SHADES[np.rint(images[:, 0] * 8).astype(int)].repeat(2, axis=-1)
    return "\n".join("  ".join("".join(line) for line in lines) for lines in shades.swapaxes(0, 1))


def main() -> None:
    images, digits = example_inputs()[held_out()], labels()[held_out()]
    print("A net, written without input sizes:", DigitsNet().parameters(), sep="\n")
    net = trained()
    found = isomorph.to_numpy(net(images)).argmax(1)
    print("\nWith trained weights, its sizes found:", net.parameters(), sep="\n")
    last = np.array([np.flatnonzero(digits == digit)[-1] for digit in range(10)])
    for row in (last[:5], last[5:]):
        print("", drawn(images[row]), sep="\n")
        print("  ".join(f"{f'this is a {digit}':^16}" for digit in found[row]))
    right = int((found == digits).sum())
    print(f"\n{right} of {len(digits)} digits that it never saw are recognised: {right / len(digits):.1%}")
    print("The same on every installed backend: isomorph run examples/digits.py:trained --backend all")


if __name__ == "__main__":
    main()

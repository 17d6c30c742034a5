"""Train the digits net on PyTorch, by its own module and optimiser, and keep the weights for every backend.

python examples/train_digits.py       # seconds; writes examples/digits_weights.npz
"""

from __future__ import annotations

import numpy as np
import torch
from digits import WEIGHTS, DigitsNet, example_inputs, held_out, labels

import isomorph

EPOCHS, BATCH = 30, 64


def main() -> None:
    torch.manual_seed(0)
    seen = ~held_out()
    images, digits = torch.from_numpy(example_inputs()[seen]), torch.from_numpy(labels()[seen])

    net = DigitsNet().initialize(seed=0).to("torch")
    net.infer((None, 1, 8, 8))
    optimizer = torch.optim.Adam(net.native.parameters())
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(net.native(images[batch]), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    np.savez_compressed(
        WEIGHTS, **{path: parameter.numpy().astype("float16") for path, parameter in net.state().items()}
    )
    scores = isomorph.to_numpy(net.eval()(example_inputs()[held_out()]))
    right = (scores.argmax(1) == labels()[held_out()]).mean()
    print(f"{right:.1%} of the digits held out are recognised; weights in {WEIGHTS}")


if __name__ == "__main__":
    main()

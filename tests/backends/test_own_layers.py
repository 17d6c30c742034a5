"""The page on layers of one's own: each framework's lowering of it, run as its users would go on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-layer.md").read_text()
USE = """
import numpy, pickle, copy
from isomorph import backend, errors, init, nn, ops, to_numpy

def make():
    return nn.Sequential(nn.Dense(5), Scale(), nn.Dense(2))

x = numpy.arange(6, dtype="float32").reshape(2, 3) / 6
laws = {r"1\\.weight": init.Uniform(0.5, 2.0)}
assert backend(NAME).table[Scale][0] is not None, "no lowering was entered"
net = make().initialize(seed=0).initialize(laws).to(NAME)
assert net[1].weight.shape == (None,) and not net[1].weight.is_ready
y = to_numpy(net(x))
scale, first, last = net[1].weight.numpy(), net[0], net[2]
assert scale.shape == (5,) and 0.5 <= scale.min() < scale.max() <= 2.0, scale
hidden = (x @ first.weight.numpy().T + first.bias.numpy()) * scale
wanted = hidden @ last.weight.numpy().T + last.bias.numpy()
numpy.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)
numpy.testing.assert_allclose(to_numpy(net(x[:1])), wanted[:1], rtol=1e-4, atol=1e-5)
net[1].weight.set(2 * scale)
numpy.testing.assert_array_equal(net[1].weight.numpy(), 2 * scale)
try:
    net[1](numpy.ones((2, 7), "float32"))
except errors.IsomorphError as error:
    assert str(error).startswith("1"), error
else:
    raise SystemExit("a wrong size was let in")
if NAME != "numpy":
    found = net.gradients(ops.sum, x)["1.weight"]
    assert found.shape == (5,) and abs(found).max() > 0
known = Scale()
known.weight.shape = (3,)
known.weight.initialize(init.Constant(4.0))
known.to(NAME)
assert known.weight.is_ready, "known sizes wait for nothing"
numpy.testing.assert_allclose(to_numpy(known(x)), 4 * x, rtol=1e-6)
copied = copy.deepcopy(net)
numpy.testing.assert_allclose(to_numpy(copied(x)), to_numpy(net(x)), rtol=1e-6)
"""


def sections() -> dict[str, str]:
    """Return the block of each framework's section."""
    found = re.findall(r"^#### (\w+)\n.*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    return dict(found)


def run(description: str, lowering: str, backend: str, use: str) -> None:
    program = "\n".join([description, lowering, f"NAME = {backend!r}", use])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


DESCRIPTION = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_pages_lowering_works_on(backend: str) -> None:
    run(DESCRIPTION, sections()[backend], backend, USE)


@pytest.mark.parametrize("is_rule", [True, False])
def test_a_layer_without_a_lowering_works_on(is_rule: bool, backend: str) -> None:
    use = USE.replace('assert backend(NAME).table[Scale][0] is not None, "no lowering was entered"\n', "")
    description = DESCRIPTION
    if not is_rule:
        description += "\n" + re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
        use = use.replace("Scale()", "Gain()").replace("1.weight", "1.gain").replace("1\\.weight", "1\\.gain")
        use = use.replace("[1].weight", "[1].gain").replace("known.weight", "known.gain")
    run(description, "", backend, use)

"""A net of JAX under JAX's own transformations: the values and the mode of now, or a clear error."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_nets import MLP

from isomorph import errors, nn

X = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4)).astype("float32"))

STAGED = {
    "jit": lambda net: jax.jit(net)(X),
    "jit of __call__": lambda net: jax.jit(net.__call__)(X),
    "jit of partial": lambda net: jax.jit(functools.partial(net))(X),
    "jit of lambda": lambda net: jax.jit(lambda x: net(x))(X),
    "jit around a constant": lambda net: jax.jit(lambda y: net(X) + y)(0.0),
    "jit of vmap": lambda net: jax.jit(jax.vmap(net))(X[:, None])[:, 0],
    "checkpoint": lambda net: jax.checkpoint(net)(X),
    "cond": lambda net: jax.lax.cond(True, net, net, X),
    "switch": lambda net: jax.lax.switch(0, [net, net], X),
    "map": lambda net: jax.lax.map(net, X[:, None])[:, 0],
    "scan": lambda net: jax.lax.scan(lambda carry, x: (carry, net(x)), 0, X[:, None])[1][:, 0],
}
EAGER = {
    "vmap": lambda net: jax.vmap(net)(X[:, None])[:, 0],
    "linearize": lambda net: jax.linearize(net, X)[0],
    "value_and_grad": lambda net: jax.value_and_grad(lambda x: (net(x).sum(), net(x)), has_aux=True)(X)[0][1],
}
CHANGES = {
    "set": lambda net: net.out.bias.set(np.full(10, 9.0, "float32")),
    "edit": lambda net: net.out.weight.__setitem__((0, 0), 5.0),
    "variables": lambda net: setattr(net, "variables", jax.tree.map(lambda a: a / 2, net.variables)),
    "initialize": lambda net: net.initialize(seed=9, force=True),
    "attribute": lambda net: setattr(net, "factor", 3.0),
    "mode": lambda net: net.train(),
    "lowering": lambda net: net.to("jax", data_format="channels_last", dtype="float32"),
    "compile": lambda net: net.to(compile=False),
}


class Net(MLP):
    """Tells its mode, and has an attribute."""

    def __init__(self):
        super().__init__()
        self.factor = 1.0

    def forward(self, x):
        return super().forward(x) * self.factor + (100.0 if self.training else 0.0)


def ready(net):
    net = net.initialize(seed=1).to("jax").eval()
    net(X)
    return net


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", {**STAGED, **EAGER}.values(), ids={**STAGED, **EAGER})
def test_the_values_and_the_mode_of_now(form):
    net = Net().initialize(seed=1).to("jax").eval()
    assert_close(form(net), net(X))  # its first call
    for change in ("set", "mode"):
        CHANGES[change](net)
        assert_close(form(net), net(X))
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(net.variables))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_compiled_before_sees_the_values_of_now(change):
    net = ready(Net())
    functions = [jax.jit(net), jax.jit(lambda x: net.out(net.hidden(x)))]
    before = [function(X) for function in functions]
    change(net)
    for function, expected in zip(functions, (net, lambda x: net.out(net.hidden(x)))):
        assert_close(function(X), expected(X))
    changes_values = change not in (CHANGES["lowering"], CHANGES["compile"])
    assert (np.abs(np.asarray(before[0]) - functions[0](X)).max() > 0) == changes_values


def test_other_nets_keep_what_was_compiled(monkeypatch):
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    staged, other = ready(Net()), ready(Net())
    jax.jit(staged)(X)
    other.out.bias.set(np.ones(10, "float32"))
    assert not cleared
    staged.out.bias.set(np.ones(10, "float32"))
    staged.out.bias.set(np.zeros(10, "float32"))
    assert len(cleared) == 1


@pytest.mark.parametrize("form", STAGED.values(), ids=STAGED)
def test_dropout_is_not_frozen(form):
    net = ready(nn.Sequential(nn.Dense(4), nn.Dropout(0.5))).train()
    with pytest.raises(errors.StructureError, match=r"rngs=\{.dropout"):
        form(net)
    net.eval()
    assert_close(form(net), net(X))


@pytest.mark.parametrize("form", EAGER.values(), ids=EAGER)
def test_dropout_draws_anew(form):
    net = ready(nn.Sequential(nn.Dense(4), nn.Dropout(0.5))).train()
    assert np.abs(np.asarray(form(net)) - np.asarray(form(net))).max() > 0


def test_gradients_of_inputs_follow_the_values():
    net = ready(Net())
    gradient = jax.jit(jax.grad(lambda x: (net(x) ** 2).sum()))
    first = gradient(X)
    net.variables = jax.tree.map(lambda a: 2 * a, net.variables)
    expected = jax.grad(lambda x: (net.native.apply(net.variables, x) ** 2).sum())(X)
    assert_close(gradient(X), expected)
    assert np.abs(np.asarray(first) - expected).max() > 0


def test_a_part_that_became_part_of_another_net():
    part = ready(Net())
    compiled = jax.jit(part)
    compiled(X)
    net = nn.Sequential(part).to("jax").eval()
    part.out.bias.set(np.full(10, 9.0, "float32"))
    assert_close(compiled(X), net(X))


def test_structured_outputs_are_noticed_too():
    class Two(Net):
        def forward(self, x):
            y = super().forward(x)
            return {"b": y, "a": 1}

    net = ready(Two())
    compiled = jax.jit(lambda x: net(x)["b"])
    compiled(X)
    net.out.bias.set(np.full(10, 9.0, "float32"))
    assert_close(compiled(X), net(X)["b"])

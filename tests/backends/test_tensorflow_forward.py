"""What a forward may do, on Keras: eager and compiled, bound and natively, symbolic and in fit."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import isomorph
from isomorph import init, nn, ops
from isomorph.errors import DeferredInitializationError, NativeCallError, StructureError

X = np.random.default_rng(0).standard_normal((4, 5)).astype("float32")
MASK = (X[:, :3] > 0).astype("float32")
COMPILED = pytest.mark.parametrize("compile", [None, False])
CALLS: list[int] = []


class Scores(nn.Module):
    """A net of one Dense layer, whose forward a test gives."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(3)


def made(forward, base=Scores, **attributes):
    """Return a net with this forward."""
    return type("Net", (base,), {"forward": forward, "__module__": __name__, **attributes})().initialize(
        seed=1
    )


def on(backend, net, *inputs, **named):
    """Return what a net computes on a backend, as an array."""
    return np.asarray(net.to(backend)(*inputs, **named))


# Signatures.


def _two(self, x, m):
    CALLS.append(1) if isinstance(x, tf.Tensor) else None
    return self.dense(x) * m


def _nested(self, batch, scale=1.0):
    CALLS.append(1) if isinstance(batch["x"], tf.Tensor) else None
    return self.dense(batch["x"]) * batch["rest"][0] * scale


def _flag(self, x, m=None, double=False):
    CALLS.append(1) if isinstance(x, tf.Tensor) else None
    y = self.dense(x) * (2 if double else 1)
    return y if m is None else y * m


SIGNATURES = {
    "two": (_two, lambda n: ((X[:n], MASK[:n]), {})),
    "keyword": (_two, lambda n: ((X[:n],), {"m": MASK[:n]})),
    "only keywords": (_two, lambda n: ((), {"m": MASK[:n], "x": X[:n]})),
    "nested": (_nested, lambda n: (({"x": X[:n], "rest": [MASK[:n]]},), {"scale": 2.0})),
    "flag": (_flag, lambda n: ((X[:n], None, True), {})),
    "native tensors": (_two, lambda n: ((tf.constant(X[:n]),), {"m": tf.constant(MASK[:n])})),
    "vector": (_flag, lambda n: ((X[0], None), {"double": True})),
}
SIGNED = pytest.mark.parametrize(("forward", "arguments"), SIGNATURES.values(), ids=SIGNATURES)


@SIGNED
def test_later_calls_start_no_trace(forward, arguments):
    net = made(forward).to("tensorflow")
    inputs, named = arguments(4)
    net(*inputs, **named)
    CALLS.clear()
    for size in (4, 2, 3):
        inputs, named = arguments(size)
        net(*inputs, **named)
    assert not CALLS


@SIGNED
def test_native_call_takes_the_same(forward, arguments):
    inputs, named = arguments(4)
    expected = made(forward).to("tensorflow")(*inputs, **named)
    np.testing.assert_allclose(made(forward).to("tensorflow").native(*inputs, **named), expected, atol=1e-5)


def test_true_and_one_are_two_traces():
    def forward(self, x, flag):
        return self.dense(x) * (2.0 if flag is True else 1.0)

    net = made(forward).to("tensorflow")
    once = net(X, 1).numpy()
    np.testing.assert_allclose(net(X, True), 2 * once, rtol=1e-6)
    np.testing.assert_allclose(net(X, 1.0), once, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: nn.Dense(5), lambda: made(_flag)])
def test_other_ranks_with_the_same_features(make):
    net, other = make().initialize(seed=1).to("tensorflow"), make().initialize(seed=1).to("numpy")
    for x in (X, X[0], X[None], X):
        np.testing.assert_allclose(net(x), other(x), atol=1e-5)


def test_forward_replaced_on_the_class():
    net = made(_flag).to("tensorflow")
    once, native = net(X).numpy(), net.native(X).numpy()
    type(net).forward = lambda self, x, gain=2.0: self.dense(x) * gain
    np.testing.assert_allclose(net(X), 2 * once, atol=1e-5)
    np.testing.assert_allclose(net.native(X, gain=3.0), 3 * native, atol=1e-5)


def test_dataset_is_mapped():
    net = made(_flag).to("tensorflow")
    expected = net(X)
    found = tf.data.Dataset.from_tensor_slices(X).batch(3).map(net)
    np.testing.assert_allclose(np.concatenate([np.asarray(each) for each in found]), expected, atol=1e-5)


def test_kept_calls_are_bounded(monkeypatch):
    from isomorph.backends.tensorflow import adapter

    monkeypatch.setattr(adapter, "RUNNERS", 3)
    net = made(_two, mean=lambda self, x: x).to("tensorflow")
    for length in range(2, 8):
        net(np.ones((2, length, 5), "float32"), np.ones((2, length, 3), "float32"))
    assert len(net._isomorph.binding.memory["runners"]) == 3


def _passes_the_size_on(self, x):
    batch, features = tuple(x.shape)
    return (
        ops.reshape(self.dense(x), (batch, -1)) + tf.zeros((batch, features))[:, :1]
        if isinstance(x, tf.Tensor)
        else self.dense(x)
    )


def _by_len(self, x):
    return self.dense(x) / len(x)


def _by_row(self, x):
    return ops.stack([self.dense(row) for row in x], axis=0)


def _by_size(self, x):
    return self.dense(x) * (1.0 if x.shape[0] == 2 else 10.0)


@COMPILED
@pytest.mark.parametrize("forward", [_passes_the_size_on, _by_len, _by_row, _by_size])
def test_forward_that_needs_the_size_of_the_batch(forward, compile):
    net, other = made(forward).to("tensorflow", compile=compile), made(forward).to("numpy")
    for size in (2, 3, 2, 4):
        np.testing.assert_allclose(net(X[:size]), other(X[:size]), atol=1e-5)


# Outputs.

Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass
class Output:
    scores: Any
    text: str = "text"
    rest: Any = None


OUTPUTS = {
    "dataclass": lambda y: Output(y, rest=[y]),
    "named tuple": lambda y: Pair(y, (y + 1,)),
    "dict": lambda y: {"z": y, "a": {"m": y + 1}},
    "numbers": lambda y: (y, 3, 2.5, True, None, "word"),
    "one in a list": lambda y: [y],
    "mixed keys": lambda y: {1: y, "1": y + 1},
}
RETURNING = pytest.mark.parametrize("returned", OUTPUTS.values(), ids=OUTPUTS)


def _returning(returned):
    return made(lambda self, x: returned(self.dense(x)))


def _plain(value):
    """Return an output with arrays in place of tensors, in a form that can be compared."""
    if dataclasses.is_dataclass(value):
        return type(value), _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, dict):
        return dict, [(key, _plain(each)) for key, each in value.items()]
    if isinstance(value, (tuple, list)):
        return type(value), [_plain(each) for each in value]
    return value if not hasattr(value, "shape") else np.asarray(value).round(4).tolist()


@COMPILED
@RETURNING
def test_outputs_come_back_as_they_were_returned(returned, compile):
    net = _returning(returned).to("tensorflow", compile=compile)
    expected = _plain(_returning(returned).to("numpy")(X))
    assert _plain(net(X)) == expected
    assert _plain(net(X)) == expected
    assert _plain(net.native(tf.constant(X))) == expected


@RETURNING
def test_outputs_in_the_functional_api(returned):
    net = _returning(returned).to("tensorflow")
    symbol = keras.Input((5,))
    leaves = [
        leaf for leaf in tf.nest.flatten(_flat(net.native(symbol))) if isinstance(leaf, keras.KerasTensor)
    ]
    model = keras.Model(symbol, leaves)
    expected = [leaf for leaf in tf.nest.flatten(_flat(net(X))) if tf.is_tensor(leaf)]
    for found, wanted in zip(tf.nest.flatten(model(X)), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def _flat(value):
    return (
        [value.scores, value.rest]
        if isinstance(value, Output)
        else list(value.values())
        if isinstance(value, dict)
        else value
    )


@COMPILED
def test_parameters_are_returned_as_tensors(compile):
    def forward(self, x):
        return self.dense(x), self.dense.weight, self.dense.bias

    outputs = made(forward).to("tensorflow", compile=compile)(X)
    assert all(isinstance(each, tf.Tensor) for each in outputs)


# Inputs.


def _masked(self, x, mask=None, training=False):
    y = self.dense(x) + (100.0 if training else 0.0)
    return y if mask is None else y * mask


def _boxed(self, box):
    return self.dense(box.scores) * box.rest["m"]


NAMED = {
    "mask": ((X,), {"mask": MASK}),
    "mask by position": ((X, MASK), {}),
    "None": ((X, None, True), {}),
    "training": ((X,), {"training": True}),
    "both": ((X,), {"training": True, "mask": MASK}),
}


@COMPILED
@pytest.mark.parametrize(("inputs", "named"), NAMED.values(), ids=NAMED)
def test_arguments_called_mask_and_training_are_the_users(inputs, named, compile):
    expected = on("numpy", made(_masked), *inputs, **named)
    net = made(_masked).to("tensorflow", compile=compile)
    np.testing.assert_allclose(net(*inputs, **named), expected, atol=1e-4)
    np.testing.assert_allclose(net.native(*inputs, **named), expected, atol=1e-4)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = made(_masked)
        self.boxed = made(_boxed)

    def forward(self, x, mask):
        return self.inner(x, mask=mask) + self.inner(x, mask, True) + self.boxed(Output(x, rest={"m": mask}))


def test_nested_calls_take_the_same_arguments():
    expected = on("numpy", Outer().initialize(seed=2), X, MASK)
    net = Outer().initialize(seed=2).to("tensorflow")
    np.testing.assert_allclose(net.native(X, MASK), expected, atol=1e-3)
    np.testing.assert_allclose(net(X, MASK), expected, atol=1e-3)
    symbols = keras.Input((5,)), keras.Input((3,))
    np.testing.assert_allclose(keras.Model(symbols, net.native(*symbols))((X, MASK)), expected, atol=1e-3)


def test_dataclass_of_symbols():
    net = made(_boxed).to("tensorflow")
    symbols = [keras.Input((5,)), keras.Input((3,))]
    model = keras.Model(symbols, net.native(Output(symbols[0], rest={"m": symbols[1]})))
    np.testing.assert_allclose(model([X, MASK]), net(Output(X, rest={"m": MASK})), atol=1e-5)


DATA = {
    "dict as it is": (_nested, {"x": X, "rest": [MASK]}),
    "arguments in a tuple": (_two, (X, MASK)),
    "arguments by name": (_two, {"m": MASK, "x": X}),
}


@pytest.mark.parametrize(("forward", "data"), DATA.values(), ids=DATA)
def test_fit_with_several_inputs(forward, data):
    net = made(forward).to("tensorflow")
    net.native.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    losses = net.native.fit(data, MASK, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_layers_called_by_keyword():
    def forward(self, x):
        return self.chain(x=self.act(x=self.dense(x=x)))

    class Named(Scores):
        def __init__(self):
            super().__init__()
            self.act, self.chain = nn.Softmax(), nn.Sequential(nn.LayerNorm(), nn.Dense(2))

    expected = on("numpy", made(forward, Named), X)
    net = made(forward, Named).to("tensorflow")
    np.testing.assert_allclose(net(X), expected, atol=1e-5)
    np.testing.assert_allclose(net.native(X), expected, atol=1e-5)
    assert nn.Dense(3).to("tensorflow")(x=X).shape == (4, 3)


# Children's parameters.


class Reader(nn.Module):
    """Reads its children's arrays, before and after their calls, in lists and in children's children."""

    def __init__(self):
        super().__init__()
        self.embed, self.out, self.norm = nn.Embedding(7, 5), nn.Dense(7, bias=False), nn.BatchNorm()
        self.out.weight = self.embed.weight
        self.blocks = [nn.Dense(5), nn.Sequential(nn.Dense(5))]
        self.conv = nn.Conv1d(2, 3, padding=1)

    def forward(self, tokens):
        x = self.embed(tokens) + ops.sum(self.blocks[0].bias) + ops.mean(self.embed.weight, axis=0)
        y = self.norm(self.blocks[1](self.blocks[0](x[:, 0])))
        y = y + self.norm.running_mean * self.norm.weight + self.norm.bias
        y = ops.matmul(y, self.blocks[1][0].weight) @ ops.permute_dims(self.out.weight, (1, 0))
        return y + ops.sum(self.conv(x)) + ops.sum(self.conv.weight[0, 1])


TOKENS = np.array([[1, 2, 3], [6, 0, 2]])


@COMPILED
def test_children_parameters_in_the_canonical_layout(compile):
    other = Reader().initialize(seed=1).to("numpy")
    expected = other(TOKENS)
    net = Reader().initialize(seed=1).to("tensorflow", compile=compile)
    np.testing.assert_allclose(net(TOKENS), expected, atol=1e-4)
    np.testing.assert_allclose(net.native(TOKENS, training=False), other.eval()(TOKENS), atol=1e-4)


@pytest.mark.parametrize("way", ["native", "symbolic", "fit"])
def test_children_parameters_in_a_model_that_fills_itself(way):
    expected = on("numpy", Reader().initialize(seed=1).eval(), TOKENS)
    net = Reader().initialize(seed=1).to("tensorflow")
    if way == "native":
        found = net.native(tf.constant(TOKENS))
    elif way == "symbolic":
        symbol = keras.Input((3,), dtype="int64")
        found = keras.Model(symbol, net.native(symbol))(TOKENS)
    else:
        net.native.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
        net.native.fit(TOKENS, np.zeros((2, 7)), verbose=0)
        net.norm.running_mean.set(np.zeros(5)), net.norm.running_var.set(np.ones(5))
        found = net.native.predict(TOKENS, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_gradients_through_children_parameters_but_not_buffers():
    def slopes(backend):
        net = Reader().initialize(seed=1).to(backend)
        return net.gradients(lambda y: ops.mean(ops.square(y)), TOKENS)

    net = Reader().initialize(seed=1).to("tensorflow")
    found, loss = slopes("tensorflow"), lambda: float(ops.mean(ops.square(net(TOKENS))))
    path, step = "blocks.0.weight", 1e-2
    assert set(found) == set(net.parameters())
    net(TOKENS)
    values = net.parameters()[path].numpy()
    ups = []
    for sign in (1, -1):
        changed = values.copy()
        changed[1, 2] += sign * step
        net.parameters()[path].set(changed)
        net.norm.running_mean.set(np.zeros(5)), net.norm.running_var.set(np.ones(5))
        ups.append(loss())
    assert found["embed.weight"].shape == (7, 5)
    assert np.isfinite(ups).all()


def test_reading_before_anything_is_built():
    native = Reader().to("tensorflow").native
    with pytest.raises(DeferredInitializationError, match=r"blocks\.0\.weight"):
        _ = native.blocks[0].weight
    assert not hasattr(native.blocks[0], "weight")
    with pytest.raises(AttributeError, match="no_such"):
        _ = native.embed.no_such


# Buffers.


class Running(nn.Module):
    """Keeps a running mean by hand, reads it back, and may fail afterwards."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer((5,), init=init.Zeros())
        self.count = nn.Buffer((), init=init.Zeros())
        self.norm = nn.BatchNorm()
        self.embed = nn.Embedding(4, 5)

    def forward(self, x, tokens):
        self.mean.update(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
        self.count.update(self.count + 1)
        self.count.update(self.count * 2)
        y = self.norm(x) + self.mean + self.count
        return y + self.embed(tokens)


def _state(net):
    return {path: buffer.numpy() for path, buffer in net.buffers().items()}


@COMPILED
def test_buffers_are_updated(compile):
    net = Running().initialize(seed=1).to("tensorflow", compile=compile)
    mean, count = np.zeros(5), 0
    for size in (4, 3, 4):
        mean, count = 0.5 * mean + 0.5 * X[:size].mean(0), 2 * (count + 1)
        x = X[:size]
        found = net(x, np.ones(size, "int64"))
        row = net.embed.weight.numpy()[1]
        expected = (x - x.mean(0)) / np.sqrt(x.var(0) + net.norm.eps) + mean + count + row
        np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(net.mean.numpy(), mean, atol=1e-6)
    assert net.count.numpy() == 14


@COMPILED
def test_a_failed_call_leaves_buffers_and_statistics(compile):
    net = Running().initialize(seed=1).to("tensorflow", compile=compile)
    net(X, np.zeros(4, "int64"))
    before = _state(net)
    with pytest.raises(NativeCallError):
        net(X, np.full(4, 9))
    for path, value in before.items():
        np.testing.assert_array_equal(_state(net)[path], value)
    net(X, np.zeros(4, "int64"))
    assert net.count.numpy() == 6


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer((None,), init=init.Zeros())

    def build(self, shape):
        self.mean.shape = (shape[-1],)

    def forward(self, x):
        return x + self.mean


class UpdatesChild(Scores):
    def __init__(self):
        super().__init__()
        self.inner = Mean()

    def forward(self, x):
        y = self.dense(self.inner(x) * 0.1)
        self.inner.mean.update(self.inner.mean + 1)
        return y


def test_a_childs_buffer_in_bound_calls_and_in_fit():
    net = UpdatesChild().initialize(seed=1).to("tensorflow")
    net(X)
    np.testing.assert_array_equal(net.inner.mean.numpy(), np.ones(5))
    net.native.compile(optimizer="sgd", loss="mse")
    net.native.fit(X, MASK, batch_size=2, verbose=0)
    np.testing.assert_array_equal(net.inner.mean.numpy(), np.full(5, 3.0))


def test_statistics_of_a_layer_that_keras_was_told_to_freeze():
    net = nn.Sequential(nn.Dense(3), nn.BatchNorm()).to("tensorflow")
    net(X)
    before = net[1].running_mean.numpy()
    net.native.trainable = False
    net(X)
    np.testing.assert_array_equal(net[1].running_mean.numpy(), before)


def test_dropout_beside_statistics_draws_anew():
    net = nn.Sequential(nn.BatchNorm(), nn.Dropout(0.5)).to("tensorflow")
    x = np.random.default_rng(0).standard_normal((64, 8)).astype("float32")
    assert (net(x).numpy() != net(x).numpy()).any()


# Containers of parameters, slots, constants.


class Held(nn.Module):
    __slots__ = ("factor",)

    def __init__(self):
        super().__init__()
        self.gains = {"a": nn.Parameter((5,)), "weights": nn.Parameter((5,))}
        self.shifts = [nn.Parameter((5,)), nn.Parameter((5,))]
        self.factor = 3.0

    def forward(self, x):
        return x * self.gains["a"] * self.factor + self.gains["weights"] + self.shifts[0] - self.shifts[-1]


@COMPILED
def test_parameters_in_dicts_and_lists(compile):
    net = Held().initialize(seed=1).to("tensorflow", compile=compile)
    found = net(X)
    a, w, first, last = (parameter.numpy() for parameter in net.parameters().values())
    expected = X * a * 3.0 + w + first - last
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(net.native.trainable_variables) == 4
    net = Held().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net.native(X), expected, atol=1e-5)


ROW, TABLE = np.array([1.0, 2.0, 3.0], "float32"), np.ones((4, 3), "float32")
CONSTANTS = {
    "left": lambda self, x: ROW * self.dense(x),
    "right": lambda self, x: self.dense(x) * ROW,
    "minus": lambda self, x: ROW - self.dense(x),
    "matmul": lambda self, x: TABLE.T @ self.dense(x),
    "own parameter": lambda self, x: self.dense(x) + ROW * self.gain,
    "child's parameter": lambda self, x: self.dense(x) + ROW * self.dense.bias,
    "compared": lambda self, x: ops.where(self.dense(x) < ROW, ROW, self.dense(x)),
    "ops": lambda self, x: ops.multiply(ROW, self.dense(x)),
    "concat": lambda self, x: ops.concat([TABLE, self.dense(x)], axis=0),
}


class Gained(Scores):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter((3,))


@COMPILED
@pytest.mark.parametrize("forward", CONSTANTS.values(), ids=CONSTANTS)
def test_numpy_constants_on_either_side(forward, compile):
    expected = on("numpy", made(forward, Gained), X)
    net = made(forward, Gained).to("tensorflow", compile=compile)
    np.testing.assert_allclose(net(X), expected, atol=1e-5)
    np.testing.assert_allclose(net.native(X), expected, atol=1e-5)


# Errors.


class OwnError(RuntimeError):
    def __init__(self, table, reason):
        super().__init__(f"{table} is {reason}")
        self.table = table


def _raises(self, x):
    y = self.dense(x)
    if isinstance(y, tf.Tensor):
        try:
            {}["key"]
        except KeyError as cause:
            raise OwnError("calibration table", "out of date") from cause
    return y


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = made(_raises)

    def forward(self, x):
        return self.inner(x)


@COMPILED
@pytest.mark.parametrize("make", [lambda: made(_raises), Around], ids=["alone", "inside"])
def test_the_users_own_error_is_kept(make, compile):
    net = make().to("tensorflow", compile=compile)
    with pytest.raises(NativeCallError, match="calibration table is out of date") as caught:
        net(X)
    native = caught.value.__cause__
    assert (type(native), native.table, type(native.__cause__)) == (OwnError, "calibration table", KeyError)
    with pytest.raises(OwnError, match=r"^calibration table is out of date$") as caught:
        net.native(X)
    assert (caught.value.table, type(caught.value.__cause__)) == ("calibration table", KeyError)


def test_many_nested_sequentials():
    net = nn.Dense(3)
    for _ in range(100):
        net = nn.Sequential(net)
    net.initialize(seed=1).to("tensorflow")
    assert net(X).shape == (4, 3)


# Names.


class Keeps(nn.Module):
    """Uses names that Keras keeps for itself, and those that stand in for them."""

    def __init__(self):
        super().__init__()
        self.weights, self.weights_ = nn.Dense(3), nn.Dense(3)
        self.losses = nn.Parameter((3,))
        self.submodules = {"weights": nn.Dense(3), "a b": nn.Dense(3), "a_b": nn.Dense(3)}
        self.metrics = 2.0

    def forward(self, x):
        parts = [
            self.weights(x),
            self.weights_(x),
            *(self.submodules[name](x) for name in ("weights", "a b", "a_b")),
        ]
        return sum(parts) * self.losses * self.metrics


class Looks(nn.Module):
    """Reads names of a child's that Keras has too."""

    def __init__(self):
        super().__init__()
        self.inner = Keeps()

    def forward(self, x):
        return self.inner(x) + self.inner.losses * self.inner.metrics + ops.sum(self.inner.weights.weight)


@pytest.mark.parametrize("make", [Keeps, Looks])
def test_names_that_keras_keeps(make, tmp_path):
    expected = on("numpy", make().initialize(seed=1), X)
    net = make().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net(X), expected, atol=1e-4)
    np.testing.assert_allclose(net.native(X), expected, atol=1e-4)
    assert len(net.native.weights) == 11
    net.native.save_weights(tmp_path / "net.weights.h5")
    other = make().initialize(seed=2).to("tensorflow")
    other(X)
    other.native.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_allclose(other(X), expected, atol=1e-4)


# Layers of someone else's.


class Scale(nn.Layer):
    """Multiplies by a learned number each, and adds the shift it was made with."""

    def __init__(self, shift=0.0):
        super().__init__()
        self.shift = shift
        self.weight = nn.Parameter((None,), init=init.Uniform(), role="scale")

    def infer_shapes(self, x):
        self.weight.shape = (x.shape[-1],)
        return x


class Built(keras.layers.Layer):
    def __init__(self, layer, binding):
        super().__init__(dtype=binding.options.dtype)
        self.shift = layer.shift

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(shape[-1],))

    def call(self, x, training=False):
        return x * self.scale + self.shift + (1.0 if training else 0.0)


class Composed(Scale):
    def forward(self, x):
        return x * self.weight + self.shift


class UsesScale(nn.Module):
    def __init__(self, kind=Scale):
        super().__init__()
        self.scale, self.dense = kind(2.0), nn.Dense(3)

    def forward(self, x):
        return self.dense(self.scale(x=x)) + ops.sum(self.scale.weight)


@pytest.fixture
def lowers():
    """Return the decorator that enters lowerings; afterwards the table is as it was."""
    adapter = type(isomorph.backend("tensorflow"))
    before = dict(adapter.table)
    yield adapter.lowers
    adapter.table.clear()
    adapter.table.update(before)


def _scaled(net, x, training=0.0):
    scale, kernel, bias = (
        net.state()[path].numpy() for path in ("scale.weight", "dense.weight", "dense.bias")
    )
    return (x * scale + 2.0 + training) @ kernel.T + bias + scale.sum()


def test_layer_with_a_lowering_of_its_own(lowers):
    lowers(Scale, weight="scale")(Built)
    net = UsesScale().initialize(seed=1).to("tensorflow")
    assert not net.native.scale.built
    np.testing.assert_allclose(net(X), _scaled(net, X, 1.0), atol=1e-5)
    np.testing.assert_allclose(net.eval()(X), _scaled(net, X), atol=1e-5)
    np.testing.assert_allclose(net.native(X), _scaled(net, X), atol=1e-5)
    assert isinstance(net.native.scale, Built)
    assert net.scale.weight.native is net.native.scale.scale
    first = UsesScale().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(first.native(X), net(X), atol=1e-5)
    alone = Scale().to("tensorflow")
    np.testing.assert_allclose(alone.eval()(X), X * alone.weight.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [Composed, Scale], ids=["without an entry", "by a keras layer"])
def test_layers_without_a_class_of_their_own(kind, lowers):
    @lowers(Scale, weight="gamma")
    def scale(layer, binding):
        class Shifted(keras.layers.RMSNormalization):
            def call(self, x):
                return x * self.scale + layer.shift

        return Shifted(name="x")

    lowers(Scale, weight="scale")(scale)
    net = UsesScale(kind).initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net(X), _scaled(net, X), atol=1e-5)
    np.testing.assert_allclose(net.native(X), _scaled(net, X), atol=1e-5)


class Blend(nn.Layer):
    """Weighs two tensors of their own widths, times a number."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Parameter((None,)), nn.Parameter((None,))

    def infer_shapes(self, a, b, factor=1.0):
        self.left.shape, self.right.shape = (a.shape[-1],), (b.shape[-1],)
        return a


def test_layer_of_two_inputs_and_a_number(lowers):
    @lowers(Blend)
    class NativeBlend(keras.layers.Layer):
        def __init__(self, layer, binding):
            super().__init__()

        def build(self, a_shape, b_shape):
            self.left = self.add_weight(name="left", shape=a_shape[-1:])
            self.right = self.add_weight(name="right", shape=b_shape[-1:])

        def call(self, a, b, factor=1.0):
            return (a * self.left + tf.reduce_sum(b * self.right, -1, keepdims=True)) * factor

    def forward(self, x, m):
        return self.blend(a=x, factor=2.0, b=m)

    class Blends(nn.Module):
        def __init__(self):
            super().__init__()
            self.blend = Blend()

    for call in (lambda net: net(X, MASK), lambda net: net.native(X, MASK)):
        net = made(forward, Blends).to("tensorflow")
        found = call(net)
        left, right = net.blend.left.numpy(), net.blend.right.numpy()
        np.testing.assert_allclose(found, 2 * (X * left + (MASK * right).sum(-1, keepdims=True)), atol=1e-5)


def test_weight_made_in_the_constructor(lowers):
    @lowers(Scale, weight="scale")
    class Eager(keras.layers.Layer):
        def __init__(self, layer, binding):
            super().__init__()
            self.scale = self.add_weight(shape=(5,), name="any")

        def call(self, x):
            return x * self.scale

    net = Scale().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net(X), on("numpy", Composed().initialize(seed=1), X), atol=1e-5)


def test_weight_that_is_never_made(lowers):
    @lowers(Scale, weight="gamma")
    class Wrong(Built):
        pass

    with pytest.raises(StructureError, match=r"add_weight\(name='gamma'"):
        Scale().to("tensorflow")(X)

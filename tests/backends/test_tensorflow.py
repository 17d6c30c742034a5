"""What is peculiar to TensorFlow and Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_nets import MLP

import isomorph
from isomorph import init, nn, ops
from isomorph.errors import InvalidArgumentError, LayerNotSupportedError, ShapeMismatchError

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")
IMAGES = np.random.default_rng(0).standard_normal((4, 4, 9, 6)).astype("float32")


class Net(nn.Module):
    """Windows, both norms, a parameter of its own, in one net."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 3, stride=2, padding="same", activation="relu")
        self.norm = nn.BatchNorm()
        self.pool = nn.MaxPool2d(2, padding=1)
        self.flat = nn.Flatten()
        self.layer_norm = nn.LayerNorm()
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.out = nn.Dense(3)

    def build(self, shape):
        self.gain.shape = (3,)

    def forward(self, x):
        x = self.pool(self.norm(self.conv(x)))
        return self.out(self.layer_norm(self.flat(x))) * self.gain


CALLS = []


class Counting(MLP):
    """Counts how often Python runs its forward with values or symbols of TensorFlow."""

    def forward(self, x):
        if isinstance(x, tf.Tensor):
            CALLS.append(1)
        return super().forward(x)


def sequential():
    return nn.Sequential(nn.Dense(8, activation="tanh"), nn.BatchNorm(), nn.Dense(1))


NETS = pytest.mark.parametrize(
    ("make", "x"), [(MLP, X), (Net, IMAGES), (sequential, X)], ids=["mlp", "net", "seq"]
)


# Deferral.


def test_deferred_native_is_unbuilt():
    native = MLP().to("tensorflow").native
    assert not native.built
    assert not native.hidden.built
    assert native.weights == []


@NETS
def test_native_classes_are_keras_ones(make, x):
    net = make().to("tensorflow")
    net(x)
    assert isinstance(net.native, keras.Model)
    assert net.native.built
    kinds = {keras.layers.Dense, keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Flatten,
             keras.layers.MaxPooling2D, keras.layers.LayerNormalization}  # fmt: skip
    assert net.native.layers
    assert all(any(isinstance(layer, kind) for kind in kinds) for layer in net.native.layers)


@NETS
def test_native_called_first_gives_the_same(make, x):
    expected = make().initialize(seed=4).to("tensorflow").eval()(x)
    net = make().initialize(seed=4).to("tensorflow").eval()
    np.testing.assert_allclose(net.native(tf.constant(x)), expected, atol=1e-5)
    assert all(str(parameter.state) == "ready" for parameter in net.parameters().values())


@NETS
def test_native_build_gives_values(make, x):
    net = make().initialize(seed=4).to("tensorflow").eval()
    net.native.build((None, *x.shape[1:]))
    expected = make().initialize(seed=4).to("tensorflow").eval()(x)
    np.testing.assert_allclose(net(x), expected, atol=1e-5)


def test_infer_and_materialize_use_keras_own_build(monkeypatch):
    built = []
    own = keras.layers.Dense.build
    monkeypatch.setattr(
        keras.layers.Dense, "build", lambda self, shape: (built.append(shape), own(self, shape))
    )
    MLP().to("tensorflow")(X)
    assert (None, 20) in built
    assert (None, 256) in built


def test_each_initial_law_runs_once():
    calls = []

    def law(name, shape, dtype, generator):
        calls.append(name)
        return np.ones(shape, dtype)

    net = MLP().initialize({".*": law}).to("tensorflow")
    net(X)
    net.native(tf.constant(X))
    net.native.predict(X, verbose=0)
    assert sorted(calls) == sorted(net.parameters())


@pytest.mark.parametrize("seed", [0, 1])
def test_materializing_draws_no_random_numbers(seed):
    def after(run):
        keras.utils.set_random_seed(seed)
        run()
        return tf.random.uniform(()).numpy(), np.random.rand(), float(keras.random.uniform(()))

    assert after(lambda: None) == after(lambda: Net().to("tensorflow").eval()(IMAGES))


def test_wrong_size_fails_natively_too():
    net = MLP().to("tensorflow")
    net(X)
    with pytest.raises(ShapeMismatchError):
        net(X[:, :5])
    with pytest.raises(ValueError, match="20"):
        net.native(tf.constant(X[:, :5]))


# Keras's own tools.


def test_summary_counts_the_parameters():
    net = MLP().to("tensorflow")
    net(X)
    lines = []
    net.native.summary(print_fn=lines.append)
    assert "7,946" in "".join(lines)
    assert net.native.count_params() == 7946


@NETS
def test_weights_file_round_trip(make, x, tmp_path):
    first, second = (make().initialize(seed=seed).to("tensorflow").eval() for seed in (1, 2))
    expected = first(x)
    assert not np.allclose(second(x), expected)
    first.native.save_weights(tmp_path / "net.weights.h5")
    second.native.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_allclose(second(x), expected, atol=1e-6)


def test_get_and_set_weights():
    net = MLP().to("tensorflow")
    net(X)
    shapes = [value.shape for value in net.native.get_weights()]
    assert shapes == [(20, 256), (256,), (256, 10), (10,)]
    np.testing.assert_array_equal(net.native.get_weights()[0], net.hidden.weight.numpy().T)
    net.native.set_weights([np.zeros(shape) for shape in shapes])
    assert not net(X).numpy().any()
    assert not net.hidden.weight.numpy().any()


class Trained(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Dense(8, activation="tanh"), nn.BatchNorm(), nn.Dense(1)

    def forward(self, x):
        return self.last(self.norm(self.first(x)))


@pytest.mark.parametrize("called_first", [True, False])
@pytest.mark.parametrize("make", [Trained, sequential])
def test_fit_trains(make, called_first):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((64, 20)).astype("float32")
    y = x[:, :1] - 1
    net = make().initialize(seed=0).to("tensorflow")
    if called_first:
        net.eval()(x)
    net.native.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    losses = net.native.fit(x, y, epochs=8, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    running = next(iter(net.buffers().values())).numpy()
    assert np.abs(running).max() > 0.01
    np.testing.assert_allclose(net.native.predict(x, verbose=0), net.eval()(x), atol=1e-5)


def test_predict_first():
    expected = MLP().initialize(seed=3).to("tensorflow")(X)
    net = MLP().initialize(seed=3).to("tensorflow")
    np.testing.assert_allclose(net.native.predict(X, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("compile", [True, False])
def test_gradient_tape(compile):
    net = Net().to("tensorflow", compile=compile).eval()
    net(IMAGES)
    with tf.GradientTape() as tape:
        loss = ops.sum(ops.square(net(IMAGES)))
    gradients = tape.gradient(loss, net.native.trainable_variables)
    assert len(gradients) == 9
    assert all(gradient is not None for gradient in gradients)
    found = net.gradients(lambda y: ops.sum(ops.square(y)), IMAGES)
    mine = {id(net.parameters()[path].native): value for path, value in found.items()}
    by_kernel = mine[id(net.native.out.kernel)]
    index = [id(v) for v in net.native.trainable_variables].index(id(net.native.out.kernel))
    np.testing.assert_allclose(gradients[index].numpy().T, by_kernel, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("called_first", [True, False])
def test_inside_the_users_own_tf_function(called_first):
    net, reference = (MLP().initialize(seed=1).to("tensorflow") for _ in range(2))
    if called_first:
        net(X)
    np.testing.assert_allclose(tf.function(net)(tf.constant(X)), reference(X), atol=1e-5)


def test_functional_api():
    net = Net().initialize(seed=2).to("tensorflow").eval()
    symbol = keras.Input(IMAGES.shape[1:])
    model = keras.Model(symbol, net.native(symbol))
    np.testing.assert_allclose(model(IMAGES), net(IMAGES), atol=1e-5)


def test_core_classes_are_left_alone():
    isomorph.backend("tensorflow")
    assert not [name for name in vars(nn.Module) if "autograph" in name]


# Compiling.


def test_new_batch_size_does_not_trace_again():
    net = Counting().to("tensorflow")
    net(X)
    before = len(CALLS)
    for size in (1, 3, 7):
        assert net(np.zeros((size, 20), "float32")).shape == (size, 10)
        assert net(tf.zeros((size, 20))).shape == (size, 10)
    assert len(CALLS) == before


def test_modes_are_traced_once_each():
    net = Counting().to("tensorflow")
    net.eval()(X), net.train()(X)
    before = len(CALLS)
    net.eval()(X), net.train()(X)
    assert len(CALLS) == before


def test_compile_false_runs_python_each_time():
    net = Counting().to("tensorflow", compile=False)
    net(X)
    before = len(CALLS)
    net(X)
    assert len(CALLS) == before + 1


def test_forward_that_needs_the_batch_size():
    class Needs(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)

        def forward(self, x):
            return ops.stack([self.fc(x)[i] for i in range(x.shape[0])], axis=0)

    net = Needs().initialize(seed=1).to("tensorflow")
    for size in (2, 4):
        assert net(np.ones((size, 5), "float32")).shape == (size, 3)


def test_flags_and_nested_inputs():
    class Flagged(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)

        def forward(self, x, double=False, mask=None):
            y = self.fc(x) * (2 if double else 1)
            return y if mask is None else y * mask

    net = Flagged().to("tensorflow")
    x, mask = tf.ones((2, 5)), np.array([[0.0], [1.0]], "float32")
    once = net(x).numpy()
    np.testing.assert_allclose(net(x, True), 2 * once, rtol=1e-6)
    np.testing.assert_allclose(net(x, double=True, mask=mask), 2 * once * mask, rtol=1e-6)
    np.testing.assert_allclose(net(x, False), once, rtol=1e-6)


@pytest.mark.parametrize("compile", [True, False])
def test_mode_of_bound_and_native_calls(compile):
    net = nn.Sequential(nn.Dropout(0.5)).to("tensorflow", compile=compile)
    x = tf.ones((50, 50))
    assert (net.train()(x).numpy() == 0).any()
    assert (net.eval()(x).numpy() == 1).all()
    assert (net.native(x, training=True).numpy() == 0).any()
    assert (net.train().native(x).numpy() == 1).all()


# Names that Keras's models have too.


class Collides(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Dense(4), nn.Dense(3)]
        self.weights = nn.Parameter((3,), init=init.Constant(2.0))
        self.name = "mine"
        self.losses = {"factor": 0.5}
        self.metrics = nn.Dense(3)

    def predict(self, x):
        return self.metrics(x) + len(self.name)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.predict(x) * self.weights * self.losses["factor"]


def test_colliding_names_are_the_users_in_forward_and_keras_outside(tmp_path):
    expected = Collides().initialize(seed=1).to("numpy")(X)
    net = Collides().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net(X), expected, atol=1e-5)
    np.testing.assert_allclose(net.native(tf.constant(X)), expected, atol=1e-5)
    np.testing.assert_allclose(net.native.predict(X, verbose=0), expected, atol=1e-5)
    assert len(net.native.weights) == len(net.native.get_weights()) == 7
    assert len(net.native.layers) == 3
    assert net.native.losses == []
    net.native.save_weights(tmp_path / "net.weights.h5")


@pytest.mark.parametrize("name", ["name", "note"])
def test_attribute_changed_after_a_call(name):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(3)
            setattr(self, name, 1.0)

        def forward(self, x):
            return self.fc(x) * getattr(self, name)

    net = Scaled().to("tensorflow")
    once = net(X).numpy()
    setattr(net, name, 3.0)
    np.testing.assert_allclose(net(X), 3 * once, rtol=1e-6)


@pytest.mark.parametrize("name", ["call", "build"])
def test_attributes_that_can_not_be_both(name):
    class Bad(MLP):
        def __init__(self):
            super().__init__()
            vars(self)[name] = 1

    with pytest.raises(LayerNotSupportedError, match=name):
        Bad().to("tensorflow")


# Types, devices, inputs.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype):
    net = MLP().initialize(seed=1).to("tensorflow", dtype=dtype)
    output = net(X)
    assert output.dtype.name == dtype
    reference = MLP().initialize(seed=1)(X)
    np.testing.assert_allclose(tf.cast(output, tf.float32), reference, atol=0.05)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.GELU(),
        lambda: nn.LeakyReLU(0.3),
        lambda: nn.Dense(3, activation="gelu"),
        lambda: nn.Conv1d(3, 1, activation="leaky_relu"),
    ],
)
def test_constants_have_the_type_of_float64(layer):
    x = X.astype("float64").reshape(2, 4, 5)
    reference = layer().initialize(seed=1).to("numpy", dtype="float64")
    output = layer().initialize(seed=1).to("tensorflow", dtype="float64")(x)
    np.testing.assert_allclose(output, reference(x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("convert", [tf.Variable, keras.Variable], ids=["tf", "keras"])
def test_variables_as_inputs(convert):
    net = MLP().initialize(seed=1).to("tensorflow")
    np.testing.assert_allclose(net(convert(X)), net(X), atol=1e-6)


def test_device():
    net = MLP().to("tensorflow", device="/CPU:0")
    assert net(X).device.endswith("CPU:0")
    with pytest.raises(InvalidArgumentError, match="CPU:0"):
        MLP().to("tensorflow", device="/TPU:7")


def test_tied_layers_share_one_variable():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = nn.Embedding(11, 5), nn.Dense(11, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, x):
            return self.out(self.embed(x))

    net = Tied().to("tensorflow")
    tokens = tf.constant([[1, 2, 10]])
    net(tokens)
    assert len(net.native.trainable_variables) == 1
    with tf.GradientTape() as tape:
        loss = ops.sum(net.native(tokens))
    assert tape.gradient(loss, net.native.trainable_variables)[0] is not None


CONVOLUTIONS = {
    "groups": {"groups": 2},
    "depthwise": {"groups": 4},
    "depthwise, unequal strides": {"groups": 4, "stride": (1, 2)},
    "dilated": {"dilation": 2, "padding": 2},
    "dilated, strides": {"dilation": 2, "stride": 2, "padding": "same"},
    "same, strides": {"stride": 2, "padding": "same"},
}


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions_without_cpu_kernels_have_values_and_gradients(options, data_format):
    x = IMAGES if data_format == "channels_first" else IMAGES.transpose(0, 2, 3, 1)
    make = lambda: nn.Conv2d(8, 3, **options).initialize(seed=1)  # noqa: E731
    expected = make().to("numpy", data_format=data_format)(x)
    net = make().to("tensorflow", data_format=data_format)
    np.testing.assert_allclose(net(x), expected, atol=1e-5)
    gradients = net.gradients(lambda y: ops.sum(ops.square(y)), x)
    assert all(np.isfinite(g).all() and g.any() for g in gradients.values())
    if data_format == "channels_last":
        symbol = keras.Input((None, None, 4))
        model = keras.Model(symbol, net.native(symbol))
        np.testing.assert_allclose(model(x), expected, atol=1e-5)


def test_embedding_refuses_indices_outside():
    net = nn.Embedding(4, 2).to("tensorflow")
    with pytest.raises(isomorph.errors.IsomorphError):
        net(np.array([[-1]]))

"""Native objects kept by Keras's own means: files, pickles, copies."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from isomorph import nn, ops
from isomorph.errors import NotSupportedError, StructureError

X = np.random.default_rng(0).standard_normal((4, 5)).astype("float32")


class Net(nn.Module):
    """A net of most that a description may hold."""

    def __init__(self, width=4, activation=ops.tanh):
        super().__init__()
        self.first = nn.Dense(width, activation=activation)
        self.blocks = [nn.Sequential(nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(width)), nn.LayerNorm()]
        self.tied = self.first
        self.gains = {"a": nn.Parameter((4,)), "b": nn.Buffer((2,))}
        self.settings = {"factor": 2.0, "table": np.arange(3)}
        self.conv = nn.Conv1d(2, 3, padding=1)

    def forward(self, x):
        y = self.blocks[1](self.blocks[0](self.first(x))) * self.gains["a"]
        return (
            ops.sum(self.conv(ops.expand_dims(y, 1)), axis=1) * self.settings["factor"] + self.gains["b"][0]
        )


def sequential():
    return nn.Sequential(nn.Dense(4, activation="relu"), nn.Sequential(nn.BatchNorm(), nn.Dense(3)))


def _by_file(native, folder):
    native.save(folder / "net.keras")
    return keras.models.load_model(folder / "net.keras")


WAYS = {
    "file": _by_file,
    "pickle": lambda native, folder: pickle.loads(pickle.dumps(native)),
    "deepcopy": lambda native, folder: copy.deepcopy(native),
    "functional": lambda native, folder: _by_file(_functional(native), folder),
    "inside a sequential": lambda native, folder: _by_file(
        keras.Sequential([keras.Input((5,)), native]), folder
    ),
}


def _functional(native):
    symbol = keras.Input((5,))
    return keras.Model(symbol, native(symbol))


@pytest.mark.parametrize("called_first", [True, False])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("make", [Net, sequential])
def test_a_kept_model_computes_the_same(make, way, called_first, tmp_path):
    net = make().initialize(seed=1).to("tensorflow")
    expected = net.eval()(X) if called_first else net.native(X)
    again = way(net.native, tmp_path)
    np.testing.assert_allclose(again(X), expected, atol=1e-5)
    again.compile(optimizer="sgd", loss="mse")
    again.fit(X, np.zeros_like(expected), verbose=0)
    np.testing.assert_allclose(net.eval()(X), expected, atol=1e-5)


@pytest.mark.parametrize("bound", [True, False])
def test_export_knows_the_inputs(bound, tmp_path):
    net = Net().initialize(seed=1).to("tensorflow").eval()
    expected = (net if bound else net.native)(X)
    net.native.export(tmp_path / "net", verbose=False)
    exported = tf.saved_model.load(tmp_path / "net")
    np.testing.assert_allclose(exported.serve(X), expected, atol=1e-5)


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
def test_training_goes_on(way, tmp_path):
    net, y = sequential().initialize(seed=1).to("tensorflow"), X[:, :3]
    net.native.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    net.native.fit(X, y, epochs=2, verbose=0, shuffle=False)
    again = WAYS[way](net.native, tmp_path)
    assert int(again.optimizer.iterations) == 2
    histories = [
        each.fit(X, y, epochs=3, verbose=0, shuffle=False).history["loss"] for each in (net.native, again)
    ]
    np.testing.assert_allclose(*histories, rtol=1e-4)


LAYERS = {
    "dense": lambda: nn.Dense(4, activation="gelu"),
    "conv": lambda: nn.Conv1d(4, 3, padding=1),
    "norm": lambda: nn.BatchNorm(),
    "embedding": lambda: nn.Embedding(6, 3),
    "softmax": lambda: nn.Softmax(0),
    "flatten": lambda: nn.Flatten(),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "config"])
def test_a_kept_layer_computes_the_same(layer, way):
    net = layer().initialize(seed=1).to("tensorflow").eval()
    x = np.array([[1, 2, 5]]) if isinstance(net, nn.Embedding) else X[:, None, :].repeat(3, 1)
    expected = net(x)
    if way == "config":
        again = type(net.native).from_config(net.native.get_config())
        again.set_weights(net.native.get_weights())
    else:
        again = WAYS[way](net.native, None)
    assert isinstance(again, type(net.native).__mro__[2])
    np.testing.assert_allclose(again(tf.constant(x)), expected, atol=1e-6)


@pytest.mark.parametrize("make", [Net, sequential])
def test_clone_model_draws_anew_what_it_was_asked_for(make):
    net = make().initialize(seed=1).to("tensorflow").eval()
    expected = net(X)
    clone = keras.models.clone_model(net.native)
    clone(X)
    assert [w.shape for w in clone.trainable_weights] == [w.shape for w in net.native.trainable_weights]
    assert not {id(w) for w in clone.weights} & {id(w) for w in net.native.weights}
    clone.set_weights(net.native.get_weights())
    np.testing.assert_allclose(clone(X), expected, atol=1e-5)


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_an_unbuilt_model_stays_deferred(way):
    net = Net().initialize(seed=1).to("tensorflow")
    again = WAYS[way](net.native, None)
    assert not again.built
    np.testing.assert_allclose(again(X), net.eval()(X), atol=1e-5)


def test_frozen_parameters_stay_frozen(tmp_path):
    net = sequential().to("tensorflow")
    net[0].weight.trainable = False
    net(X)
    net.native[1].trainable = False
    again = _by_file(net.native, tmp_path)
    assert len(again.trainable_weights) == len(net.native.trainable_weights) == 1
    assert again[0].bias.trainable
    assert not again[0].kernel.trainable


def test_class_of_a_function(tmp_path):
    class Local(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2)

        def forward(self, x):
            return self.dense(x)

    net = Local().to("tensorflow")
    expected = net(X)
    np.testing.assert_allclose(_by_file(net.native, tmp_path)(X), expected, atol=1e-6)


def test_what_can_not_be_pickled_is_one_clear_error(tmp_path):
    net = Net(activation=lambda x: x * 2).to("tensorflow")
    net(X)
    for save in (lambda: net.native.save(tmp_path / "net.keras"), lambda: pickle.dumps(net.native)):
        with pytest.raises(NotSupportedError, match="lambda") as caught:
            save()
        assert "save_weights" in str(caught.value)


def doubled(x):
    return x * 2


MODULE = """
import numpy as np
from isomorph import nn
def doubled(x):
    return x * 2
class Elsewhere(nn.Module):
    def __init__(self, activation=None):
        super().__init__()
        self.dense = nn.Dense(2, activation=activation)
        self.table = np.arange(3.0, dtype="float32")
    def forward(self, x):
        return self.dense(x) + self.table[:2]
"""
SAVE = "net = elsewhere.Elsewhere({activation}).to('tensorflow'); net(X); net.native.save('net.keras')"
LOAD = "model = keras.models.load_model('net.keras', safe_mode={safe}); print(model(X).shape)"


def _python(code, folder):
    head = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import isomorph, numpy as np; X = np.ones((2, 3))"
    )
    code = f"{head}; isomorph.backend('tensorflow'); import keras; {code}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


ELSEWHERE = {
    "imported": ("", "import elsewhere", True, "(2, 2)"),
    "imported by the file": ("", "", False, "(2, 2)"),
    "not imported": ("", "", True, "Import elsewhere before load_model"),
    "a function of the user's": ("elsewhere.doubled", "import elsewhere", True, "names elsewhere.doubled"),
    "a function, trusted": ("elsewhere.doubled", "", False, "(2, 2)"),
}


@pytest.mark.parametrize(("activation", "before", "safe", "expected"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_file_in_another_process(activation, before, safe, expected, tmp_path):
    (tmp_path / "elsewhere.py").write_text(MODULE)
    saved = _python("import elsewhere; " + SAVE.format(activation=activation), tmp_path)
    assert saved.returncode == 0, saved.stderr
    loaded = _python(f"{before or 'pass'}; {LOAD.format(safe=safe)}", tmp_path)
    assert expected in loaded.stdout + loaded.stderr, loaded.stderr


class Evil:
    def __reduce__(self):
        return eval, ("1 + 1",)


@pytest.mark.parametrize("what", [Evil(), np.load, "dotted"])
def test_a_safe_file_names_nothing_that_runs_code(what):
    from isomorph.backends.tensorflow import saving

    if what == "dotted":
        data = b"\x80\x04\x8c\x12isomorph.init.laws\x8c\x07np.load\x93."
    else:
        data = pickle.dumps(what)
    with pytest.raises((NotSupportedError, StructureError), match=r"may run any code|names"):
        saving.decode(saving.base64.b64encode(data).decode())

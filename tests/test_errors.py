"""Bad input: one error type each, with the path, what was expected and received, and the next step."""

from __future__ import annotations

import builtins
import pickle

import numpy as np
import pytest

import isomorph
from isomorph import Adapter, errors, init, nn, ops

X = np.ones((2, 3), "float32")


class Deep(nn.Module):
    """A mismatch three levels down."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Dense(5), nn.Sequential(nn.Dense(7), nn.Dense(2, in_features=11)))

    def forward(self, x):
        return self.encoder(x)


def fails(call, kind, match):
    with pytest.raises(kind, match=match) as caught:
        call()
    assert isinstance(caught.value, errors.IsomorphError)
    return caught.value


@pytest.mark.parametrize(
    ("name", "nearest"), [("pytroch", "pytorch"), ("tensorflw", "tensorflow"), ("Jaxx", "jax")]
)
def test_unknown_backend_names_the_nearest(name, nearest):
    fails(lambda: nn.Dense(3).to(name), errors.UnknownBackendError, f"Did you mean '{nearest}'")


def test_a_backend_name_that_is_no_name():
    fails(lambda: nn.Dense(3).to(3), errors.InvalidArgumentError, "must be a string")


def test_a_choice_that_resembles_none_names_a_next_step():
    error = fails(lambda: nn.Dense(3, "unheard-of"), errors.InvalidArgumentError, "must be one of relu")
    assert str(error).splitlines()[1:] == ["  Take one of these."]
    net = nn.Sequential(nn.Dense(3))
    error = fails(
        lambda: net.initialize({"kernel": init.Ones()}), errors.InvalidArgumentError, "each pattern"
    )
    assert "matches a whole path" in str(error).splitlines()[1]


def test_a_function_that_refuses_its_input_names_the_path_and_a_next_step():
    error = fails(lambda: nn.Sequential(nn.Softmax(2)).infer((2, 3)), errors.ForwardError, "0: axis 2 is out")
    assert "print(x.shape)" in str(error).splitlines()[1]


def test_mismatch_deep_in_a_tree(backend):
    net = Deep().to(backend).initialize(seed=0)
    error = fails(
        lambda: net(X), errors.ShapeMismatchError, r"encoder\.1\.1 expects input features: 11, received 7"
    )
    assert error.path == "encoder.1.1"
    assert [str(p.state) for p in net.parameters().values()] == ["declared", "shaped"] * 2 + [
        "ready",
        "ready",
    ]


def test_a_law_that_fails_leaves_no_trace(backend):
    def law(name, shape, dtype, generator):
        if name == "1.weight":
            raise ZeroDivisionError("in the law")
        return np.ones(shape, dtype)

    net = nn.Sequential(nn.Dense(5), nn.Dense(2)).to(backend).initialize(law)
    error = fails(lambda: net(X), errors.InitializerError, r"1\.weight.*ZeroDivisionError: in the law")
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert [str(p.state) for p in net.parameters().values()] == ["declared", "shaped"] * 2
    net.initialize(init.Ones())
    assert isomorph.backend(backend).to_numpy(net(X)).tolist() == [[15.0, 15.0]] * 2


@pytest.mark.parametrize("returned", [np.ones((2, 2)), "text", None, [[1.0], [2.0, 3.0]]])
def test_a_law_that_returns_something_else(returned):
    net = nn.Dense(5).initialize(lambda name, shape, dtype, generator: returned)
    fails(lambda: net(X), errors.InitializerError, r"weight: the initial law .* shape \(5, 3\)")


@pytest.mark.parametrize(
    ("make", "x", "match"),
    [
        (
            lambda: nn.Conv2d(4, 3),
            np.ones((2, 3), "float32"),
            r"rank 4.*\(batch, channels, height, width\).*\(2, 3\)",
        ),
        (lambda: nn.Conv1d(4, 3), np.ones((2, 3), "float32"), "rank 3"),
        (lambda: nn.MaxPool2d(2), np.ones((2, 3), "float32"), "rank 4"),
        (lambda: nn.Dense(4), np.float32(3), "rank at least 1"),
        (lambda: nn.BatchNorm(), np.ones(3, "float32"), "rank at least 2"),
        (lambda: nn.Conv2d(4, 9), np.ones((1, 1, 5, 5), "float32"), "at least the window's 9"),
        (
            lambda: nn.Conv2d(4, 3, groups=2),
            np.ones((1, 3, 5, 5), "float32"),
            "divisible by groups 2, received 3",
        ),
        (lambda: nn.Dense(4), np.ones((2, 0), "float32"), "no dimension of size zero"),
        (lambda: nn.Dense(4), np.ones((0,), "float32"), "at least one feature"),
        (lambda: nn.LayerNorm(affine=False), np.ones((0,), "float32"), "at least one feature"),
        (lambda: nn.BatchNorm(), np.ones((1, 3), "float32"), "more than 1"),
    ],
)
def test_wrong_shapes(backend, make, x, match):
    fails(lambda: make().to(backend)(x), errors.ShapeMismatchError, match)


def test_a_batch_that_becomes_features_must_fit(framework):
    net = nn.Sequential(nn.Flatten(0), nn.Dense(3)).to(framework.name).initialize(seed=0)
    before = framework.to_numpy(net(X[:1]))
    error = fails(lambda: net(X), errors.ShapeMismatchError, "1 expects input features: 3, received 6")
    assert (error.path, error.expected, error.received) == ("1", 3, 6)
    np.testing.assert_array_equal(framework.to_numpy(net(X[:1])), before)


def test_an_empty_input_given_by_keyword(backend):
    class Two(nn.Module):
        def forward(self, x, y):
            return ops.relu(y) + ops.sum(x)

    net = Two().to(backend)
    fails(lambda: net(X, y=np.ones((2, 0), "float32")), errors.ShapeMismatchError, "input y to have no dim")


@pytest.mark.parametrize(
    ("make", "x", "match"),
    [
        (lambda: nn.Dense(4), np.ones((2, 3), "int64"), "floating-point input, received int(32|64)"),
        (lambda: nn.Embedding(4, 3), np.ones((2, 3), "float32"), "integer input, received float32"),
        (lambda: nn.Dense(4), np.array([["a"]]), "numeric input"),
        (lambda: nn.Dense(4), np.array([[None]]), "numeric input"),
    ],
)
def test_wrong_types(backend, make, x, match):
    fails(lambda: make().to(backend)(x), errors.DTypeMismatchError, match)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.Dense(-1), r"nn\.Dense: units must be a positive integer, received -1"),
        (lambda: nn.Dense(2.5), "received 2.5"),
        (lambda: nn.Dense(True), "received True"),
        (lambda: nn.Dense("8"), "received '8'"),
        (lambda: nn.Dense(4, in_features=0), "in_features"),
        (lambda: nn.Dense(4, activation="rleu"), "Did you mean 'relu'"),
        (lambda: nn.Dense(4, activation=nn.ReLU()), "put it behind the layer"),
        (lambda: nn.Dense(4, weight_init=3), "a law such as"),
        (lambda: nn.Conv2d(4, (3, 3, 3)), "an integer or 2 integers"),
        (lambda: nn.Conv2d(4, 3, padding="smae"), "Did you mean 'same'"),
        (lambda: nn.Conv2d(4, 3, padding=-1), "at least 0"),
        (lambda: nn.Conv2d(5, 3, groups=2), "divisible by groups=2"),
        (lambda: nn.MaxPool2d(2, padding=2), "at most half"),
        (lambda: nn.Dropout(1.0), r"\[0, 1\)"),
        (lambda: nn.LayerNorm(eps=0), "a positive number"),
        (lambda: nn.Parameter((3, -1)), "positive integers or None"),
        (lambda: nn.Parameter((3,), role="wieght"), "Did you mean 'weight'"),
        (lambda: nn.Parameter((3,), dtype="flaot32"), "Did you mean 'float32'"),
        (lambda: init.Normal(-1), "zero or positive"),
        (lambda: init.Kaiming("unifrom"), "Did you mean 'uniform'"),
        (lambda: nn.Dense(3).initialize(seed=-1), "non-negative integer"),
        (lambda: nn.Dense(3).initialize({"wieght": init.Ones()}), "Did you mean 'weight'"),
        (lambda: nn.Dense(3).initialize({"(": init.Ones()}), "regular expression"),
        (lambda: nn.Dense(3).to("numpy", dtype="int8"), "dtype must be one of"),
        (lambda: nn.Dense(3).to("numpy", data_format="nchw"), "channels_first"),
        (lambda: nn.Dense(3).to("numpy", compile="yes"), "True, False or None"),
        (lambda: nn.Dense(3).infer(), "the shape of each input"),
        (lambda: nn.Dense(3).infer((2, -3)), "non-negative integers or None"),
        (lambda: nn.Dense(3).infer("2,3"), "a shape such as"),
        (lambda: nn.Dense(3).parameters()["wieght"], "Did you mean 'weight'"),
        (lambda: nn.ModuleList([nn.Dense(3), 3]), "each item must be a module"),
        (lambda: nn.ModuleDict({"forward": nn.Dense(3)}), "no attribute"),
        (lambda: nn.ModuleDict({"a.b": nn.Dense(3)}), "without dots"),
        (lambda: nn.Dense(3)([[1.0, 2.0]]), "numpy.asarray"),
        (lambda: nn.Dense(3)({"x": np.ones((2, 3))}), "tensors singly"),
    ],
)
def test_invalid_arguments(make, match):
    fails(make, errors.InvalidArgumentError, match)


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Dense(3)


class NoReturn(NoForward):
    def forward(self, x):
        self.a(x)


class TooEarly(nn.Module):
    def __init__(self):
        self.a = nn.Dense(3)


class AssignsLate(NoForward):
    def forward(self, x):
        self.b = nn.Dense(3)
        return self.b(x)


class Unused(NoForward):
    def __init__(self):
        super().__init__()
        self.b = nn.Dense(3)

    def forward(self, x):
        return self.a(x)


class NoBuild(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter((None,))

    def forward(self, x):
        return x * self.gain


def test_forward_that_returns_nothing(backend):
    fails(lambda: NoReturn().to(backend)(X), errors.ForwardError, "NoReturn: forward returned nothing")


def test_a_frameworks_function_in_forward_is_named():
    import torch

    class Foreign(NoForward):
        def forward(self, x):
            return torch.relu(self.a(x))

    fails(lambda: Foreign()(X), errors.ForwardError, r"(?s)Foreign: .*isomorph\.ops")


def test_no_forward(backend):
    fails(lambda: NoForward().to(backend)(X), errors.ForwardError, "has no forward")


def test_module_before_super_init():
    fails(TooEarly, errors.StructureError, r"super\(\).__init__\(\) first in TooEarly")


@pytest.mark.parametrize("name", ["forward", "training", "parent", "state", "native", "to", "children"])
def test_an_attribute_that_the_description_needs(name):
    fails(lambda: setattr(nn.Module(), name, 3), errors.StructureError, rf"assigns self\.{name}.*\n")


def test_a_method_that_the_description_needs():
    fails(
        lambda: type("Net", (nn.Module,), {"state": lambda self: 3}),
        errors.StructureError,
        "Net defines state",
    )


def test_module_assigned_in_forward():
    fails(lambda: AssignsLate()(X), errors.StructureError, "assigned during forward")


def test_a_layer_that_forward_never_reaches(backend):
    fails(lambda: Unused().to(backend)(X), errors.StructureError, r"b\.weight still has the shape \(3, \?\)")


def test_a_parameter_of_unknown_size_without_build():
    fails(lambda: NoBuild()(X), errors.DeferredInitializationError, r"gain .*\n.*build\(self")


def test_cycle_of_modules():
    outer, inner = nn.ModuleList(), nn.ModuleList()
    outer.append(inner)
    fails(lambda: inner.append(outer), errors.StructureError, "a cycle of modules")
    fails(lambda: setattr(inner, "self_reference", inner), errors.StructureError, "a cycle of modules")


def test_modules_mixed_with_other_things():
    net = nn.Module()
    fails(
        lambda: setattr(net, "mixed", [nn.Dense(3), None]), errors.InvalidArgumentError, "all modules or none"
    )


@pytest.mark.parametrize("value", [np.ones((3, 4)), np.ones(5)])
def test_a_value_of_the_wrong_shape_set(backend, value):
    net = nn.Dense(5).to(backend).initialize(init.Ones())
    net(X)
    fails(
        lambda: net.weight.set(value), errors.ShapeMismatchError, r"weight expects values of shape \(5, 3\)"
    )
    assert (net.weight.numpy() == 1).all()


def test_a_value_that_is_no_number():
    fails(lambda: nn.Dense(5).weight.set("text"), errors.DTypeMismatchError, "weight expects numeric")


def test_tensors_of_two_backends_mixed(framework: Adapter):
    for info in isomorph.available():
        if info.name in ("numpy", framework.name) or not info.is_installed:
            continue
        other = isomorph.backend(info.name)
        foreign = other.from_numpy(X, nn.Module()._isomorph.options)
        net = nn.Dense(3).to(framework.name)
        fails(
            lambda net=net, foreign=foreign: net(foreign),
            errors.MixedBackendsError,
            f"received a {other.name} tensor",
        )


def test_native_tensor_of_another_type(framework: Adapter):
    net = nn.Dense(3).to(framework.name)
    if framework.name == "numpy":  # arrays are what every backend takes; they are converted
        assert net(X.astype("float16")).dtype == np.float32
        return
    half = framework.from_numpy(X.astype("float16"), nn.Module()._isomorph.options)
    fails(lambda: net(half), errors.DTypeMismatchError, "expects float32 input, received float16")


def test_a_failure_inside_the_framework_is_chained(backend):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Dense(3)

        def forward(self, x):
            if not isinstance(x, isomorph.TensorSpec):
                raise KeyError("only natively")
            return self.a(x)

    net = Broken().to(backend, compile=False)
    net.a.bias.set(np.arange(3.0))
    error = fails(lambda: net(X), errors.NativeCallError, "KeyError")
    assert isinstance(error.__cause__, KeyError)
    assert [str(p.state) for p in net.parameters().values()] == ["declared", "ready"]
    assert net.a.weight.shape == (3, None)
    assert net.a.bias.numpy().tolist() == [0, 1, 2]


def test_a_part_cannot_be_moved_alone(backend):
    net = Deep().to(backend)
    fails(lambda: net.encoder.to("numpy"), errors.StructureError, "part of Deep")


def test_a_module_shared_by_two_lowered_nets(backend):
    shared = nn.Dense(3)
    first, second = nn.Sequential(shared), nn.Sequential(shared)
    first.to(backend)
    fails(lambda: second.to(backend), errors.StructureError, "shared with Sequential")
    assert second.backend is None


def test_a_layer_without_lowering(backend):
    class Strange(nn.Layer):
        def infer_shapes(self, x):
            return x

    net = nn.Sequential(nn.Dense(3), Strange())
    error = fails(lambda: net.to(backend), errors.LayerNotSupportedError, "1: the .* cannot lower Strange")
    assert error.path == "1"
    assert (error.backend, error.capability) == (backend, "layer.Strange")
    assert net.backend is None


@pytest.mark.parametrize("size", [0, 1])
def test_a_batch_without_a_variance_says_how_many_there_are(size, backend):
    net = nn.BatchNorm().to(backend)
    fails(lambda: net(np.ones((size, 3), "float32")), errors.ShapeMismatchError, f"received {size}")


def test_modules_nested_too_deeply(backend):
    net = nn.Sequential(nn.Dense(3))
    for _ in range(300):
        net = nn.Sequential(net)
    fails(lambda: net.to(backend)(X), errors.StructureError, "nested deeper than Python's recursion limit")
    assert not next(iter(net.parameters().values())).is_ready


def test_reading_a_native_before_a_backend():
    fails(lambda: nn.Dense(3).weight.native, errors.StructureError, r"call to\(backend\)")


def test_every_error_refines_a_builtin_and_pickles():
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.IsomorphError
    ]
    ours = [kind for kind in kinds if issubclass(kind, errors.IsomorphError)]
    assert len(ours) > 10
    for kind in ours:
        assert any(
            getattr(builtins, base.__name__, None) is base and base is not Exception
            for base in kind.__mro__[1:-2]
        )
        twin = pickle.loads(pickle.dumps(kind("text", path="a.b")))
        assert (type(twin), str(twin), twin.path) == (kind, "text", "a.b")


def test_gradients_on_numpy_are_refused():
    net = nn.Dense(3).to("numpy")
    net(X)
    for call in (lambda: net.gradients(ops.sum, X), lambda: net.weight.grad):
        error = fails(call, errors.GradientsNotSupportedError, "forward only")
        assert (error.backend, error.capability) == ("numpy", "gradients")


def test_what_a_backend_lacks_is_one_kind_of_error():
    for kind in (errors.LayerNotSupportedError, errors.GradientsNotSupportedError):
        assert issubclass(kind, errors.NotSupportedError)
    # Raised by a backend that writes its own text.
    assert errors.GradientsNotSupportedError("none here").capability == "gradients"
    error = errors.NotSupportedError.of("ours", "device.gpu", "it works on CPUs", "Use device=None.")
    assert str(error) == (
        "The ours backend does not support device.gpu: it works on CPUs.\n  Use device=None."
    )
    assert pickle.loads(pickle.dumps(error)).capability == "device.gpu"
    named = errors.LayerNotSupportedError.at("a.b", "ours", "a name", "Rename it.", "name.bind")
    assert (named.capability, named.path) == ("name.bind", "a.b")


def test_variables_where_there_are_none(backend):
    net = nn.Dense(3).to(backend)
    if backend == "jax":
        assert net.variables == {}
        return
    error = fails(lambda: net.variables, errors.NotSupportedError, "native module")
    assert error.capability == "variables"


class Twice(nn.Module):
    """Two layers with one weight, or one layer at two places."""

    def __init__(self, is_one: bool) -> None:
        super().__init__()
        self.left = nn.Dense(3)
        self.right = self.left if is_one else nn.Dense(3)
        self.right.weight = self.left.weight

    def forward(self, x, y):
        return self.left(x) + self.right(y)


@pytest.mark.parametrize(
    ("net", "hint"),
    [
        (Twice(is_one=False), "left.weight is shared with left, which takes that size."),
        (Twice(is_one=True), r"one module, used at left and right; its first input was .*\(2, 3\)"),
        (nn.Dense(3, in_features=11), "That size was given to the constructor."),
    ],
    ids=["parameter", "module", "constructor"],
)
def test_a_size_that_does_not_fit_says_where_it_came_from(net, hint):
    inputs = (X, np.ones((2, 5), "float32")) if isinstance(net, Twice) else (X,)
    fails(lambda: net(*inputs), errors.ShapeMismatchError, hint)


def test_a_size_that_came_with_values_says_so():
    net = nn.Dense(3)
    net.weight.set(np.ones((3, 5)))
    fails(lambda: net(X), errors.ShapeMismatchError, "weight has values of that size.")

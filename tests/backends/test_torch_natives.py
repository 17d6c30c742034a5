"""Native modules of PyTorch's: what their users do with them."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import threading
import warnings

import numpy as np
import pytest
import torch
from small_nets import MLP

from isomorph import errors, init, nn, ops

X = np.random.default_rng(0).standard_normal((2, 20)).astype("float32")


class Everything(nn.Module):
    """A parameter of its own, statistics, a list of parameters, a name that PyTorch has too."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Dense(3, activation="relu"), nn.BatchNorm(), nn.LayerNorm())
        self.gain = nn.Parameter((None,), init=init.Uniform())
        self.shifts = {"type": nn.Parameter((3,)), "left": nn.Buffer((3,))}
        self.half = nn.Dense(2)

    def build(self, shape):
        self.gain.shape = (3,)

    def forward(self, x):
        return self.half(self.body(x) * self.gain + self.shifts["type"] - self.shifts["left"])


T = torch.from_numpy(X)


def saved(native):
    file = io.BytesIO()
    torch.save(native, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "pickle": lambda native: pickle.loads(pickle.dumps(native)),
    "deepcopy": copy.deepcopy,
    "save": saved,
}


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("is_ready", [False, True], ids=["deferred", "ready"])
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copied_native_computes_the_same(copied, is_ready, seed):
    net = Everything().initialize(seed=seed).to("torch")
    if is_ready:
        net(X)
    twin = copied(net.native)
    torch.testing.assert_close(twin(T), net.native(T))
    assert isinstance(twin, Everything)
    assert twin.body[0].weight is not net.native.body[0].weight


def test_a_shallow_copy_shares_parameters():
    net = Everything().to("torch")
    net(X)
    assert copy.copy(net.native).half.weight is net.native.half.weight


def test_a_deferred_net_is_pickled_with_its_optimizer():
    net = Everything().initialize(seed=3).to("torch", dtype="float64")
    native, optimizer = pickle.loads(pickle.dumps((net.native, torch.optim.Adam(net.native.parameters()))))
    native(T.double()).sum().backward()
    before = native.half.weight.detach().clone()
    optimizer.step()
    assert native.half.weight.dtype == torch.float64
    assert not torch.equal(before, native.half.weight)


def test_nets_of_one_class_have_one_native_class():
    first, second = Everything().to("torch"), Everything().to("torch")
    assert type(first.native) is type(second.native)
    first(X), second(X)
    assert type(first.native) is type(second.native)


def test_ties_are_one_parameter_from_the_start():
    net = nn.Sequential(nn.Dense(20, bias=False), nn.Dense(20))
    net[1].weight = net[0].weight
    net.to("torch")
    assert len(list(net.native.parameters())) == 2
    assert copy.deepcopy(net.native)[0].weight is not net.native[0].weight
    net(X)
    assert net.native[0].weight is net.native[1].weight
    assert (net.native[1].in_features, net.native[1].out_features) == (20, 20)


def test_a_native_that_was_cast_before_data_stays_so():
    net = Everything().to("torch")
    net.native.double()
    assert net.native(T.double()).dtype == torch.float64
    assert net.native.body[0].weight.dtype == torch.float64


@pytest.fixture
def defaults():
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


MODES = {
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "meta": lambda: torch.device("meta"),
    "default-meta": lambda: contextlib.nullcontext(torch.set_default_device("meta")),
    "default-double": lambda: contextlib.nullcontext(torch.set_default_dtype(torch.float64)),
}


@pytest.mark.usefixtures("defaults")
@pytest.mark.parametrize("step", ["to", "native", "both"])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_net_first_met_in_a_mode_of_torch_is_trained_after(mode, step):
    net = Everything().initialize(seed=0)
    if step == "native":
        net.to("torch")
    with mode():
        net.to("torch")
        if step != "to":
            net.native(T) if step == "native" else net(T)
    torch.set_default_device(None)
    output = net(T)
    assert (output.device.type, output.dtype) == ("cpu", torch.float32)
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.native.parameters())
    torch.optim.Adam(net.native.parameters()).step()


def test_gradients_are_the_same_in_inference_mode():
    net = Everything().initialize(seed=0).to("torch").eval()
    expected = net.gradients(ops.sum, X)
    with torch.inference_mode():
        found = net.gradients(ops.sum, X)
    assert all(np.array_equal(found[path], expected[path]) for path in expected)
    assert any(expected[path].any() for path in expected)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("compile", [None, True])
def test_batch_norm_takes_any_rank_after_the_first(data_format, compile):
    net = nn.BatchNorm().to("torch", data_format=data_format, compile=compile)
    reference = nn.BatchNorm().to("numpy", data_format=data_format)
    for shape in ((4, 3), (4, 3, 3), (2, 3, 3, 3), (2, 3, 3, 3, 3), (4, 3)):
        x = np.random.default_rng(0).standard_normal(shape).astype("float32")
        np.testing.assert_allclose(net(x).detach(), reference(x), atol=1e-5)
    assert isinstance(net.native, torch.nn.BatchNorm1d)


class ByName(nn.Module):
    """Layers called by keyword."""

    def __init__(self):
        super().__init__()
        self.hidden, self.norm = nn.Dense(3), nn.BatchNorm()

    def forward(self, x):
        return self.norm(x=self.hidden(x=x))


@pytest.mark.parametrize("call", ["net", "native", "compiled", "copied"])
def test_layers_are_called_by_keyword(call):
    net = ByName().initialize(init.Constant(0.5)).to("torch", compile=call == "compiled" or None)
    expected = ByName().initialize(init.Constant(0.5)).to("numpy")(X)
    native = copy.deepcopy(net.native) if call == "copied" else net.native
    output = native(x=T) if call in ("native", "copied") else net(x=X)
    np.testing.assert_allclose(output.detach(), expected, atol=1e-5)
    assert type(net(X)) is torch.Tensor
    assert type(net.native.hidden) is torch.nn.Linear


def test_a_layer_called_by_keyword_is_quantized():
    net = ByName().initialize(seed=0).to("torch").eval()
    expected = net(X)
    kinds = {torch.nn.Linear}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated
        quantized = torch.ao.quantization.quantize_dynamic(net.native, kinds)
    torch.testing.assert_close(quantized(T), expected, atol=0.05, rtol=0.05)


def test_a_deferred_native_is_compiled():
    net, other = (Everything().initialize(seed=0).to("torch") for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own, where a graph ends at a lazy module
        torch.testing.assert_close(torch.compile(net.native)(T), other(X))


NAMES = ("type", "half", "apply", "modules", "share_memory")


@pytest.mark.parametrize("compile", [None, True])
def test_names_of_torch_are_keys(compile):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.ModuleDict({name: nn.Dense(3) for name in NAMES})
            self.gains = nn.ParameterDict({name: nn.Parameter((3,)) for name in NAMES})

        def forward(self, x):
            return sum(head(x) * self.gains[name] + self.heads[name](x) for name, head in self.heads.items())

    expected = Heads().initialize(seed=0).to("numpy")(X)
    net = Heads().initialize(seed=0).to("torch", compile=compile)
    np.testing.assert_allclose(net(X).detach(), expected, atol=1e-5)
    assert "heads.type.weight" in net.native.state_dict()
    net.native.load_state_dict(copy.deepcopy(net.native).state_dict())
    assert net.native.train().training


def test_names_that_only_users_of_torch_call_are_the_nets_own():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.half, self.type, self.float = nn.Dense(3), nn.Parameter((20,)), "kind"

        def double(self, x):
            return x * 2

        def forward(self, x):
            assert self.float == "kind"
            return self.half(self.double(x) * self.type)

    net, reference = (Halves().initialize(seed=0).to(backend) for backend in ("torch", "numpy"))
    np.testing.assert_allclose(net(X).detach(), reference(X), atol=1e-5)
    assert [name for name, _ in copy.deepcopy(net.native).named_parameters()] == [
        "type",
        "half.weight",
        "half.bias",
    ]


@pytest.mark.parametrize("name", ["modules", "apply", "_apply", "_modules", "register_buffer"])
@pytest.mark.parametrize("kind", ["method", "module", "value"])
def test_a_name_that_torch_needs_is_refused(name, kind):
    kind_of_net = type("Taken", (MLP,), {name: lambda self, x: x} if kind == "method" else {})
    net = kind_of_net()
    if kind != "method":
        setattr(net, name, nn.Dense(3) if kind == "module" else 3)
    with pytest.raises(errors.LayerNotSupportedError, match=rf"{name}.*\n.*Rename"):
        net.to("torch")


def test_a_taken_name_assigned_later_is_refused():
    net = MLP().to("torch")
    net(X)
    net.modules = 3
    with pytest.raises(errors.LayerNotSupportedError, match=r"modules.*\n.*Rename"):
        net(X)


class Moving(nn.Module):
    """Buffers of its own and of a child's that each call updates, read before and after."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Buffer((3,), init=init.Zeros())
        self.hidden, self.norm = nn.Dense(3), nn.BatchNorm(in_features=3)

    def forward(self, x):
        before = self.mean
        y = self.hidden(x) * (before + 1)
        self.mean.update(self.mean * 0.5 + ops.mean(y, 0))
        self.mean.update(self.mean + 1.0)
        self.norm.running_mean.update(self.norm.running_mean + 1.0)
        return self.norm(y * self.mean) + before


@pytest.mark.parametrize("compile", [None, True])
def test_a_forward_updates_buffers(compile):
    net = Moving().initialize(seed=0).to("torch", compile=compile)
    reference = Moving().initialize(seed=0).to("numpy")
    buffer, outputs = net.native.mean, []
    for _ in range(3):
        outputs.append(net(X))
        np.testing.assert_allclose(outputs[-1].detach(), reference(X), atol=1e-4)
        np.testing.assert_allclose(net.mean.numpy(), reference.mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(net.norm.running_mean.numpy(), reference.norm.running_mean.numpy(), atol=1e-5)
    sum(output.square().sum() for output in outputs).backward()
    assert net.native.mean is buffer
    assert {type(value) for value in net.native.state_dict().values()} == {torch.Tensor}


def test_gradients_through_updated_buffers_are_those_of_the_values_used():
    moving = Moving().initialize(seed=0).to("torch").eval()
    compiled = copy.deepcopy(moving).to("torch", compile=True)
    losses = [net(X).square().sum() for net in (moving, compiled) for _ in range(2)]
    sum(losses).backward()
    np.testing.assert_allclose(compiled.hidden.weight.grad, moving.hidden.weight.grad, rtol=1e-4, atol=1e-5)


def test_a_native_that_was_cast_or_copied_updates_buffers():
    net = Moving().to("torch")
    net(X)
    twin = copy.deepcopy(net.native).double()
    before = twin.mean.clone()
    twin(T.double())
    assert not torch.equal(twin.mean, before)


def test_threads_update_buffers_one_after_the_other():
    net = Moving().initialize(seed=0).to("torch")
    net(X)
    threads = [threading.Thread(target=lambda: [net(X) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.native.mean.places == ()
    alone = Moving().initialize(seed=0).to("torch")
    for _ in range(81):
        alone(X)
    np.testing.assert_allclose(net.mean.numpy(), alone.mean.numpy(), rtol=1e-5)


def test_a_failed_call_updates_no_buffer():
    class Late(Moving):
        def forward(self, x):
            y = super().forward(x)
            if isinstance(x, torch.Tensor) and x.sum() > 1e5:
                raise RuntimeError("late")
            return y

    net = Late().initialize(seed=0).to("torch")
    net(X)
    expected = net.mean.numpy()
    with pytest.raises(errors.NativeCallError, match="late"):
        net(X + 1e6)
    np.testing.assert_array_equal(net.mean.numpy(), expected)


CONSTANT = np.array([1.0, 2.0, 3.0], "float32")
BESIDE = {
    "right": lambda h: h * CONSTANT + CONSTANT.astype("float64").astype("float32"),
    "left": lambda h: CONSTANT * h,
    "subtract": lambda h: (CONSTANT - h) / (CONSTANT + 4 - (h - CONSTANT)),
    "compare": lambda h: ops.where(h > CONSTANT, CONSTANT, h) + ops.where(h >= CONSTANT, h, CONSTANT),
    "equal": lambda h: ops.astype(h == CONSTANT, "float32") + ops.astype(h != CONSTANT, "float32"),
    "power": lambda h: (h * h + 1) ** CONSTANT,
    "matmul": lambda h: CONSTANT @ ops.permute_dims(h, (1, 0)) + h @ CONSTANT,
    "scalar": lambda h: np.float32(2) * h * np.float64(3),
    "ops": lambda h: ops.maximum(CONSTANT, h) + ops.multiply(h, CONSTANT) + ops.subtract(CONSTANT, h),
    "join": lambda h: ops.concat([h, np.ones((2, 1), "float32")], 1),
    "product": lambda h: (
        ops.matmul(h, np.ones((3, 2), "float32")) + ops.einsum("bi,i->b", h, CONSTANT)[:, None]
    ),
}


@pytest.mark.parametrize("compile", [None, True])
@pytest.mark.parametrize("name", BESIDE)
def test_arrays_beside_tensors(name, compile):
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Dense(3)

        def forward(self, x):
            return BESIDE[name](self.hidden(x))

    expected = Beside().initialize(seed=0).to("numpy")(X)
    output = Beside().initialize(seed=0).to("torch", compile=compile)(X)
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-4, atol=1e-5)
    assert output.dtype == torch.float32


@pytest.mark.parametrize("function", [np.exp, np.abs, np.add.reduce, np.modf, lambda x: np.hypot(x, X)])
def test_what_is_no_operator_goes_the_way_of_numpy(function):
    found, expected = function(T), function(X)
    for one, other in zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]:
        assert isinstance(one, torch.Tensor)
        np.testing.assert_array_equal(one, other)
    array = X.copy()
    array += T
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, X * 2)

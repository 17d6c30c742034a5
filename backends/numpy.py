"""The reference backend: plain NumPy, forward only, written to be read.

The other backends are held against these formulas. It has no gradients and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Options, Slot
from isomorph.errors import GradientsNotSupportedError
from isomorph.init.laws import Array
from isomorph.init.streams import numpy_dtype
from isomorph.native_class import native_class
from isomorph.nn.activations import moves_channels
from isomorph.nn.arguments import activation_function
from isomorph.nn.rules import same_padding
from isomorph.ops.table import Ops, Tensor
from isomorph.tensor import TensorSpec
from isomorph.trace import Call

Axes = int | tuple[int, ...] | None


class NumpyModule:
    """A callable that holds its parameters as attributes: None until they have values."""

    training = True

    def __init__(self, forward: Callable[..., Any] | None = None, **attributes: Any) -> None:
        self.__dict__.update(attributes)
        if forward is not None:
            self.forward = forward

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)

    forward: Callable[..., Any]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(vars(self))})"


class NumpyAdapter(Adapter):
    """Lowers nets to `NumpyModule`."""

    name = "numpy"

    def __init__(self) -> None:
        self.ops = NumpyOps()

    def owns(self, value: Any) -> bool:
        return isinstance(value, (np.ndarray, np.generic))

    def from_numpy(self, array: Array, options: Options) -> Any:
        return array

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tensor.shape, tensor.dtype.name)

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        cls = native_class(NumpyModule, module, {"training": True, "forward": type(module).forward})
        native = cls(**attributes)
        vars(native).update(dict.fromkeys(module.own_parameters()))
        return native

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        # NumPy has no modules and so no inference of its own: the shapes are ours.
        parameters = [p for call in calls for p in call.module.own_parameters().values()]
        return {id(parameter): parameter.shape.known() for parameter in parameters if parameter.shape.is_known}

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            for name, parameter in module.own_parameters().items():
                first = binding.slots[id(parameter)][0]
                values = first.take() if parameter._value is not None else self.parameter(first)
                for slot in binding.slots[id(parameter)]:
                    setattr(slot.owner, slot.native_name, values)
                del name

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        return binding.native(module)  # type: ignore[no-any-return]

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            if id(module) in binding.natives:
                binding.natives[id(module)].training = module.training

    def is_ready(self, slot: Slot) -> bool:
        return getattr(slot.owner, slot.native_name) is not None

    def parameter(self, slot: Slot) -> Any:
        return getattr(slot.owner, slot.native_name)

    def read(self, slot: Slot) -> Array:
        return np.asarray(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        self.parameter(slot)[...] = array

    def gradient(self, slot: Slot) -> Array | None:
        raise GradientsNotSupportedError(_NO_GRADIENTS)

    def gradients(self, *args: Any, **kwargs: Any) -> dict[int, Array]:
        raise GradientsNotSupportedError(_NO_GRADIENTS)


_NO_GRADIENTS = (
    "The numpy backend computes forward only and has no gradients.\n"
    '  Move the net to a framework that has them, for example net.to("torch").'
)


# Layers.


@NumpyAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> NumpyModule:
    """Lower Dense."""

    def forward(x: Array) -> Array:
        y = x @ native.weight.T  # type: ignore[attr-defined]
        return _finish(layer, y if native.bias is None else y + native.bias)  # type: ignore[attr-defined]

    native = NumpyModule(forward, weight=None, bias=None)
    return native


@NumpyAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> NumpyModule:
    """Lower a convolution: for each kernel element, a product with the shifted image."""
    rank, groups = layer.spatial, layer.groups
    last = binding.options.data_format == "channels_last"

    def forward(x: Array) -> Array:
        x = np.moveaxis(x, -1, 1) if last else x
        x = _padded(x, layer, layer.dilation, 0.0)
        weight = native.weight  # type: ignore[attr-defined]
        batch, out = x.shape[0], weight.shape[0]
        sizes = _positions(x.shape[2:], layer.kernel_size, layer.stride, layer.dilation)
        grouped = x.reshape(batch, groups, -1, *x.shape[2:])
        filters = weight.reshape(groups, out // groups, *weight.shape[1:])
        y = np.zeros((batch, groups, out // groups, *sizes), x.dtype)
        for element in np.ndindex(*layer.kernel_size):
            window = grouped[(..., *_shifted(element, sizes, layer.stride, layer.dilation))]
            y += np.einsum("gof,ngf...->ngo...", filters[(..., *element)], window)
        y = y.reshape(batch, out, *sizes)
        if native.bias is not None:  # type: ignore[attr-defined]
            y += native.bias.reshape(-1, *[1] * rank)  # type: ignore[attr-defined]
        return _finish(layer, np.moveaxis(y, 1, -1) if last else y)

    native = NumpyModule(forward, weight=None, bias=None)
    return native


@NumpyAdapter.lowers(nn.MaxPool2d)
def max_pool(layer: nn.MaxPool2d, binding: Binding) -> NumpyModule:
    """Lower MaxPool2d."""

    def pool(x: Array) -> Array:
        return np.max(_windows(_padded(x, layer, (1, 1), -np.inf), layer), axis=0)  # type: ignore[no-any-return]

    return _on_channels_first(pool, binding)


@NumpyAdapter.lowers(nn.AvgPool2d)
def avg_pool(layer: nn.AvgPool2d, binding: Binding) -> NumpyModule:
    """Lower AvgPool2d."""

    def pool(x: Array) -> Array:
        total = np.sum(_windows(_padded(x, layer, (1, 1), 0.0), layer), axis=0)
        if layer.count_include_pad:
            return total / np.asarray(math.prod(layer.kernel_size), x.dtype)  # type: ignore[no-any-return]
        count = np.sum(_windows(_padded(np.ones_like(x), layer, (1, 1), 0.0), layer), axis=0)
        return total / count  # type: ignore[no-any-return]

    return _on_channels_first(pool, binding)


@NumpyAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> NumpyModule:
    """Lower GlobalAvgPool2d."""
    axes = (1, 2) if binding.options.data_format == "channels_last" else (2, 3)
    return NumpyModule(lambda x: x.mean(axes, keepdims=layer.keepdims))


@NumpyAdapter.lowers(nn.BatchNorm)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> NumpyModule:
    """Lower BatchNorm: batch statistics in training, with an unbiased running variance."""
    last = binding.options.data_format == "channels_last"

    def forward(x: Array) -> Array:
        axis = x.ndim - 1 if last else 1
        others = tuple(i for i in range(x.ndim) if i != axis)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        mean, var = native.running_mean, native.running_var  # type: ignore[attr-defined]
        if native.training:
            mean, var = x.mean(others), x.var(others)
            count = x.size // x.shape[axis]
            _blend(native.running_mean, mean, layer.momentum)  # type: ignore[attr-defined]
            _blend(native.running_var, var * (count / (count - 1)), layer.momentum)  # type: ignore[attr-defined]
        y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + np.asarray(layer.eps, x.dtype))
        if layer.affine:
            y = y * native.weight.reshape(shape) + native.bias.reshape(shape)  # type: ignore[attr-defined]
        return y  # type: ignore[no-any-return]

    native = NumpyModule(forward, weight=None, bias=None, running_mean=None, running_var=None)
    return native


@NumpyAdapter.lowers(nn.LayerNorm)
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> NumpyModule:
    """Lower LayerNorm."""

    def forward(x: Array) -> Array:
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        y = (x - mean) / np.sqrt(var + np.asarray(layer.eps, x.dtype))
        y = y if native.weight is None else y * native.weight  # type: ignore[attr-defined]
        return y if native.bias is None else y + native.bias  # type: ignore[attr-defined, no-any-return]

    native = NumpyModule(forward, weight=None, bias=None)
    return native


@NumpyAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> NumpyModule:
    """Lower Embedding; an index outside the table is an IndexError, a negative one too."""

    def forward(x: Array) -> Array:
        if x.size and (x.min() < 0 or x.max() >= layer.num_embeddings):
            raise IndexError(f"an index is outside 0..{layer.num_embeddings - 1}: {x.min()} to {x.max()}")
        return native.weight[x]  # type: ignore[attr-defined, no-any-return]

    native = NumpyModule(forward, weight=None)
    return native


@NumpyAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> NumpyModule:
    """Lower Dropout; its elements come from NumPy's own entropy."""
    generator = np.random.default_rng()

    def forward(x: Array) -> Array:
        if not native.training:
            return x
        kept = generator.random(x.shape) >= layer.p
        return np.where(kept, x / np.asarray(1 - layer.p, x.dtype), np.zeros((), x.dtype))

    native = NumpyModule(forward)
    return native


@NumpyAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> NumpyModule:
    """Lower Flatten."""

    def forward(x: Array) -> Array:
        if moves_channels(layer, x.ndim, binding.options.data_format):
            x = np.moveaxis(x, -1, 1)
        return _flat(x, layer.start_axis)

    return NumpyModule(forward)


@NumpyAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> NumpyModule:
    """Lower an activation by its function in the table."""
    return NumpyModule(getattr(binding.adapter.ops, type(layer).__name__.lower()))


@NumpyAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> NumpyModule:
    """Lower Softmax."""
    return NumpyModule(lambda x: binding.adapter.ops.softmax(x, layer.axis))


@NumpyAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> NumpyModule:
    """Lower LeakyReLU."""
    return NumpyModule(lambda x: binding.adapter.ops.leaky_relu(x, layer.negative_slope))


def _finish(layer: Any, y: Array) -> Array:
    function = activation_function(layer.activation)
    return y if function is None else function(y)  # type: ignore[no-any-return]


def _padded(x: Array, layer: Any, dilation: tuple[int, ...], value: float) -> Array:
    widths = [
        same_padding(size, kernel, stride, dilated) if layer.padding == "same" else (layer.padding[i],) * 2
        for i, (size, kernel, stride, dilated) in enumerate(
            zip(x.shape[2:], layer.kernel_size, layer.stride, dilation)
        )
    ]
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=value)


def _positions(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation))


def _shifted(element: Any, sizes: Any, stride: Any, dilation: Any) -> list[slice]:
    return [slice(e * d, e * d + s * (n - 1) + 1, s) for e, n, s, d in zip(element, sizes, stride, dilation)]


def _windows(x: Array, layer: Any) -> Array:
    """Return the elements of each window along a new first axis."""
    sizes = _positions(x.shape[2:], layer.kernel_size, layer.stride, (1, 1))
    elements = np.ndindex(*layer.kernel_size)
    return np.stack([x[(..., *_shifted(element, sizes, layer.stride, (1, 1)))] for element in elements])


def _on_channels_first(pool: Callable[[Array], Array], binding: Binding) -> NumpyModule:
    if binding.options.data_format == "channels_first":
        return NumpyModule(pool)
    return NumpyModule(lambda x: np.moveaxis(pool(np.moveaxis(x, -1, 1)), 1, -1))


def _blend(running: Array, new: Array, momentum: float) -> None:
    running *= 1 - momentum
    running += momentum * new


def _flat(x: Array, start: int) -> Array:
    start = start + x.ndim if start < 0 else start
    return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))


# Containers.


class NumpySequential(NumpyModule):
    """Modules called one after the other; also a row of modules that a net calls itself."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules = list(modules)

    def forward(self, x: Any) -> Any:
        """Call each module on what the one before returned."""
        for module in self.modules:
            x = module(x)
        return x

    def __iter__(self) -> Any:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: Any) -> Any:
        return self.modules[index]


@NumpyAdapter.lowers(nn.Sequential, nn.ModuleList)
def sequential(layer: nn.ModuleList, binding: Binding) -> NumpyModule:
    """Lower a row of modules."""
    return NumpySequential([binding.native(child) for child in layer])


class NumpyDict(dict[str, Any]):
    """Modules by name."""

    training = True


@NumpyAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> NumpyDict:
    """Lower modules by name."""
    return NumpyDict({name: binding.native(child) for name, child in layer.items()})


# Functions.


def _float(x: Any) -> Array:
    array = np.asarray(x)
    return array if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array.astype(np.float32)


def _erf(x: Array) -> Array:
    """The error function to double precision, by `math.erf`."""
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)  # type: ignore[no-any-return]


class NumpyOps(Ops):
    """The functions of `isomorph.ops` in NumPy. Floating types stay what they are."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return (_float(a) if not isinstance(a, (int, float)) else a) / (
            _float(b) if not isinstance(b, (int, float)) else b
        )

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return a**b

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return np.maximum(*_same_type(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return np.minimum(*_same_type(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return np.where(condition, *_same_type(a, b))

    def negative(self, x: Tensor) -> Tensor:
        return -x

    def abs(self, x: Tensor) -> Tensor:
        return np.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return np.exp(_float(x))

    def log(self, x: Tensor) -> Tensor:
        return np.log(_float(x))

    def sqrt(self, x: Tensor) -> Tensor:
        return np.sqrt(_float(x))

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def tanh(self, x: Tensor) -> Tensor:
        return np.tanh(_float(x))

    def sigmoid(self, x: Tensor) -> Tensor:
        # tanh does not overflow where exp(-x) would.
        return (np.tanh(_float(x) * 0.5) + 1) * 0.5

    def relu(self, x: Tensor) -> Tensor:
        return np.maximum(x, np.zeros((), np.asarray(x).dtype))

    def leaky_relu(self, x: Tensor, negative_slope: float) -> Tensor:
        return np.where(x > 0, x, x * np.asarray(negative_slope, _float(x).dtype))

    def gelu(self, x: Tensor) -> Tensor:
        x = _float(x)
        return x * ((_erf(x / np.asarray(math.sqrt(2), x.dtype)) + 1) * np.asarray(0.5, x.dtype))

    def silu(self, x: Tensor) -> Tensor:
        return _float(x) * self.sigmoid(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return np.asarray(x).clip(low, high) if low is not None or high is not None else x

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return np.asarray(x).astype(numpy_dtype(dtype))

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        powers = np.exp(_float(x) - _float(x).max(axis, keepdims=True))
        return powers / powers.sum(axis, keepdims=True)

    def log_softmax(self, x: Tensor, axis: int) -> Tensor:
        shifted = _float(x) - _float(x).max(axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return np.sum(x, axis=axis, keepdims=keepdims, dtype=np.asarray(x).dtype)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return np.mean(_float(x), axis=axis, keepdims=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return np.max(x, axis=axis, keepdims=keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return np.matmul(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return np.einsum(equation, *operands)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(np.shape(x))

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return np.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return _flat(x, start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return np.expand_dims(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return np.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return np.transpose(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return np.concatenate(tensors, axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return np.stack(tensors, axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(np.split(x, np.cumsum(sizes)[:-1], axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return np.pad(x, widths, constant_values=value)


def _same_type(a: Any, b: Any) -> tuple[Any, Any]:
    """Let a Python number take the other operand's type, as in NumPy 2 on every version."""
    if isinstance(a, (int, float)) and hasattr(b, "dtype"):
        a = np.asarray(a, np.result_type(b.dtype, np.float32) if isinstance(a, float) and b.dtype.kind != "f" else b.dtype)
    elif isinstance(b, (int, float)) and hasattr(a, "dtype"):
        b, a = _same_type(b, a)
    return a, b

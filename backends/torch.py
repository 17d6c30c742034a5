"""PyTorch: lazy modules while sizes are unknown, plain `torch.nn` modules after."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from isomorph import nn
from isomorph.adapter import Adapter, Binding, Options, Slot
from isomorph.errors import InvalidArgumentError, LayerNotSupportedError
from isomorph.init.laws import Array
from isomorph.init.streams import numpy_dtype
from isomorph.native_class import native_class
from isomorph.nn.activations import moves_channels
from isomorph.nn.rules import same_padding
from isomorph.ops.table import Ops, Tensor
from isomorph.tensor import TensorSpec
from isomorph.trace import Call

Axes = int | tuple[int, ...] | None


class TorchAdapter(Adapter):
    """Lowers nets to `torch.nn.Module`."""

    name = "torch"

    def __init__(self) -> None:
        self.ops = TorchOps()

    def owns(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def from_numpy(self, array: Array, options: Options) -> Any:
        return _tensor(array.copy()).to(_device(options))

    def to_numpy(self, tensor: Any) -> Array:
        values = tensor.detach().cpu()
        if values.dtype == torch.bfloat16:  # NumPy itself has no such type
            return values.view(torch.int16).numpy().view(numpy_dtype("bfloat16"))  # type: ignore[no-any-return]
        return values.numpy()  # type: ignore[no-any-return]

    def spec(self, tensor: Any) -> TensorSpec:
        return TensorSpec(tuple(tensor.shape), str(tensor.dtype)[6:])

    def compose(self, module: nn.Module, attributes: dict[str, Any], binding: Binding) -> Any:
        plain = native_class(torch.nn.Module, module, {"forward": type(module).forward, "training": True})
        own = module.own_parameters()
        cls = type(f"Lazy{plain.__name__}", (_DeferredComposite, plain), {}) if own else plain
        native: Any = cls.__new__(cls)
        (LazyModuleMixin if own else torch.nn.Module).__init__(native)
        for name, value in attributes.items():
            if isinstance(value, torch.nn.Module) and hasattr(torch.nn.Module, name):
                raise LayerNotSupportedError.at(
                    module.label, self.name, f"an attribute named {name!r}",
                    f"torch.nn.Module.{name} exists already. Rename the attribute.",
                )
            setattr(native, name, value)
        for name, parameter in own.items():
            _declare(native, name, parameter, binding)
        if own:
            native.__dict__["cls_to_become"] = plain
            native.__dict__["description"] = module
            _fill_later(native, module, binding)
        return native

    def infer(self, binding: Binding, calls: list[Call]) -> dict[int, tuple[int, ...]]:
        shapes: dict[int, tuple[int, ...]] = {}
        for call in calls:
            entry = self.table.get(type(call.module))
            own = call.module.own_parameters()
            if entry is None:  # a user's own build hook: PyTorch has no inference for it
                shapes.update({id(p): p.shape.known() for p in own.values() if p.shape.is_known})
                continue
            with torch.device("meta"):
                probe = entry[0](call.module, binding)
                probe.__dict__.pop("fill", None)
                probe.initialize_parameters(*(_meta(spec) for spec in call.inputs))
            shapes.update({id(p): tuple(getattr(probe, name).shape) for name, p in own.items()})
        return shapes

    def materialize(self, binding: Binding, modules: list[nn.Module]) -> None:
        for module in modules:
            native = binding.natives[id(module)]
            if not isinstance(native, LazyModuleMixin) or not native.has_uninitialized_params():
                continue
            sample = _sample(module, binding)
            if sample is None:
                native._infer_parameters(native, ())
            else:
                native._infer_parameters(native, (sample,))

    def runner(self, binding: Binding, module: nn.Module) -> Callable[..., Any]:
        native = binding.native(module)
        return torch.compile(native) if binding.options.compile else native  # type: ignore[no-any-return]

    def set_mode(self, binding: Binding) -> None:
        for _, module in binding.root.named_modules():
            native = binding.natives.get(id(module))
            if native is not None:
                native.training = module.training

    def is_ready(self, slot: Slot) -> bool:
        return not is_lazy(self.parameter(slot))

    def parameter(self, slot: Slot) -> Any:
        return getattr(slot.owner, slot.native_name)

    def read(self, slot: Slot) -> Array:
        return self.to_numpy(self.parameter(slot))

    def write(self, slot: Slot, array: Array) -> None:
        with torch.no_grad():
            self.parameter(slot).copy_(_tensor(array))

    def gradient(self, slot: Slot) -> Array | None:
        gradient = self.parameter(slot).grad
        return super().gradient(slot) if gradient is None else self.to_numpy(gradient)

    def gradients(
        self, binding: Binding, module: nn.Module, loss: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> dict[int, Array]:
        slots = [p._slot for p in module.parameters().values() if p._slot is not None]
        tensors = [self.parameter(slot) for slot in slots]
        value = loss(binding.native(module)(*inputs))
        found = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return {id(slot.parameter): self.to_numpy(g) for slot, g in zip(slots, found)}


def _tensor(array: Array) -> Any:
    """Return a tensor that shares the array's memory."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _device(options: Options) -> Any:
    try:
        return torch.device(options.device if options.device is not None else "cpu")
    except RuntimeError as cause:
        raise InvalidArgumentError.of(
            "to", "device", "a PyTorch device such as 'cpu' or 'cuda:0'", options.device
        ) from cause


def _factory(binding: Binding) -> dict[str, Any]:
    """Return where and in which type parameters are made."""
    meta = torch.get_default_device().type == "meta"
    device = torch.device("meta") if meta else _device(binding.options)
    return {"device": device, "dtype": getattr(torch, binding.options.dtype)}


def _meta(spec: Any) -> Any:
    if not isinstance(spec, TensorSpec):
        return spec
    sizes = [size if isinstance(size, int) else 1 for size in spec.shape]
    return torch.empty(sizes, dtype=getattr(torch, spec.dtype or "float32"), device="meta")


def _sample(module: nn.Module, binding: Binding) -> Any:
    """Return an input without memory that fits a layer whose parameters have known shapes."""
    if isinstance(module, nn.Dense):
        shape: tuple[int, ...] = (1, module.weight.shape.known()[1])
    elif isinstance(module, (nn.Conv1d, nn.Conv2d)):
        sizes = module.weight.shape.known()
        shape = _in_format((1, sizes[1] * module.groups, *sizes[2:]), binding)
    elif isinstance(module, (nn.BatchNorm, nn.LayerNorm)):
        shape = (1, next(iter(module.own_parameters().values())).shape.known()[0])
    elif isinstance(module, nn.Embedding):
        shape = (1,)
    else:
        return None
    return torch.empty(shape, device="meta")


def _in_format(shape: tuple[int, ...], binding: Binding) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1]) if _channels_last(binding) else shape


def _channels_last(binding: Binding) -> bool:
    return binding.options.data_format == "channels_last"


# Deferral.


class _Deferred(LazyModuleMixin):
    """A lazy module whose first values come from Isomorph's initial law."""

    def reset_parameters(self: Any) -> None:
        """Fill the parameters once PyTorch's own inference gave them shapes."""
        if "fill" in self.__dict__ and not self.has_uninitialized_params():
            self.__dict__.pop("fill")(self)


class _DeferredComposite(_Deferred):
    """A user's module with parameters of its own, sized by its build hook."""

    def initialize_parameters(self: Any, *inputs: Any, **named: Any) -> None:
        """Let the build hook size the parameters, then fill them."""
        if not self.has_uninitialized_params():
            return
        module = self.__dict__["description"]
        specs = tuple(_as_spec(value) for value in (*inputs, *named.values()))
        module.fill(specs)
        for name, parameter in module.own_parameters().items():
            if is_lazy(getattr(self, name)):
                getattr(self, name).materialize(parameter.shape.known())
        self.reset_parameters()
        self.__dict__.pop("description")


def _as_spec(value: Any) -> Any:
    return TensorSpec(tuple(value.shape), str(value.dtype)[6:]) if isinstance(value, torch.Tensor) else value


def _declare(native: Any, name: str, parameter: nn.Parameter, binding: Binding) -> None:
    if parameter.trainable:
        setattr(native, name, UninitializedParameter(**_factory(binding)))
    else:
        native.register_buffer(name, UninitializedBuffer(**_factory(binding)))


def _fill_later(native: Any, layer: nn.Module, binding: Binding) -> Any:
    """Let the native module take its values from the description when it gets its sizes."""

    def fill(native: Any) -> None:
        slots = {
            name: next(s for s in binding.slots[id(p)] if s.module is layer)
            for name, p in layer.own_parameters().items()
        }
        for slot in slots.values():
            slot.parameter.shape = slot.canonical_shape(getattr(native, slot.native_name).shape)
        for slot in slots.values():
            others = [s for s in binding.slots[id(slot.parameter)] if s is not slot]
            ready = next((s for s in others if not is_lazy(getattr(s.owner, s.native_name))), None)
            if ready is not None:  # tied: one tensor under several names
                setattr(native, slot.native_name, getattr(ready.owner, ready.native_name))
            else:
                getattr(native, slot.native_name).data = _tensor(slot.take()).to(_device(binding.options))

    native.__dict__["fill"] = fill
    return native


# Layers.


class _Activated:
    """An activation behind a linear map, in the same module."""

    activation: Callable[[Any], Any]

    def forward(self: Any, x: Any) -> Any:
        """Return the activation of the linear map."""
        return self.activation(F.linear(x, self.weight, self.bias))

    def extra_repr(self: Any) -> str:
        """Name the activation."""
        return f"{super().extra_repr()}, activation={self.activation.__name__}"  # type: ignore[misc]


class Linear(_Activated, torch.nn.Linear):
    """`torch.nn.Linear` with an activation."""


class LazyLinear(_Deferred, torch.nn.LazyLinear):
    """`torch.nn.LazyLinear` with Isomorph's initial values."""


# A lazy module's first call runs its lazy class's forward (torch 2.13, Module._call_impl).
class LazyActivatedLinear(_Deferred, _Activated, torch.nn.LazyLinear):
    """`LazyLinear` with an activation."""

    cls_to_become = Linear  # type: ignore[assignment]


@TorchAdapter.lowers(nn.Dense)
def dense(layer: nn.Dense, binding: Binding) -> Any:
    """Lower Dense."""
    kind = LazyLinear if layer.activation is None else LazyActivatedLinear
    native: Any = kind(layer.units, layer.bias is not None, **_factory(binding))
    if layer.activation is not None:
        native.activation = _activation(layer.activation, binding)
    return _fill_later(native, layer, binding)


class _ConvExtras:
    """Channels last, padding that is not symmetric, an activation: around PyTorch's own call."""

    channels_last: bool
    same: bool
    activation: Callable[[Any], Any] | None

    def forward(self: Any, x: Any) -> Any:
        """Return the convolution in the net's data format."""
        if self.channels_last:
            x = x.movedim(-1, 1)
        if self.same:
            options = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation)
            pads = [same_padding(*each) for each in options]
            x = F.pad(x, [width for pair in reversed(pads) for width in pair])
        x = super().forward(x)  # type: ignore[misc]
        if self.channels_last:
            x = x.movedim(1, -1)
        return x if self.activation is None else self.activation(x)

    def _get_in_channels(self: Any, x: Any) -> int:
        # The lazy class looks at axis 1 (torch 2.13, _LazyConvXdMixin).
        return int(x.shape[-1] if self.channels_last else x.shape[1])


class Conv1d(_ConvExtras, torch.nn.Conv1d):
    """`torch.nn.Conv1d` with what it lacks."""


class Conv2d(_ConvExtras, torch.nn.Conv2d):
    """`torch.nn.Conv2d` with what it lacks."""


class LazyConv1d(_Deferred, torch.nn.LazyConv1d):
    """`torch.nn.LazyConv1d` with Isomorph's initial values."""


class LazyConv2d(_Deferred, torch.nn.LazyConv2d):
    """`torch.nn.LazyConv2d` with Isomorph's initial values."""


class LazyConv1dExtras(_Deferred, _ConvExtras, torch.nn.LazyConv1d):
    """Turns into `Conv1d`."""

    cls_to_become = Conv1d  # type: ignore[assignment]


class LazyConv2dExtras(_Deferred, _ConvExtras, torch.nn.LazyConv2d):
    """Turns into `Conv2d`."""

    cls_to_become = Conv2d  # type: ignore[assignment]


@TorchAdapter.lowers(nn.Conv1d, nn.Conv2d)
def conv(layer: Any, binding: Binding) -> Any:
    """Lower a convolution: to the plain class where that does all the layer asks for."""
    # PyTorch's own "same" refuses strides; at stride 1 it is TensorFlow's rule.
    same = layer.padding == "same" and any(step > 1 for step in layer.stride)
    plain = not (same or _channels_last(binding) or layer.activation)
    kinds = (LazyConv1d, LazyConv2d) if plain else (LazyConv1dExtras, LazyConv2dExtras)
    native: Any = kinds[layer.spatial - 1](
        layer.out_channels, layer.kernel_size, layer.stride, 0 if same else layer.padding, layer.dilation,
        layer.groups, layer.bias is not None, **_factory(binding),
    )
    if not plain:
        native.channels_last, native.same = _channels_last(binding), same
        native.activation = _activation(layer.activation, binding)
    return _fill_later(native, layer, binding)


class Pool2d(torch.nn.Module):
    """A pooling module with TensorFlow's padding or channels last around it."""

    def __init__(self, pool: Any, layer: Any, binding: Binding) -> None:
        super().__init__()
        self.pool, self.same, self.channels_last = pool, layer.padding == "same", _channels_last(binding)
        self.window = layer.kernel_size, layer.stride
        self.mean = isinstance(layer, nn.AvgPool2d)

    def forward(self, x: Any) -> Any:
        """Return the pooled images in the net's data format."""
        x = x.movedim(-1, 1) if self.channels_last else x
        y = self._same(x) if self.same else self.pool(x)
        return y.movedim(1, -1) if self.channels_last else y

    def _same(self, x: Any) -> Any:
        pads = [same_padding(*each, 1) for each in zip(x.shape[2:], *self.window)]
        widths = [width for pair in reversed(pads) for width in pair]
        y = self.pool(F.pad(x, widths, value=0.0 if self.mean else -math.inf))
        return y / self.pool(F.pad(torch.ones_like(x[:1, :1]), widths)) if self.mean else y


@TorchAdapter.lowers(nn.MaxPool2d, nn.AvgPool2d)
def pool(layer: Any, binding: Binding) -> Any:
    """Lower pooling."""
    padding = 0 if layer.padding == "same" else layer.padding
    if isinstance(layer, nn.MaxPool2d):
        native: Any = torch.nn.MaxPool2d(layer.kernel_size, layer.stride, padding)
    else:
        counted = layer.count_include_pad or layer.padding == "same"
        native = torch.nn.AvgPool2d(layer.kernel_size, layer.stride, padding, count_include_pad=counted)
    plain = layer.padding != "same" and not _channels_last(binding)
    return native if plain else Pool2d(native, layer, binding)


class GlobalAvgPool2d(torch.nn.Module):
    """The mean of each channel."""

    def __init__(self, axes: tuple[int, int], keepdims: bool) -> None:
        super().__init__()
        self.axes, self.keepdims = axes, keepdims

    def forward(self, x: Any) -> Any:
        """Return the means over height and width."""
        return x.mean(self.axes, keepdim=self.keepdims)


@TorchAdapter.lowers(nn.GlobalAvgPool2d)
def global_avg_pool(layer: nn.GlobalAvgPool2d, binding: Binding) -> Any:
    """Lower GlobalAvgPool2d."""
    return GlobalAvgPool2d((1, 2) if _channels_last(binding) else (2, 3), layer.keepdims)


class _ChannelsLastNorm:
    """Batch normalization of the last axis."""

    def forward(self: Any, x: Any) -> Any:
        """Return the normalized input."""
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)  # type: ignore[misc]


_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
_NORMS_LAST = tuple(type(cls.__name__, (_ChannelsLastNorm, cls), {}) for cls in _NORMS)


class LazyBatchNorm(_Deferred, torch.nn.modules.batchnorm._LazyNormBase, torch.nn.modules.batchnorm._BatchNorm):
    """Batch normalization of a rank that only the first input tells.

    With known channels it has values before that; it then turns into `BatchNorm1d`, `2d` or `3d`
    at its first call.
    """

    channels_last = False

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the channels, and the class to become."""
        super().initialize_parameters(x.movedim(-1, 1) if self.channels_last else x)

    def forward(self, x: Any) -> Any:
        """Become the class of the input's rank."""
        last = self.channels_last and x.dim() > 2
        self.__class__ = (_NORMS_LAST if last else _NORMS)[x.dim() - 2]  # type: ignore[assignment]
        return self.forward(x)

    def _check_input_dim(self, x: Any) -> None:
        """Accept every rank."""


@TorchAdapter.lowers(nn.BatchNorm)
def batch_norm(layer: nn.BatchNorm, binding: Binding) -> Any:
    """Lower BatchNorm."""
    native = LazyBatchNorm(layer.eps, layer.momentum, layer.affine, **_factory(binding))
    native.channels_last = _channels_last(binding)
    return _fill_later(native, layer, binding)


class LazyLayerNorm(_Deferred, torch.nn.LayerNorm):
    """`torch.nn.LayerNorm` of a size that the first input tells; PyTorch 2.13 has none."""

    cls_to_become = torch.nn.LayerNorm

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Infer the last axis's size."""
        if self.normalized_shape == (0,):
            self.normalized_shape = (x.shape[-1],)
            for parameter in self.parameters():
                parameter.materialize(self.normalized_shape)  # type: ignore[attr-defined]
            self.reset_parameters()


@TorchAdapter.lowers(nn.LayerNorm)
def layer_norm(layer: nn.LayerNorm, binding: Binding) -> Any:
    """Lower LayerNorm."""
    native = LazyLayerNorm(0, layer.eps, elementwise_affine=False)
    native.elementwise_affine = layer.affine
    for name, parameter in layer.own_parameters().items():
        _declare(native, name, parameter, binding)
    return _fill_later(native, layer, binding)


class LazyEmbedding(_Deferred, torch.nn.Embedding):
    """`torch.nn.Embedding` whose table is not drawn when it is made."""

    cls_to_become = torch.nn.Embedding

    def initialize_parameters(self, x: Any) -> None:  # type: ignore[override]
        """Give the table its memory."""
        if self.has_uninitialized_params():  # type: ignore[misc]
            self.weight.materialize((self.num_embeddings, self.embedding_dim))  # type: ignore[attr-defined]
            self.reset_parameters()


@TorchAdapter.lowers(nn.Embedding)
def embedding(layer: nn.Embedding, binding: Binding) -> Any:
    """Lower Embedding."""
    sizes = layer.num_embeddings, layer.embedding_dim
    native = LazyEmbedding(*sizes, _weight=torch.empty(sizes, device="meta"))
    _declare(native, "weight", layer.weight, binding)
    return _fill_later(native, layer, binding)


class Flatten(torch.nn.Module):
    """Flatten of channels-last images in the order channels, height, width."""

    def __init__(self, layer: nn.Flatten) -> None:
        super().__init__()
        self.start_axis = layer.start_axis

    def forward(self, x: Any) -> Any:
        """Return the flattened input."""
        return _flatten(x.movedim(-1, 1) if x.dim() > 2 else x, self.start_axis)


@TorchAdapter.lowers(nn.Flatten)
def flatten(layer: nn.Flatten, binding: Binding) -> Any:
    """Lower Flatten."""
    if moves_channels(layer, 3, binding.options.data_format):
        return Flatten(layer)
    return torch.nn.Flatten(layer.start_axis)


@TorchAdapter.lowers(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
def activation(layer: nn.Module, binding: Binding) -> Any:
    """Lower an activation that has PyTorch's name."""
    return getattr(torch.nn, type(layer).__name__)()


@TorchAdapter.lowers(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, binding: Binding) -> Any:
    """Lower LeakyReLU."""
    return torch.nn.LeakyReLU(layer.negative_slope)


@TorchAdapter.lowers(nn.Softmax)
def softmax(layer: nn.Softmax, binding: Binding) -> Any:
    """Lower Softmax."""
    return torch.nn.Softmax(layer.axis)


@TorchAdapter.lowers(nn.Dropout)
def dropout(layer: nn.Dropout, binding: Binding) -> Any:
    """Lower Dropout."""
    return torch.nn.Dropout(layer.p)


@TorchAdapter.lowers(nn.Sequential)
def sequential(layer: nn.Sequential, binding: Binding) -> Any:
    """Lower Sequential."""
    return torch.nn.Sequential(*(binding.native(child) for child in layer))


@TorchAdapter.lowers(nn.ModuleList)
def module_list(layer: nn.ModuleList, binding: Binding) -> Any:
    """Lower ModuleList."""
    return torch.nn.ModuleList([binding.native(child) for child in layer])


@TorchAdapter.lowers(nn.ModuleDict)
def module_dict(layer: nn.ModuleDict, binding: Binding) -> Any:
    """Lower ModuleDict."""
    return torch.nn.ModuleDict({name: binding.native(child) for name, child in layer.items()})


def _activation(value: Any, binding: Binding) -> Any:
    """Return PyTorch's own function for an activation's name."""
    return getattr(binding.adapter.ops, value) if isinstance(value, str) else value


def _flatten(x: Any, start: int) -> Any:
    return x.unsqueeze(-1) if start == x.dim() else torch.flatten(x, start)


# Functions.


def _scalars(a: Any, b: Any) -> tuple[Any, Any]:
    """Return both as tensors; a number takes the other's type."""
    if not isinstance(a, torch.Tensor):
        b, a = _scalars(b, a)
    elif not isinstance(b, torch.Tensor):
        promoted = torch.result_type(a, b)
        b = torch.as_tensor(b, dtype=promoted, device=a.device)
    return a, b


class TorchOps(Ops):
    """The functions of `isomorph.ops` in PyTorch."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def subtract(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b

    def pow(self, a: Tensor, b: Tensor) -> Tensor:
        return a**b

    def maximum(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.maximum(*_scalars(a, b))

    def minimum(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.minimum(*_scalars(a, b))

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition, a, b)

    def negative(self, x: Tensor) -> Tensor:
        return -x

    def abs(self, x: Tensor) -> Tensor:
        return torch.abs(x)

    def exp(self, x: Tensor) -> Tensor:
        return torch.exp(x)

    def log(self, x: Tensor) -> Tensor:
        return torch.log(x)

    def sqrt(self, x: Tensor) -> Tensor:
        return torch.sqrt(x)

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def tanh(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def relu(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.01) -> Tensor:
        return F.leaky_relu(x, negative_slope)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def silu(self, x: Tensor) -> Tensor:
        return F.silu(x)

    def clip(self, x: Tensor, low: float | None, high: float | None) -> Tensor:
        return x if low is None and high is None else torch.clamp(x, low, high)

    def astype(self, x: Tensor, dtype: str) -> Tensor:
        return x.to(getattr(torch, dtype))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return torch.softmax(x, axis)

    def log_softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        return torch.log_softmax(x, axis)

    def sum(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return torch.sum(x, _axes(x, axis), keepdim=keepdims, dtype=x.dtype)

    def mean(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        x = x if x.is_floating_point() else x.to(torch.float32)
        return torch.mean(x, _axes(x, axis), keepdim=keepdims)

    def max(self, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
        return torch.amax(x, _axes(x, axis), keepdim=keepdims)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)

    def einsum(self, equation: str, *operands: Tensor) -> Tensor:
        return torch.einsum(equation, *operands)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(x.shape)

    def reshape(self, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
        return torch.reshape(x, shape)

    def flatten(self, x: Tensor, start_axis: int) -> Tensor:
        return _flatten(x, start_axis)

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        return torch.unsqueeze(x, axis)

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        return torch.squeeze(x, axis)

    def permute_dims(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return torch.permute(x, axes)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(list(tensors), axis)

    def stack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return torch.stack(list(tensors), axis)

    def split(self, x: Tensor, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
        return list(torch.split(x, sizes, axis))

    def pad(self, x: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
        return F.pad(x, [width for pair in reversed(widths) for width in pair], value=value)


def _axes(x: Any, axis: Axes) -> tuple[int, ...]:
    return tuple(range(x.dim())) if axis is None else (axis,) if isinstance(axis, int) else axis

"""The adapter: autograd's side of the contract."""

from __future__ import annotations

import numpy
from autograd import grad
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import getval

from isomorph import nn
from isomorph.adapter import Adapter, native_class
from isomorph.errors import NotSupportedError

from .ops import AutogradOps

REFUSED = {
    "compile": ("autograd has no compiler", "Use compile=None or False."),
    "dtype.bfloat16": ("its arrays are NumPy's", "Use float16, float32 or float64."),
}


class Native:
    """What a module becomes: a callable with its parameters as attributes, None without values."""

    training = True
    weight = bias = None


class AutogradAdapter(Adapter):
    """Lowers nets to functions of NumPy arrays that autograd can differentiate."""

    name = "autograd"

    def __init__(self):
        self.ops = AutogradOps()

    def check_options(self, options):
        asked = {"compile": options.compile, f"dtype.{options.dtype}": True}
        for capability, words in REFUSED.items():
            if asked.get(capability):
                raise NotSupportedError.of(self.name, capability, *words)

    # Tensors are NumPy's arrays; while gradients are taken, autograd's boxes around them.

    def owns(self, value):
        return isinstance(value, (numpy.ndarray, numpy.generic, ArrayBox))

    def from_numpy(self, array, options):
        return array

    to_numpy = staticmethod(numpy.asarray)

    def compose(self, module, attributes, binding):
        forward = type(module).forward
        cls = native_class(Native, module, {"training": True, "forward": forward, "__call__": forward})
        native = cls.__new__(cls)
        vars(native).update(attributes, **dict.fromkeys(module.own_parameters()))
        return native

    def infer(self, binding, calls):
        # autograd has no modules and so no inference of its own: the shapes are Isomorph's.
        parameters = [p for call in calls for p in call.module.own_parameters().values()]
        return {id(p): p.shape.known() for p in parameters if p.shape.is_known}

    def materialize(self, binding, modules):
        for module in modules:
            for parameter in module.own_parameters().values():
                slots = binding.slots[id(parameter)]
                ready = next((slot for slot in slots if self.is_ready(slot)), None)
                values = slots[0].take() if ready is None else self.parameter(ready)
                put(slots, values.view(State) if isinstance(parameter, nn.Buffer) else values)

    def runner(self, binding, module, signature):
        call = binding.native(module)
        return undone_by_failure(binding, call) if signature.updates else call

    def set_mode(self, binding):
        for _, module in binding.root.named_modules():
            if id(module) in binding.natives:
                binding.natives[id(module)].training = module.training

    def is_ready(self, slot):
        return self.parameter(slot) is not None

    def parameter(self, slot):
        return getattr(slot.owner, slot.native_name)

    read = parameter

    def write(self, slot, array):
        self.parameter(slot)[...] = array

    def gradients(self, binding, module, loss, inputs, signature):
        places = [binding.slots[id(parameter)] for parameter in module.parameters().values()]
        before = [self.parameter(slots[0]) for slots in places]

        def value(arrays):
            for slots, array in zip(places, arrays):
                put(slots, array)
            return loss(binding.native(module)(*inputs))

        try:
            found = grad(value)(before)
        finally:
            for slots, array in zip(places, before):
                put(slots, array)
        return {id(s[0].parameter): g.astype(old.dtype) for s, g, old in zip(places, found, before)}


class State(numpy.ndarray):
    """A buffer, which a forward may update; what is computed from it is a plain array."""

    def update(self, value):
        self[...] = getval(value)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if out:
            options["out"] = tuple(map(plain, out))
        return getattr(ufunc, method)(*map(plain, inputs), **options)


def plain(array):
    return array.view(numpy.ndarray) if isinstance(array, State) else array


def undone_by_failure(binding, call):
    buffers = [slots for slots in binding.slots.values() if isinstance(slots[0].parameter, nn.Buffer)]

    def run(*inputs, **named):
        before = [getattr(slots[0].owner, slots[0].native_name) for slots in buffers]
        copies = [array.copy() for array in before]
        try:
            return call(*inputs, **named)
        except Exception:
            for array, copy in zip(before, copies):
                array[...] = copy
            raise

    return run


def put(slots, array):
    """Give every place of one parameter the same array."""
    for slot in slots:
        setattr(slot.owner, slot.native_name, array)

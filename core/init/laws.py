"""The built-in initial laws."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InitializerError, InvalidArgumentError

Array = npt.NDArray[Any]
# Built-in laws draw in single precision, so that one seed means one net in every data type.


class Law(ABC):
    """Base of the built-in laws, and of a user's own that wants a readable repr.

    >>> class Ramp(init.Law):
    ...     def __call__(self, name, shape, dtype, generator):
    ...         return numpy.arange(numpy.prod(shape), dtype=dtype).reshape(shape)
    >>> nn.Dense(3, in_features=2).initialize(Ramp()).weight.numpy().tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """

    @abstractmethod
    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        """Return the values of the parameter `name`, in the canonical layout."""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class Constant(Law):
    """Every element the same.

    >>> init.Constant(42)("w", (2,), "float32", None).tolist()
    [42.0, 42.0]
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        return np.full(shape, self.value, dtype)


class Zeros(Law):
    """All zero.

    >>> init.Zeros()("b", (2,), "float32", None).tolist()
    [0.0, 0.0]
    """

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        return np.zeros(shape, dtype)


class Ones(Law):
    """All one.

    >>> init.Ones()("scale", (2,), "float32", None).tolist()
    [1.0, 1.0]
    """

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str, generator: Any) -> Array:
        return np.ones(shape, dtype)


class Uniform(Law):
    """Evenly distributed over ``[low, high)``.

    >>> law = init.Uniform(-0.07, 0.07)
    >>> bool(abs(law("w", (9,), "float32", numpy.random.default_rng(0))).max() < 0.07)
    True
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        if not low <= high:
            raise InvalidArgumentError.of("init.Uniform", "low", f"at most high={high}", low)
        self.low, self.high = low, high

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        values = generator.random(shape, np.float32)
        values *= self.high - self.low
        values += self.low
        return values


class Normal(Law):
    """Normally distributed.

    Args:
        std: Standard deviation.
        mean: Mean.

    >>> init.Normal(0.01)("w", (2, 3), "float32", numpy.random.default_rng(0)).shape
    (2, 3)
    """

    def __init__(self, std: float = 1.0, mean: float = 0.0) -> None:
        if not std >= 0:
            raise InvalidArgumentError.of("init.Normal", "std", "zero or positive", std)
        self.std, self.mean = std, mean

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        values = generator.standard_normal(shape, np.float32)
        values *= self.std
        if self.mean:
            values += self.mean
        return values


class Xavier(Law):
    """Variance ``2 gain² / (fan_in + fan_out)``: Glorot and Bengio, AISTATS 2010.

    Args:
        distribution: ``"uniform"`` or ``"normal"``.
        gain: A factor on the standard deviation.

    >>> law = init.Xavier()
    >>> bool(abs(law("w", (2, 4), "float32", numpy.random.default_rng(0))).max() <= 1)
    True
    """

    def __init__(self, distribution: str = "uniform", gain: float = 1.0) -> None:
        self.distribution = _distribution("init.Xavier", distribution)
        self.gain = gain

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        std = self.gain * math.sqrt(2.0 / sum(fans(name, shape, self)))
        return _scaled(self.distribution, std)(name, shape, dtype, generator)


class Kaiming(Law):
    """Variance ``2 / ((1 + a²) fan)``: He et al., ICCV 2015, as `torch.nn.init.kaiming_*_`.

    Args:
        distribution: ``"uniform"`` or ``"normal"``.
        mode: ``"fan_in"`` or ``"fan_out"``.
        a: Negative slope of the leaky ReLU behind the layer; 0 is ReLU.

    >>> law = init.Kaiming("normal")
    >>> law("w", (2, 4), "float32", numpy.random.default_rng(0)).shape
    (2, 4)
    """

    def __init__(self, distribution: str = "uniform", mode: str = "fan_in", a: float = 0.0) -> None:
        self.distribution = _distribution("init.Kaiming", distribution)
        if mode not in ("fan_in", "fan_out"):
            raise InvalidArgumentError.choice("init.Kaiming", "mode", ("fan_in", "fan_out"), mode)
        self.mode, self.a = mode, a

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        fan = fans(name, shape, self)[self.mode == "fan_out"]
        std = math.sqrt(2.0 / ((1.0 + self.a**2) * fan))
        return _scaled(self.distribution, std)(name, shape, dtype, generator)


class FanInUniform(Law):
    """Uniform in ``±1/sqrt(fan_in)`` of its layer's weight: `torch.nn.Linear`'s bias."""

    def __init__(self, bias: Any) -> None:
        self.bias = bias

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: str, generator: np.random.Generator
    ) -> Array:
        bound = 1.0 / math.sqrt(fans(name, self.bias.owner.weight.shape.known(), self)[0])
        return Uniform(-bound, bound)(name, shape, dtype, generator)

    def __repr__(self) -> str:
        return "FanInUniform()"


def fans(name: str, shape: tuple[int, ...], law: object = "this law") -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight in the canonical layout ``(out, in/groups, *kernel)``.

    As `torch.nn.init` counts them; raises `InitializerError` below two dimensions.
    """
    if len(shape) < 2:
        raise InitializerError.at(
            name,
            law,
            "values for two or more dimensions",
            f"a shape of {shape}",
            "Its scale comes from the fan in and out. Choose Normal, Uniform or Constant.",
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _scaled(distribution: str, std: float) -> Law:
    bound = math.sqrt(3.0) * std
    return Normal(std) if distribution == "normal" else Uniform(-bound, bound)


def _distribution(where: str, name: str) -> str:
    if name not in ("uniform", "normal"):
        raise InvalidArgumentError.choice(where, "distribution", ("uniform", "normal"), name)
    return name

"""Dense layers, and the multi-layer perceptron that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..autograd import DataError, F, ShapeError, Tensor
from . import init
from .module import Module

Activation = Callable[[Any], Any]
Init = str | init.Initialiser | Callable[..., Any]

ACTIVATIONS: dict[str, Activation] = {
    "tanh": F.tanh,
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "hardtanh": F.hardtanh,
    "sin": F.sin,
    "identity": lambda x: x,
}  #: the activations that an MLP knows by name


class Linear(Module):
    """An affine layer, ``y = x @ weight + bias``.

    Args:
        fan_in, fan_out: how many numbers come in, and how many neurons there are.
        weight_init, bias_init: initialisers or their names.
        rng: a generator, a ``SeedSequence`` or an integer seed.
        dtype: float64 unless said.

    ``weight`` has shape (fan_in, fan_out), so that a neuron is a column; ``bias`` (fan_out,).

    >>> import tinygrad_init as tg
    >>> layer = tg.nn.Linear(2, 3, weight_init="ones")
    >>> layer([[1.0, 2.0]]).data
    array([[3., 3., 3.]])
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        weight_init: Init = "glorot_uniform",
        bias_init: Init = "zeros",
        rng: init.Seed = None,
        dtype: DTypeLike = np.float64,
        label: str = "",
    ) -> None:
        for count in (fan_in, fan_out):
            if not isinstance(count, (int, np.integer)) or count < 1:
                raise DataError(
                    f"a layer has one or more inputs and one or more neurons, "
                    f"got {fan_in}, {fan_out}"
                )
        weight_rng, bias_rng = init.spawn(rng, 2)
        weight = init.get(weight_init)((fan_in, fan_out), weight_rng)
        bias = init.get(bias_init)((fan_out,), bias_rng)
        self.weight = Tensor(weight, requires_grad=True, dtype=dtype, label=f"W{label}")
        self.bias = Tensor(bias, requires_grad=True, dtype=dtype, label=f"b{label}")

    def forward(self, x: Any) -> Any:
        """``(..., fan_in)`` to ``(..., fan_out)``."""
        shape = np.shape(x.data if isinstance(x, Tensor) else x)
        if not shape or shape[-1] != self.weight.shape[0]:
            raise ShapeError(
                f"this layer takes {self.weight.shape[0]} inputs per example, "
                f"and the data has shape {shape}: its last axis must have that length"
            )
        return x @ self.weight + self.bias

    def __repr__(self) -> str:
        fan_in, fan_out = self.weight.shape
        return f"Linear({fan_in}, {fan_out})"


class Dropout(Module):
    """Switch neurons off at random while training; in evaluation it does nothing.

    Each entry is kept with probability ``1 - p`` and then divided by it, so that the mean stays
    (Srivastava et al. 2014). It tells copies of a neuron apart: it is noise *per neuron*.

    Args:
        p: the probability of being switched off, from 0 to below 1.
        rng: a generator, a ``SeedSequence`` or an integer seed; each call draws anew.

    >>> import tinygrad_init as tg
    >>> layer = tg.nn.Dropout(0.5, rng=0)
    >>> layer([1.0, 1.0, 1.0, 1.0])
    Tensor([0., 2., 2., 2.])
    >>> layer.eval()([1.0, 1.0, 1.0, 1.0])
    Tensor([1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, rng: init.Seed = None) -> None:
        if not 0 <= p < 1:
            raise DataError(f"Dropout wants a probability from 0 to below 1, got {p}")
        self.p = p
        self.rng = init.generator(rng)

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        if not self.training or not self.p:
            return x
        return x * (F.bernoulli(x, p=1 - self.p, rng=self.rng) / (1 - self.p))

    def __repr__(self) -> str:
        return f"Dropout({self.p:g})"


class LayerNorm(Module):
    """Each example's features with mean 0 and variance 1, then scaled and shifted.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, over the last axis. Source: Ba, Kiros and
    Hinton (2016).

    Args:
        features: the length of the last axis.
        eps: keeps the division from zero.
        dtype: float64 unless said.

    >>> import tinygrad_init as tg
    >>> tg.nn.LayerNorm(2)([[1.0, 3.0], [5.0, 5.0]]).data.round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    def __init__(
        self, features: int, eps: float = 1e-5, dtype: DTypeLike = np.float64, label: str = ""
    ) -> None:
        if not isinstance(features, (int, np.integer)) or features < 1:
            raise DataError(f"LayerNorm wants one feature or more, got {features!r}")
        self.eps = eps
        weight, bias = np.ones(features), np.zeros(features)
        self.weight = Tensor(weight, requires_grad=True, dtype=dtype, label=f"scale{label}")
        self.bias = Tensor(bias, requires_grad=True, dtype=dtype, label=f"shift{label}")

    def forward(self, x: Any) -> Any:
        """``(..., features)`` to the same shape."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.shape[-1:] != self.weight.shape:
            raise ShapeError(
                f"LayerNorm of {self.weight.size} features got shape {x.shape}: its last axis must "
                f"have that length"
            )
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + self.eps) * self.weight + self.bias

    def __repr__(self) -> str:
        return f"LayerNorm({self.weight.size})"


class MLP(Module):
    """A multi-layer perceptron: linear layers with an activation after each but the last.

    Args:
        sizes: inputs, hidden neurons of each layer, outputs.
        activation: a name from ``ACTIVATIONS``, or a function of a Tensor.
        weight_init: an initialiser or its name, or a list with one for each layer.
        bias_init: the same for the biases.
        rng: a generator, a ``SeedSequence`` or an integer seed; each layer has its own stream.
        dtype: float64 unless said.

    >>> import tinygrad_init as tg
    >>> model = tg.nn.MLP([2, 3, 1], weight_init="constant", rng=0)
    >>> model([[1.0, 2.0]]).data.round(4)
    array([[0.0223]])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Activation = "tanh",
        weight_init: Init | Sequence[Init] = "glorot_uniform",
        bias_init: Init | Sequence[Init] = "zeros",
        rng: init.Seed = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if not isinstance(sizes, Sequence):
            raise DataError(f"sizes come in a list, such as [2, 3, 1], got {sizes!r}")
        if len(sizes) < 2:
            raise DataError(f"an MLP needs sizes for its inputs and its outputs, got {list(sizes)}")
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise DataError(
                f"unknown activation {activation!r}: choose from {', '.join(ACTIVATIONS)}"
            )
        self.sizes = list(sizes)
        self.activation = activation
        count = len(sizes) - 1
        self.layers = [
            Linear(fan_in, fan_out, weight, bias, stream, dtype, label=str(k + 1))
            for k, (fan_in, fan_out, weight, bias, stream) in enumerate(
                zip(
                    sizes[:-1],
                    sizes[1:],
                    _one_per_layer(weight_init, count),
                    _one_per_layer(bias_init, count),
                    init.spawn(rng, count),
                    strict=True,
                )
            )
        ]

    def forward(self, x: Any) -> Any:
        """``(..., sizes[0])`` to ``(..., sizes[-1])``."""
        activate = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else (
            self.activation
        )
        *hidden, last = self.layers
        for layer in hidden:
            x = activate(layer(x))
        return last(x)

    def __repr__(self) -> str:
        return f"MLP({self.sizes}, activation={self.activation!r})"


def _one_per_layer(given: Init | Sequence[Init], count: int) -> list[Init]:
    if isinstance(given, (list, tuple)):
        if len(given) != count:
            raise DataError(f"{count} layers need {count} initialisers, got {len(given)}")
        return list(given)
    return [given] * count  # type: ignore[list-item]

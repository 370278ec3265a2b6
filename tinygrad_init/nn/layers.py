"""Dense layers, and the multi-layer perceptron that is made of them.

With ``members=E`` a layer or a perceptron is E of them that know nothing of each other, an
*ensemble*, computed as one: a stack of E matrices in place of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..autograd import DataError, F, ShapeError, Tensor
from ..autograd.capture import depends_on
from ..autograd.tape import data_of
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
        rng: a generator, a ``SeedSequence`` or an integer seed; or a list with one for each member.
        dtype: float64 unless said.
        members: how many layers to compute at once, as an ensemble; one alone unless said.

    ``weight`` has shape (fan_in, fan_out), so that a neuron is a column; ``bias`` (fan_out,). An
    ensemble's have an axis of length ``members`` in front. A member draws what a layer alone would
    from its stream, the ``init.spawn(rng, members)[e]``.

    Raises:
        DataError: for sizes or members below one, or another number of streams than members.

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
        rng: init.Seed | Sequence[init.Seed] = None,
        dtype: DTypeLike = np.float64,
        label: str = "",
        members: int | None = None,
    ) -> None:
        for count in (fan_in, fan_out):
            if not isinstance(count, (int, np.integer)) or count < 1:
                raise DataError(
                    f"a layer has one or more inputs and one or more neurons, "
                    f"got {fan_in}, {fan_out}"
                )

        def draw(rng: init.Seed) -> tuple[NDArray[Any], NDArray[Any]]:
            weight_rng, bias_rng = init.spawn(rng, 2)
            weight = init.get(weight_init)((fan_in, fan_out), weight_rng)
            return weight, init.get(bias_init)((fan_out,), bias_rng)

        drawn = [draw(stream) for stream in _one_per_network(rng, members)]
        weight, bias = drawn[0] if members is None else map(np.stack, zip(*drawn, strict=True))
        self.members = members
        self.weight = Tensor(weight, requires_grad=True, dtype=dtype, label=f"W{label}")
        self.bias = Tensor(bias, requires_grad=True, dtype=dtype, label=f"b{label}")

    def forward(self, x: Any) -> Any:
        """``(..., fan_in)`` to ``(..., fan_out)``.

        An ensemble takes a batch for all its members, of shape (N, fan_in), or one for each,
        (..., members, N, fan_in); its output has shape (..., members, N, fan_out).

        Raises:
            ShapeError: for other shapes.
        """
        if self.members is not None:
            self._refuse_other_batches(np.shape(data_of(x)))
        try:
            return F.affine(x, self.weight, self.bias)
        except ShapeError as error:
            shape, fan_in = np.shape(data_of(x)), self.weight.shape[-2]
            if shape[-1:] == (fan_in,):
                raise
            raise ShapeError(
                f"this layer takes {fan_in} inputs per example, "
                f"and the data has shape {shape}: its last axis must have that length"
            ) from error

    def _refuse_other_batches(self, shape: tuple[int, ...]) -> None:
        if len(shape) == 1 or shape[-3:-2] not in ((), (1,), (self.members,)):
            fan_in = self.weight.shape[-2]
            advice = ": write x[np.newaxis] for a batch of one" if len(shape) == 1 else ""
            raise ShapeError(
                f"an ensemble of {self.members} takes one batch for all, (N, {fan_in}), or one for "
                f"each, ({self.members}, N, {fan_in}), and the data has shape {shape}{advice}"
            )

    def __repr__(self) -> str:
        fan_in, fan_out = self.weight.shape[-2:]
        return f"Linear({fan_in}, {fan_out}{_members_text(self.members)})"


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
        p, rng = depends_on(lambda: (self.p, self.rng))
        if not self.training or not p:
            return x
        return x * (F.bernoulli(x, p=1 - p, rng=rng) / (1 - p))

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
        rng: a generator, a ``SeedSequence`` or an integer seed; or a list with one for each member.
            Each layer has its own stream.
        dtype: float64 unless said.
        members: how many networks to compute at once, as an ensemble; one alone unless said.

    Raises:
        DataError: for settings that make no sense, with what was wrong.

    >>> import tinygrad_init as tg
    >>> model = tg.nn.MLP([2, 3, 1], weight_init="constant", rng=0)
    >>> model([[1.0, 2.0]]).data.round(4)
    array([[0.0223]])

    Parameters and outputs of an ensemble have an axis of length ``members`` in front. A loss keeps
    it, so that ``loss.sum().backward()`` gives each member the gradient that it would get alone.
    Member e draws from ``SeedSequence(seed, spawn_key=(e,))``, or from stream e that a generator or
    a sequence spawns; an MLP made alone from that has the same weights and trains to the same
    numbers: to the bit in reproducible arithmetic, to rounding in plain.

    >>> from numpy.random import SeedSequence
    >>> ensemble = tg.nn.MLP([2, 3, 1], rng=0, members=5)
    >>> ensemble.layers[0].weight.shape, ensemble([[1.0, 2.0]]).shape
    ((5, 2, 3), (5, 1, 1))
    >>> alone = tg.nn.MLP([2, 3, 1], rng=SeedSequence(0, spawn_key=(4,)))
    >>> bool((alone.layers[0].weight.data == ensemble.layers[0].weight.data[4]).all())
    True
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Activation = "tanh",
        weight_init: Init | Sequence[Init] = "glorot_uniform",
        bias_init: Init | Sequence[Init] = "zeros",
        rng: init.Seed | Sequence[init.Seed] = None,
        dtype: DTypeLike = np.float64,
        members: int | None = None,
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
        self.members = members
        count = len(sizes) - 1
        # Each network has a stream for each layer; each layer takes those of all networks.
        spawned = [init.spawn(stream, count) for stream in _one_per_network(rng, members)]
        streams = spawned[0] if members is None else list(zip(*spawned, strict=True))
        self.layers = [
            Linear(fan_in, fan_out, weight, bias, stream, dtype, str(k + 1), members)
            for k, (fan_in, fan_out, weight, bias, stream) in enumerate(
                zip(
                    sizes[:-1],
                    sizes[1:],
                    _one_per_layer(weight_init, count),
                    _one_per_layer(bias_init, count),
                    streams,
                    strict=True,
                )
            )
        ]

    def forward(self, x: Any) -> Any:
        """``(..., sizes[0])`` to ``(..., sizes[-1])``.

        An ensemble takes a batch for all its members, of shape (N, sizes[0]), or one for each,
        (..., members, N, sizes[0]), and gives (..., members, N, sizes[-1]).
        """
        activate = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else (
            self.activation
        )
        *hidden, last = self.layers
        for layer in hidden:
            x = activate(layer(x))
        return last(x)

    def member(self, e: int) -> MLP:
        """Network ``e`` of an ensemble, alone, with a copy of its weights.

        Raises:
            DataError: if there is no such member, or this is no ensemble.

        >>> import tinygrad_init as tg
        >>> tg.nn.MLP([2, 3, 1], rng=0, members=5).member(4)
        MLP([2, 3, 1], activation='tanh')
        """
        if self.members is None:
            raise DataError("member(): this MLP is one network alone; members=E makes E of them")
        if not isinstance(e, (int, np.integer)) or not 0 <= e < self.members:
            raise DataError(f"member(): the members are 0 to {self.members - 1}, got {e!r}")
        alone = MLP(
            self.sizes, self.activation, "zeros", "zeros", dtype=self.layers[0].weight.dtype
        )
        for own, layer in zip(alone.layers, self.layers, strict=True):
            own.weight.data, own.bias.data = layer.weight.data[e], layer.bias.data[e]
        return alone.train(self.training)

    def __repr__(self) -> str:
        return f"MLP({self.sizes}, activation={self.activation!r}{_members_text(self.members)})"


def _one_per_layer(given: Init | Sequence[Init], count: int) -> list[Init]:
    if isinstance(given, (list, tuple)):
        if len(given) != count:
            raise DataError(f"{count} layers need {count} initialisers, got {len(given)}")
        return list(given)
    return [given] * count  # type: ignore[list-item]


def _one_per_network(rng: Any, members: int | None) -> list[Any]:
    """The stream of a network alone, or one for each member: as given, or spawned from ``rng``."""
    if members is None:
        return [rng]
    if not isinstance(members, (int, np.integer)) or isinstance(members, bool) or members < 1:
        raise DataError(f"an ensemble has one member or more, got members={members!r}")
    streams = rng if isinstance(rng, (list, tuple)) else init.spawn(rng, members)
    if len(streams) != members:
        raise DataError(f"{members} members need {members} streams, got {len(streams)}")
    return list(streams)


def _members_text(members: int | None) -> str:
    return "" if members is None else f", members={members}"

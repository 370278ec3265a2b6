"""Starting weights. An initialiser is a callable ``(shape, rng) -> array`` with a readable name.

``shape`` ends in ``(fan_in, fan_out)``: how many numbers flow into a neuron, and how many neurons
there are. ``rng`` is a ``numpy.random.Generator``, a ``SeedSequence`` or an integer seed; no global
state is read or changed. The same seed gives the same bits on every machine.

>>> import tinygrad_init as tg
>>> tg.init.constant(0.05)((2, 3), rng=0)
array([[0.05, 0.05, 0.05],
       [0.05, 0.05, 0.05]])
>>> tg.init.get("he_normal")
he_normal()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from ..autograd import DataError, ShapeError
from ..autograd.exact import elementary

Array = NDArray[Any]
Seed = Generator | SeedSequence | int | None


class Initialiser:
    """A way to draw starting weights, with the name by which it prints.

    >>> half = Initialiser("half", lambda shape, rng: np.full(shape, 0.5))
    >>> half, half((2,), rng=0)
    (half, array([0.5, 0.5]))
    """

    def __init__(self, name: str, draw: Callable[[tuple[int, ...], Generator], Array]) -> None:
        self.name = name
        self._draw = draw

    def __call__(self, shape: Sequence[int], rng: Seed = None) -> Array:
        """Weights of ``shape``, drawn from ``rng``."""
        weights = np.asarray(self._draw(tuple(shape), generator(rng)), dtype=np.float64)
        if weights.shape != tuple(shape):
            raise ShapeError(f"{self.name} drew shape {weights.shape} where {shape} was asked")
        return weights

    def __repr__(self) -> str:
        return self.name


def generator(rng: Seed) -> Generator:
    """The random numbers that a seed, a sequence or a generator stands for."""
    return rng if isinstance(rng, Generator) else np.random.default_rng(_sequence(rng))


def _sequence(seed: SeedSequence | int | None) -> SeedSequence:
    try:
        return seed if isinstance(seed, SeedSequence) else SeedSequence(seed)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"a seed is a whole number from 0, a SeedSequence or a Generator, got {seed!r}"
        ) from error


def spawn(rng: Seed, count: int) -> list[Generator | SeedSequence]:
    """``count`` independent streams; the same seed always gives the same ones."""
    if isinstance(rng, Generator):
        return list(rng.spawn(count))
    root = _sequence(rng)
    # SeedSequence.spawn would count on at every call; a child by its key is always the same.
    return [SeedSequence(root.entropy, spawn_key=(*root.spawn_key, k)) for k in range(count)]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """``(fan_in, fan_out)``: the last two lengths of ``shape``."""
    if len(shape) < 2:
        raise ShapeError(f"shape {shape} has no fan_in and fan_out: weights have two axes or more")
    return shape[-2], shape[-1]


# Random numbers with the same bits on every machine.
#
# A Generator's random() is 53 bits over 2**53, which is exact. Its normal() is not the same
# everywhere: it calls the exp and log of the C library; nor is its uniform(low, high), which some
# compilers turn into one fused operation. So both are made here, of exact steps.


def _uniform(rng: Generator, low: float, high: float, shape: tuple[int, ...]) -> Array:
    return low + (high - low) * rng.random(shape)


def _normal(rng: Generator, mean: float, std: float, shape: tuple[int, ...]) -> Array:
    """Two uniform numbers, as radius and angle, make two independent Gaussian coordinates.

    Source: Box and Muller, "A note on the generation of random normal deviates" (1958).
    """
    count = math.prod(shape)
    radius, turn = rng.random((2, -(-count // 2)))
    length = np.sqrt(-2 * elementary.log(1 - radius))
    angle = 2 * math.pi * turn
    points = np.concatenate([length * elementary.cos(angle), length * elementary.sin(angle)])
    return mean + std * points[:count].reshape(shape)


# Without randomness.


def constant(value: float = 0.05) -> Initialiser:
    """Every weight equal: every neuron of a layer is the same neuron."""
    return Initialiser(f"constant({value:g})", lambda shape, _: np.full(shape, float(value)))


def zeros() -> Initialiser:
    """Every weight 0."""
    return Initialiser("zeros()", lambda shape, _: np.zeros(shape))


def ones() -> Initialiser:
    """Every weight 1: not small, since equal weights add up."""
    return Initialiser("ones()", lambda shape, _: np.ones(shape))


# At a given scale.


def uniform(low: float = -0.05, high: float = 0.05) -> Initialiser:
    """Evenly between ``low`` and ``high``."""
    if not low <= high:
        raise DataError(f"uniform wants low <= high, got {low} and {high}")
    return Initialiser(
        f"uniform({low:g}, {high:g})", lambda shape, rng: _uniform(rng, low, high, shape)
    )


def normal(mean: float = 0.0, std: float = 0.05) -> Initialiser:
    """Gaussian with the given mean and standard deviation."""
    if not std >= 0:
        raise DataError(f"normal wants a standard deviation of 0 or more, got {std}")
    return Initialiser(
        f"normal({mean:g}, {std:g})", lambda shape, rng: _normal(rng, mean, std, shape)
    )


def perturbed(start: Initialiser, size: float) -> Initialiser:
    """``start`` plus Gaussian noise of standard deviation ``size``: how much is enough?"""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        return start(shape, rng) + _normal(rng, 0.0, size, shape)

    return Initialiser(f"{start.name} + {size:g}", draw)


# At the scale that keeps signals from growing or dying as they pass through the layers.


def _scaled(name: str, std: Callable[[int, int], float], kind: str) -> Initialiser:
    """Normal or uniform draws with mean 0 and standard deviation ``std(fan_in, fan_out)``."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        sigma = std(*fans(shape))
        if kind == "normal":
            return _normal(rng, 0.0, sigma, shape)
        bound = math.sqrt(3) * sigma  # the uniform distribution on +-bound has variance bound**2/3
        return _uniform(rng, -bound, bound, shape)

    return Initialiser(f"{name}_{kind}()", draw)


def _glorot_std(fan_in: int, fan_out: int) -> float:
    return math.sqrt(2 / (fan_in + fan_out))


def _he_std(fan_in: int, _fan_out: int) -> float:
    return math.sqrt(2 / fan_in)


def glorot_normal() -> Initialiser:
    """Variance 2 / (fan_in + fan_out), between what both directions want (Glorot, Bengio 2010)."""
    return _scaled("glorot", _glorot_std, "normal")


def glorot_uniform() -> Initialiser:
    """The same variance, drawn evenly from +-sqrt(6 / (fan_in + fan_out))."""
    return _scaled("glorot", _glorot_std, "uniform")


def he_normal() -> Initialiser:
    """Variance 2 / fan_in, which keeps the scale through relu layers (He et al. 2015)."""
    return _scaled("he", _he_std, "normal")


def he_uniform() -> Initialiser:
    """The same variance, drawn evenly from +-sqrt(6 / fan_in)."""
    return _scaled("he", _he_std, "uniform")


BY_NAME: dict[str, Callable[[], Initialiser]] = {
    maker.__name__: maker
    for maker in (
        zeros, ones, constant, uniform, normal,
        glorot_uniform, glorot_normal, he_uniform, he_normal,
    )
}  # fmt: skip


def get(name: str | Initialiser | Callable[..., Array]) -> Initialiser:
    """The initialiser of that name with its default settings; initialisers pass through.

    Raises:
        DataError: for an unknown name, listing the known ones.
    """
    if isinstance(name, Initialiser):
        return name
    if isinstance(name, str) and name in BY_NAME:
        return BY_NAME[name]()
    if callable(name):
        return Initialiser(getattr(name, "__name__", "custom"), name)
    raise DataError(f"unknown initialiser {name!r}: choose from {', '.join(BY_NAME)}")

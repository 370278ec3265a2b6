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
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, ShapeError
from ..autograd.exact import elementary, products

if TYPE_CHECKING:  # NumPy loads its random numbers at the first draw, and not for importing this
    from numpy.random import Generator, SeedSequence

Array = NDArray[Any]
Seed: TypeAlias = "Generator | SeedSequence | int | None"


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
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(_sequence(rng))


def _sequence(seed: SeedSequence | int | None) -> SeedSequence:
    kind = np.random.SeedSequence
    try:
        return seed if isinstance(seed, kind) else kind(seed)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"a seed is a whole number from 0, a SeedSequence or a Generator, got {seed!r}"
        ) from error


def spawn(rng: Seed, count: int) -> list[Generator | SeedSequence]:
    """``count`` independent streams; the same seed always gives the same ones."""
    if isinstance(rng, np.random.Generator):
        return list(rng.spawn(count))
    root = _sequence(rng)
    # SeedSequence.spawn would count on at every call; a child by its key is always the same.
    keys = [(*root.spawn_key, k) for k in range(count)]
    return [np.random.SeedSequence(root.entropy, spawn_key=key) for key in keys]


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


# Randomness and asymmetry, each without the other.


def latin_square() -> Initialiser:
    """Random *and* tied: every row holds the same random numbers, and so does every column.

    ``W[i, j] = numbers[(i + j) % g]`` with ``g = gcd(fan_in, fan_out)`` Gaussian numbers; then the
    rows and the columns are shuffled, so that the rotation does not show. With fan_in = fan_out it
    is a Latin square. More than g different numbers are impossible: each must fill the same share
    of every row and of every column. With g = 1 the whole layer has one random weight.

    The numbers have the standard deviation of :func:`glorot_normal`, so an entry has variance
    2 / (fan_in + fan_out) over all seeds; in one matrix it is that of a sample of g.

    All neurons see one multiset of weights. Between two constant layers they are therefore one
    neuron, and stay it (:mod:`tinygrad_init.symmetry.analysis` says why): random numbers are not
    enough. Source: the balanced colourings of Stewart, Golubitsky and Pivato (2003).

    >>> latin_square()((2, 4), rng=0).round(3)
    array([[ 0.816,  0.816, -0.102, -0.102],
           [-0.102, -0.102,  0.816,  0.816]])
    """

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        fan_in, fan_out = fans(shape)
        many, g = shape[:-2], math.gcd(fan_in, fan_out)
        numbers = _normal(rng, 0.0, _glorot_std(fan_in, fan_out), (*many, 1, g))
        rows, columns = (
            rng.permuted(np.broadcast_to(np.arange(fan), (*many, fan)), axis=-1)
            for fan in (fan_in, fan_out)
        )
        which = (rows[..., :, np.newaxis] + columns[..., np.newaxis, :]) % g
        return np.take_along_axis(numbers, which, axis=-1)

    return Initialiser("latin_square()", draw)


def hadamard(scale: str | float = "glorot") -> Initialiser:
    """Deterministic *and* untied: every weight is +s or -s, and no two neurons are equal.

    ``W[i, j] = s * (-1)**b(r_i & r_j)``, where b counts the bits that are 1: signs from a Hadamard
    matrix, whose rows are orthogonal. The order r = 1, 2, 4, 8, ..., 0, 3, 5, 6, 7, 9, ... takes
    the powers of two first. A neuron's signs in those rows are the bits of its own number, so a cut
    to ``fan_in`` rows leaves all neurons different wherever that is possible: if
    fan_out <= 2**fan_in. Beyond that, some neurons must be equal, and all 2**fan_in kinds are
    there. The same holds for rows.

    Neurons are orthogonal if fan_in is a power of two and fan_out no larger. After a cut some may
    be close to each other: with 17 inputs, two of 17 neurons differ in one sign only.

    Args:
        scale: ``"glorot"`` (s**2 is 2 / (fan_in + fan_out)), ``"he"`` (2 / fan_in), or s itself.

    Sources: Sylvester (1867); Zhao, Schäfer and Anandkumar, "ZerO" (2022), start from it, too.

    >>> hadamard(1.0)((2, 4))
    array([[-1.,  1.,  1., -1.],
           [ 1., -1.,  1., -1.]])
    """
    std = _std_of(scale)

    def draw(shape: tuple[int, ...], _: Generator) -> Array:
        fan_in, fan_out = fans(shape)
        order = 2 ** (max(fan_in, fan_out) - 1).bit_length()
        numbers = np.array(sorted(range(order), key=lambda i: i.bit_count() != 1))
        rows, columns = numbers[:fan_in, np.newaxis], numbers[:fan_out]
        is_minus = np.bitwise_count(rows & columns) % 2 == 1
        s = std(fan_in, fan_out)
        return np.broadcast_to(np.where(is_minus, -s, s), shape).copy()

    return Initialiser(f"hadamard({scale if isinstance(scale, str) else f'{scale:g}'})", draw)


def _std_of(scale: str | float) -> Callable[[int, int], float]:
    """The standard deviation for ``(fan_in, fan_out)`` that a name or a number stands for."""
    by_name = {"glorot": _glorot_std, "he": _he_std}
    if isinstance(scale, str):
        if scale not in by_name:
            raise DataError(f"unknown scale {scale!r}: choose from glorot, he, or give a number")
        return by_name[scale]
    if not 0 < scale < math.inf:
        raise DataError(f"a scale is a number above 0, or glorot or he, got {scale}")
    return lambda _fan_in, _fan_out: float(scale)


def sinusoidal() -> Initialiser:
    """Deterministic *and* untied: every neuron is a wave, of its own frequency and phase.

    ``W[k, j] = a * sin(2 pi (j k / fan_in + j / (4 fan_out)))`` with inputs k = 0, 1, ... and
    neurons j = 1, 2, ..., fan_out. The amplitude a makes the mean of the squared weights Glorot's
    variance, 2 / (fan_in + fan_out). No two neurons are equal, and none is zero, at any shape.

    Source: Fernández-Hernández et al., "Sinusoidal Initialization, Time for a New Start" (2025).
    Their phases fill the whole turn, j / fan_out. There sin(pi - x) = sin(x) makes some neurons
    equal but for rounding (with fan_out = 2 fan_in, neurons j and fan_in - j), and others zero;
    within a quarter of a turn that cannot happen.

    >>> sinusoidal()((4, 2)).round(3)
    array([[ 0.471,  0.667],
           [ 0.471, -0.667],
           [-0.471,  0.667],
           [-0.471, -0.667]])
    """

    def draw(shape: tuple[int, ...], _: Generator) -> Array:
        fan_in, fan_out = fans(shape)
        k, j = np.arange(fan_in)[:, np.newaxis], np.arange(1, fan_out + 1)
        # j k / fan_in counts in full turns, and whole ones are dropped before any rounding.
        turns = j * k % fan_in / fan_in + j / (4 * fan_out)
        waves = elementary.sin(2 * math.pi * turns)
        mean_square = products.sum(waves * waves) / waves.size
        amplitude = _glorot_std(fan_in, fan_out) / np.sqrt(mean_square)
        return np.broadcast_to(amplitude * waves, shape).copy()

    return Initialiser("sinusoidal()", draw)


BY_NAME: dict[str, Callable[[], Initialiser]] = {
    maker.__name__: maker
    for maker in (
        zeros, ones, constant, uniform, normal,
        glorot_uniform, glorot_normal, he_uniform, he_normal,
        latin_square, hadamard, sinusoidal,
    )
}  # fmt: skip


def get(name: str | Initialiser | Callable[..., Any]) -> Initialiser:
    """The initialiser of that name with its default settings; initialisers pass through.

    So do functions ``(shape, rng) -> array``; and ``tg.init.ones`` stands for ``tg.init.ones()``.

    Raises:
        DataError: for an unknown name, listing the known ones.
    """
    if isinstance(name, Initialiser):
        return name
    if isinstance(name, str) and name in BY_NAME:
        return BY_NAME[name]()
    made = {id(maker): maker for maker in BY_NAME.values()}.get(id(name))
    if made is not None:  # tg.init.ones where tg.init.ones() was meant
        return made()
    if callable(name):
        return Initialiser(getattr(name, "__name__", "custom"), name)
    raise DataError(f"unknown initialiser {name!r}: choose from {', '.join(BY_NAME)}")

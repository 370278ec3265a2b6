"""exp, log, tanh and their kin, from operations that IEEE 754 rounds correctly on every machine.

NumPy's own ``exp`` or ``tanh`` may differ in the last bit from one processor to the next, since
each has its own fast version. Addition, multiplication, division, rounding to an integer and
scaling by powers of two may not. From these alone, every function here is built: reduce the
argument to a short interval, add up a Taylor series there, undo the reduction.

One ``float64`` is too short to keep the small errors on the way out of the last bit. So numbers on
the way are *pairs* ``(high, low)`` that stand for their unevaluated sum, which makes about 106 bits
(Dekker 1971). Constants are computed when the module is loaded, from integers of 200 bits.

Every result depends on its own input alone, and is within one unit in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import GraphError

Array = NDArray[Any]
Pair = tuple[Any, Any]

STEPS = 16  #: exp reduces its argument to half of ln(2)/STEPS


# Pairs: error-free sums and products, and what follows from them.


def two_sum(a: Any, b: Any) -> Pair:
    """``a + b`` as the rounded sum and its error, exactly (Knuth, Møller)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def fast_two_sum(a: Any, b: Any) -> Pair:
    """The same where ``|a| >= |b|`` (Dekker)."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Any, b: Any) -> Pair:
    """``a * b`` as the rounded product and its error, exactly (Dekker, Veltkamp)."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(a: Any) -> Pair:
    """``a`` as a sum of two numbers of 26 bits, whose products are therefore exact."""
    shifted = a * 134217729.0  # 2**27 + 1
    high = shifted - (shifted - a)
    return high, a - high


def _divide(x: Pair, y: Pair) -> Pair:
    quotient = x[0] / y[0]
    product, error = two_product(quotient, y[0])
    rest = ((x[0] - product) - error) + (x[1] - quotient * y[1])
    return fast_two_sum(quotient, rest / y[0])


# Constants.


def _to_pair(numerator: int, bits: int) -> tuple[float, float]:
    """``numerator / 2**bits`` as a pair."""
    high = numerator / (1 << bits)
    over, under = high.as_integer_ratio()
    return high, ((numerator * under - (over << bits)) / under) / (1 << bits)


_BITS = 200
_LN2 = sum((1 << (_BITS + 20)) // (k << k) for k in range(1, _BITS + 20)) >> 20  # sum 1/(k 2^k)


def _root_of_two(j: int) -> int:
    """2**(j / 16), times 2**200."""
    power = 1 << (16 * _BITS + j)
    for _ in range(4):
        power = math.isqrt(power)
    return power


_ROOTS = np.array([_to_pair(_root_of_two(j), _BITS) for j in range(STEPS)])


def _parts_of(number: int, widths: tuple[int, ...]) -> list[float]:
    """``number / 2**200`` in floats of so few bits that a small integer times one is exact."""
    parts = []
    for width in widths:
        drop = max(number.bit_length() - width, 0)
        part = number >> drop << drop
        parts.append(part / (1 << _BITS))
        number -= part
    return parts


_STEP = _parts_of(_LN2 // STEPS, (36, 36, 53))
_LN2_HIGH, _LN2_LOW = _parts_of(_LN2, (41, 53))


# exp, to a pair.


def _exp_minus_one(r: Pair) -> Pair:
    """e**r - 1 for |r| up to 0.022, by its Taylor series."""
    high, low = r
    series = 1.0 / math.factorial(9)
    for k in range(8, 2, -1):
        series = series * high + 1.0 / math.factorial(k)
    square, square_error = two_product(high, high)
    total, error = fast_two_sum(high, square / 2)
    small = low + (square_error / 2 + high * low) + square * high * series
    return fast_two_sum(total, error + small)


def _exp_pair(x: Pair) -> tuple[Array, Pair, Pair]:
    """``(k, (high, low), (p, q))``: e**x is 2**k * (high + low), and e**r - 1 is p + q.

    ``x`` is ``n * ln(2) / 16 + r``, and 2**(n / 16) is a whole power of two times a tabled root.
    """
    n = np.rint(x[0] * (1.0 / (_STEP[0] + _STEP[1])))
    rest, error = two_sum(x[0] - n * _STEP[0], -(n * _STEP[1]))
    r = fast_two_sum(rest, error - n * _STEP[2] + x[1])
    p, q = _exp_minus_one(r)
    whole = n.astype(np.int64)
    root_high, root_low = np.moveaxis(_ROOTS[whole & (STEPS - 1)], -1, 0)
    product, product_error = two_product(root_high, p)
    total, total_error = fast_two_sum(root_high, product)
    low = total_error + (product_error + root_high * q + root_low * p + root_low)
    return whole >> 4, fast_two_sum(total, low), (p, q)


# The functions. Each is written for finite float64; the decorator sees to the rest.


def _elementary(function: Callable[[Array], Array]) -> Callable[[ArrayLike], Array]:
    """Compute in float64 whatever the dtype; nan gives nan, without a warning on the way."""

    def on_any_dtype(x: ArrayLike) -> Array:
        given = np.asarray(x)
        dtype = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
        wide = np.asarray(given, np.float64)
        is_nan = np.isnan(wide)
        with np.errstate(all="ignore"):
            result = function(np.where(is_nan, 1.0, wide))
            return np.where(is_nan, wide, result).astype(dtype)

    on_any_dtype.__name__, on_any_dtype.__doc__ = function.__name__, function.__doc__
    return on_any_dtype


@_elementary
def exp(x: Array) -> Array:
    """e**x."""
    k, (high, _low), _ = _exp_pair((np.clip(x, -800.0, 800.0), 0.0))
    return np.ldexp(high, k.astype(np.intc))


def _exp_minus_one_pair(x: Array) -> Pair:
    """e**x - 1, without loss where e**x is near 1."""
    k, (high, low), below_one = _exp_pair((x, 0.0))
    scale = np.ldexp(1.0, k.astype(np.intc))
    total, error = two_sum(high * scale, -1.0)
    is_short = np.abs(x) < math.log(2) / (2 * STEPS)  # then nothing needs to be subtracted
    return fast_two_sum(
        np.where(is_short, below_one[0], total),
        np.where(is_short, below_one[1], error + low * scale),
    )


@_elementary
def expm1(x: Array) -> Array:
    """e**x - 1."""
    high = _exp_minus_one_pair(np.clip(x, -800.0, 709.0))[0]
    result = np.where(np.abs(x) < 1e-300, x, high)  # e**x - 1 = x (1 + x/2 ...)
    return np.where(x > 709.0, exp(x), result)


def _two_artanh(s: Pair) -> Pair:
    """2 artanh(s) for |s| up to 0.172, by its Taylor series."""
    square = s[0] * s[0]
    series = np.full_like(square, 1.0 / 27)
    for odd in range(25, 1, -2):
        series = series * square + 1.0 / odd
    return 2 * s[0], 2 * (s[1] + s[0] * square * series)


def _log_pair(x: Array) -> Pair:
    """ln(x) = k ln(2) + 2 artanh((m - 1) / (m + 1)) for x = 2**k m, with m around 1."""
    fraction, k = np.frexp(np.where((x > 0) & np.isfinite(x), x, 1.0))
    is_small = fraction < math.sqrt(0.5)
    m, k = np.where(is_small, fraction * 2, fraction), k - is_small
    high, low = _two_artanh(_divide((m - 1.0, 0.0), two_sum(m, 1.0)))
    total, error = two_sum(k * _LN2_HIGH, high)
    return total, error + (k * _LN2_LOW + low)


@_elementary
def log(x: Array) -> Array:
    """ln(x)."""
    high, low = _log_pair(x)
    result = np.where(x == np.inf, np.inf, high + low)
    return np.where(x > 0, result, np.where(x == 0, -np.inf, np.nan))


@_elementary
def log1p(x: Array) -> Array:
    """ln(1 + x): near 0 as 2 artanh(x / (2 + x)), elsewhere from the exact sum 1 + x."""
    near = np.where(np.abs(x) < 0.25, x, 0.0)
    near_high, near_low = _two_artanh(_divide((near, 0.0), two_sum(2.0, near)))
    of_near = np.where(np.abs(x) < 1e-300, x, near_high + near_low)
    total, rest = two_sum(1.0, np.where(np.isfinite(x), x, 0.0))
    far_high, far_low = _log_pair(total)
    of_far = far_high + (far_low + rest / np.where(total > 0, total, 1.0))
    result = np.where(np.abs(x) < 0.25, of_near, np.where(x == np.inf, np.inf, of_far))
    return np.where(x > -1, result, np.where(x == -1, -np.inf, np.nan))


@_elementary
def tanh(x: Array) -> Array:
    """(e**2|x| - 1) / (e**2|x| + 1), with the sign of x."""
    size = np.minimum(np.abs(x), 20.0)  # from 19.1 on the nearest float is 1
    minus_one = _exp_minus_one_pair(2 * size)
    plus_one = two_sum(minus_one[0], 2.0)
    result = _divide(minus_one, (plus_one[0], plus_one[1] + minus_one[1]))[0]
    return np.copysign(np.where(size < 1e-8, size, result), x)  # tanh(x) = x (1 - x*x/3 ...)


@_elementary
def sigmoid(x: Array) -> Array:
    """1 / (1 + e**-|x|), or e**-|x| / (1 + e**-|x|) for negative x."""
    k, (high, low), _ = _exp_pair((np.maximum(-np.abs(x), -800.0), 0.0))
    scale = np.ldexp(1.0, k.astype(np.intc))
    total, error = two_sum(1.0, high * scale)
    denominator = fast_two_sum(total, error + low * scale)
    of_negative = np.ldexp(_divide((high, low), denominator)[0], k.astype(np.intc))
    return np.where(x < 0, of_negative, _divide((1.0, 0.0), denominator)[0])


def power(a: ArrayLike, b: ArrayLike) -> Array:
    """``a ** b`` for integers ``b`` of at most 1024, by repeated multiplication.

    Raises:
        GraphError: for other exponents; ``sqrt`` covers one half.
    """
    base, exponent = np.asarray(a), np.asarray(b)
    size = np.abs(exponent)
    if (size != np.rint(size)).any() or (size > 1024).any():
        raise GraphError(
            "power has a reproducible version for whole exponents up to 1024 only: "
            "write x.sqrt() for x ** 0.5, or exp(b * log(x))"
        )
    # A Python number has no dtype of its own: float32 ** 2 stays float32.
    dtype = np.result_type(*(x if np.isscalar(x) else np.asarray(x) for x in (a, b)))
    result = np.ones(np.broadcast_shapes(base.shape, exponent.shape), dtype)
    square, bits = base.astype(dtype), size.astype(np.int64)
    with np.errstate(all="ignore"):  # of squares and quotients that nobody asked for
        for k in range(int(bits.max(initial=0)).bit_length()):
            result = np.where(bits >> k & 1, result * square, result)
            square = square * square
        return np.where(exponent < 0, 1 / result, result)

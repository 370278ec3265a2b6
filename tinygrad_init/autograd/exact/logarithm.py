"""ln(x) and what is made of it."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

import numpy as np

from .elementwise import elementwise, of_two
from .exponential import exp, exp_pair
from .pairs import (
    BITS,
    LN2,
    ONE,
    Array,
    Pair,
    centred,
    fast_two_sum,
    inverse_tangent,
    multiply,
    parts_of,
    polynomial,
    shorten,
    to_short_pair,
    two_sum,
)

SCALE = 256  #: m is looked up at the nearest j / 256
_FIRST, _LAST = 181, 512  # from sqrt(1/2), for logarithms, to 2, for 1 + e**x
_SHORT_BITS = 42  # k times a multiple of 2**-42 below 1 is exact for all exponents k


@functools.cache
def _log_table() -> tuple[Array, Array, Array]:
    """``c``, about 256 / j in 12 bits, and -ln(c) as a multiple of 2**-42 and the rest of it.

    ln(a) - ln(b) is 2 artanh((a - b) / (a + b)), and neighbours are close.
    """
    numerators = [round(2048 * SCALE / j) for j in range(_FIRST, _LAST + 1)]
    logs = [0]  # up to a constant: the logarithm of 1 = 2048 / 2048 is subtracted below
    for a, b in pairwise(numerators):
        logs.append(logs[-1] - 2 * inverse_tangent(a - b, a + b, BITS, sign=1))
    unit, rows = 1 << (BITS - _SHORT_BITS), []
    for a, log_of_a in zip(numerators, logs, strict=True):
        number = logs[SCALE - _FIRST] - log_of_a
        high = (number + unit // 2) // unit * unit
        rows.append((a / 2048, high / ONE, (number - high) / ONE))
    c, high, low = np.array(rows).T.copy()
    return c, high, low


_LN2_HIGH, _LN2_LOW = parts_of(LN2, (_SHORT_BITS, 53))
_ONE_OVER_LN2 = to_short_pair((ONE << BITS) // LN2)


def _look_up(m: Array) -> tuple[Array, Array, Array]:
    """c, about 1/m, and the pair -ln(c)."""
    j = np.rint(m * SCALE).astype(np.intp)
    j -= _FIRST
    c, high, low = _log_table()
    return c.take(j), high.take(j), low.take(j)


def _log_pair(x: Array) -> Pair:
    """ln(x) = k ln(2) - ln(c) + ln(1 + z) for x = 2**k m and z = c m - 1."""
    m, k = centred(x)
    return _add_up(k, m, 0.0)


def _add_up(k: Array, m: Array, m_low: Any) -> Pair:
    """The sum k ln(2) - ln(c) + ln(1 + z), z = c m - 1, for m between sqrt(1/2) and sqrt(2)."""
    c, high, low = _look_up(m)
    m, m_low = shorten((m, m_low))
    high += k * _LN2_HIGH  # exact
    low += k * _LN2_LOW
    return _add_rest(high, low, *fast_two_sum(c * m - 1.0, c * m_low))


def _add_rest(high: Array, low: Array, z: Array, z_low: Array) -> Pair:
    """The pair plus ln(1 + z) = z + (z_low - z²/2 + z³/3 ...) for |z| < 0.0032."""
    total, error = fast_two_sum(high, z)
    rest = polynomial(z, (-1 / 2, 1 / 3, -1 / 4, 1 / 5, -1 / 6, 1 / 7))
    rest *= z
    rest *= z
    rest += z_low
    rest += low
    error += rest
    return total, error


def _not_positive(x: Array) -> Any:
    return np.where(x == np.inf, np.inf, np.where(x == 0, -np.inf, np.nan))


_SMALLEST, _LARGEST = 5e-324, float(np.finfo(np.float64).max)


@elementwise(_SMALLEST, _LARGEST, _not_positive)
def log(x: Array) -> Array:
    """ln(x) = k ln(2) - ln(c) + ln(1 + z) for x = 2**k m, c near 1/m, z = c m - 1."""
    high, low = _log_pair(x)
    return high + low


@elementwise(_SMALLEST, _LARGEST, _not_positive)
def log2(x: Array) -> Array:
    """log₂(x) = k + ln(m) / ln(2) for x = 2**k m; whole for powers of two."""
    m, k = centred(x)
    high, low = multiply(shorten(_log_pair(m)), _ONE_OVER_LN2)
    total, error = two_sum(k.astype(np.float64), high)
    return total + (error + low)


@elementwise(_SMALLEST, _LARGEST, _not_positive)
def log10(x: Array) -> Array:
    """log₁₀(x) = ln(x) / ln(10), from pairs; whole for whole powers of ten."""
    high, low = multiply(shorten(_log_pair(x)), _one_over_ln10())
    return high + low


@functools.cache
def _one_over_ln10() -> Pair:
    ln10 = 3 * LN2 + 2 * inverse_tangent(1, 9, BITS, sign=1)  # 10 = 8 (1 + 1/9) / (1 - 1/9)
    return to_short_pair((ONE << BITS) // ln10)


def _below_minus_one(x: Array) -> Any:
    return np.where(x == np.inf, np.inf, np.where(x == -1, -np.inf, np.nan))


@elementwise(float(np.nextafter(-1, 0)), _LARGEST, _below_minus_one)
def log1p(x: Array) -> Array:
    """ln(1 + x) like ln(x), of the sum in a pair, which is exact."""
    total, error = two_sum(1.0, x)
    m, k = centred(total)
    high, low = _add_up(k, m, np.ldexp(error, -k))
    return np.copysign(high + low, x)  # the sign matters for -0.0


def _log1p_pair(x: Pair) -> Pair:
    """ln(1 + x) for a pair between 0 and 1: -ln(c) + ln(1 + z), with z = (c - 1) + c x."""
    x_high, x_low = shorten(x)
    c, high, low = _look_up(1.0 + x_high)
    z = (c - 1.0) + c * x_high  # exact
    return _add_rest(high, low, *fast_two_sum(z, c * x_low))


@elementwise(-40.0, 40.0, lambda x: np.where(x > 0, x, exp(x)))
def softplus(x: Array) -> Array:
    """max(x, 0) + ln(1 + e**-|x|), both steps in pairs."""
    k, (high, low) = exp_pair(-np.abs(x))
    scale = np.ldexp(1.0, k)
    high, low = _log1p_pair((high * scale, low * scale))
    total, error = two_sum(np.maximum(x, 0.0), high)
    return total + (error + low)


@of_two
def logaddexp(a: Array, b: Array) -> Array:
    """ln(e**a + e**b) = max(a, b) + ln(1 + e**-|a - b|).

    The error is below one unit in the last place of the greater of the result and max(a, b);
    where the two summands cancel (e**a + e**b is near 1), that is more than a unit of the result.
    """
    large, small = np.maximum(a, b), np.minimum(a, b)
    is_ordinary = (small > -np.inf) & (large < np.inf)
    difference, error = two_sum(np.where(is_ordinary, small, 0.0), np.where(is_ordinary, -large, 0))
    is_close = difference > -800.0
    difference = np.where(is_close, difference, -800.0)
    k, pair = exp_pair(difference, np.where(is_close, error, 0.0))
    high, low = _log1p_pair((np.ldexp(pair[0], k), np.ldexp(pair[1], k)))
    total, error = two_sum(large, high)
    return np.where(is_ordinary & is_close, total + (error + low), large + 0.0)

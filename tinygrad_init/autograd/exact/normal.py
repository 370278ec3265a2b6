"""The normal distribution's Φ(x), and the gelu that is made of it."""

from __future__ import annotations

import functools
import math

import numpy as np

from .elementwise import elementwise
from .exponential import exp_pair
from .pairs import (
    BITS,
    ONE,
    Array,
    Pair,
    fast_two_sum,
    multiply,
    pi,
    shorten,
    to_pairs,
    two_product,
)

STEPS = 16
_LAST = 39 * STEPS
_DEGREE = 9


@functools.cache
def _mills_table() -> tuple[tuple[Array, Array], list[Array]]:
    """Taylor coefficients of r(t) = (1 - Φ(t)) e**(t²/2) at t = j/16: a pair, and floats.

    r solves r' = t r - 1/√(2π). So the coefficients at t follow from r(t): a₁ = t a₀ - 1/√(2π),
    and (n + 1) aₙ₊₁ = t aₙ + aₙ₋₁. They lead from t to t - 1/16, and backwards errors shrink, as
    e**(t²/2) does. The start at t = 39 is the continued fraction of Laplace, 1/(t + 1/(t + 2/...)).
    """
    density = (ONE << BITS) // math.isqrt(2 * pi(BITS) << BITS)
    fraction = 39 * ONE
    for k in range(40, 0, -1):
        fraction = 39 * ONE + (k * ONE << BITS) // fraction
    r, rows = (density << BITS) // fraction, []
    for j in range(_LAST, -1, -1):
        row = [r, (j * r) // STEPS - density]
        for n in range(1, 24):
            row.append((j * row[n] // STEPS + row[n - 1]) // (n + 1))
        rows.append(row)
        r = sum((-a if n % 2 else a) >> 4 * n for n, a in enumerate(row))
    columns = list(zip(*reversed(rows), strict=True))
    others = [np.array([a / ONE for a in column]) for column in columns[1 : _DEGREE + 1]]
    return to_pairs(columns[0]), others


def _mills(t: Array) -> Pair:
    """r(t) for t of 0 .. 39."""
    j = np.rint(t * STEPS)
    d = t - j / STEPS
    j = j.astype(np.intp)
    pair, others = _mills_table()
    rest = d * others[-1].take(j)
    for table in others[-2::-1]:
        rest += table.take(j)
        rest *= d
    rest += pair[1].take(j)
    return pair[0].take(j), rest


def _normal_cdf_pair(x: Array) -> tuple[Array, Pair]:
    """``(k, pair)``: Φ(x) is 2**k times the pair; for x > 0 it is 1 minus that of -x."""
    t = np.abs(x)
    square, error = two_product(t, t)
    k, power = exp_pair(square / -2, error / -2)
    high, low = multiply(shorten(_mills(t)), shorten(power))
    total, error = fast_two_sum(1.0, -np.ldexp(high, k))
    is_right = x > 0
    return np.where(is_right, 0, k), (
        np.where(is_right, total, high), np.where(is_right, error - np.ldexp(low, k), low)
    )


@elementwise(-39.0, 9.0, lambda x: np.where(x > 0, 1.0, 0.0))
def normal_cdf(x: Array) -> Array:
    """Φ(-t) = e**(-t²/2) r(t): the exponential of a square in a pair, and r from a table."""
    k, (high, low) = _normal_cdf_pair(x)
    return np.ldexp(high + low, k)


@elementwise(-39.0, 9.0, lambda x: np.where(x > 0, x, -0.0))
def gelu(x: Array) -> Array:
    """The product x Φ(x), from the pair for Φ."""
    k, pair = _normal_cdf_pair(x)
    high, low = multiply(shorten((x, 0.0)), shorten(pair))
    is_tiny = np.abs(x) < 1e-290  # then Φ(x) is 1/2, and bits of the product may be missing
    return np.where(is_tiny, x / 2, np.ldexp(high + low, k))

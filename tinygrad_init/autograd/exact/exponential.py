"""e**x and what is made of it."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .elementwise import elementwise
from .pairs import (
    BITS,
    LN2,
    ONE,
    Array,
    Pair,
    divide,
    fast_two_sum,
    inverse_factorials,
    multiply,
    parts_of,
    polynomial,
    shorten,
    to_pairs,
    two_sum,
)

STEPS = 256  #: e**x looks up 2**(j / 256)


@functools.cache
def _roots_of_two() -> tuple[Array, Array]:
    """2**(j / 256) for j = 0 .. 255: halves, quarters, ... by square roots, then their products."""
    roots, root = [ONE], 2 * ONE
    while len(roots) < STEPS:
        root = math.isqrt(root << BITS)
        roots = [number for r in roots for number in (r, r * root >> BITS)]
    return to_pairs(roots)


def _look_up_root(n: Array) -> Pair:
    j = n & (STEPS - 1)
    high, low = _roots_of_two()
    return high.take(j), low.take(j)


_STEP_HIGH, _STEP_LOW = parts_of(LN2 // STEPS, (34, 53))
_STEPS_PER_ONE = STEPS * ONE / LN2
_SERIES = inverse_factorials(2, 5)


def _reduce(x: Array, x_low: Any = 0.0) -> tuple[Array, Array, Array]:
    """``(n, r, rest)``: x is ``n ln(2) / 256 + r``, and e**r - 1 is ``r + rest``; |r| < 0.0014."""
    n = np.rint(x * _STEPS_PER_ONE)
    r = x - n * _STEP_HIGH  # exact: n has 19 bits, the constant 34
    r_low = x_low - n * _STEP_LOW
    return n.astype(np.intc), r, r_low + _rest_of_exp(r + r_low)


def _rest_of_exp(r: Array) -> Array:
    """e**r - 1 - r for |r| < 0.0014, by the Taylor series."""
    rest = polynomial(r, _SERIES)
    rest *= r
    rest *= r
    return rest


def exp_pair(x: Array, x_low: Any = 0.0) -> tuple[Array, Pair]:
    """``(k, pair)``: e**x is 2**k times the pair, which is right to 2**-60."""
    n, r, rest = _reduce(x, x_low)
    root_high, root_low = _look_up_root(n)
    rest += r
    rest *= root_high
    rest += root_low
    return n >> 8, (root_high, rest)


@elementwise(-746.0, 710.0, lambda x: np.where(x > 0, np.inf, 0.0))
def exp(x: Array) -> Array:
    """e**x = 2**k 2**(j/256) e**r for x = (k + j/256) ln(2) + r."""
    k, (high, low) = exp_pair(x)
    return np.ldexp(high + low, k)


@elementwise(-1100.0, 1025.0, lambda x: np.where(x > 0, np.inf, 0.0))
def exp2(x: Array) -> Array:
    """2**x = 2**k 2**(j/256) e**(r ln(2)) for x = k + j/256 + r, exactly."""
    n = np.rint(x * STEPS)
    r = (x - n / STEPS) * (LN2 / ONE)
    n = n.astype(np.intc)
    root_high, root_low = _look_up_root(n)
    return np.ldexp(root_high + (root_low + root_high * (r + _rest_of_exp(r))), n >> 8)


def _expm1_pair(x: Array) -> Pair:
    """e**x - 1 = w + (1 + w) (e**r - 1), where w = 2**(n/256) - 1 comes from the table."""
    n, r, rest = _reduce(x)
    root_high, root_low = _look_up_root(n)
    w, w_low = two_sum(np.ldexp(root_high, n >> 8), -1.0)
    w_low += np.ldexp(root_low, n >> 8) * (1.0 + r)
    high, low = fast_two_sum(w, r)
    return high, low + (w_low + rest + w * (r + rest))


@elementwise(-50.0, 709.0, lambda x: np.where(x > 0, exp(x), -1.0))
def expm1(x: Array) -> Array:
    """e**x - 1, by the table of 2**(j/256) - 1, so that nothing is lost near 0."""
    high, low = _expm1_pair(x)
    return np.copysign(high + low, x)  # the sign matters for -0.0


@elementwise(-745.5, 40.0, lambda x: np.where(x > 0, 1.0, 0.0))
def sigmoid(x: Array) -> Array:
    """1 / (1 + e**-x)."""
    k, (high, low) = _sigmoid_pair(x)
    return np.ldexp(high + low, k)


def _sigmoid_pair(x: Array) -> tuple[Array, Pair]:
    """``(-k, pair)``: 2**-k / (2**-k + e**-x / 2**k), which no x lets overflow."""
    k, (high, low) = exp_pair(-x)
    total, error = two_sum(np.ldexp(1.0, -k), high)
    error += low
    return -k, divide((1.0, 0.0), fast_two_sum(total, error))


@elementwise(-760.0, 40.0, lambda x: np.where(x > 0, x, -0.0))
def silu(x: Array) -> Array:
    """The product x / (1 + e**-x), from the pair for the sigmoid."""
    k, of_x = _sigmoid_pair(x)
    high, low = multiply(shorten((x, 0.0)), of_x)
    return np.copysign(np.ldexp(high + low, k), x)


# Hyperbolic functions.

TANH_STEPS = 64


@functools.cache
def _tanh_table() -> tuple[Array, Array]:
    """tanh(j / 64) for j = 0 .. 1280, as (p - 1) / (p + 1) with p = e**(j/32)."""
    step, term = 0, ONE
    for k in range(1, 40):
        step += term
        term //= 32 * k
    powers = [ONE]
    for _ in range(20 * TANH_STEPS):
        powers.append(powers[-1] * step >> BITS)
    return to_pairs(((p - ONE) << BITS) // (p + ONE) for p in powers)


@elementwise(-20.0, 20.0, lambda x: np.copysign(1.0, x))
def tanh(x: Array) -> Array:
    """By the addition theorem: c is the nearest j/64 to |x|, d = |x| - c is exact.

    With t = tanh(c) and u = tanh(d) = d - d³/3 + 2d⁵/15 - 17d⁷/315, the result (t + u) / (1 + t u)
    is t + d + (u - d) - t u (t + u) / (1 + t u). The first two summands carry nearly all of it.
    """
    size = np.abs(x)
    j = np.rint(size * TANH_STEPS)
    d = size - j / TANH_STEPS
    index, (t_high, t_low) = j.astype(np.intp), _tanh_table()
    t = t_high.take(index)
    square = d * d
    bend = polynomial(square, (-1 / 3, 2 / 15, -17 / 315))
    bend *= square
    bend *= d  # u - d
    u = d + bend
    product = t * u
    u += t
    u *= product
    product += 1.0
    u /= product
    high, low = fast_two_sum(t, d)
    low += t_low.take(index)
    bend -= u
    low += bend
    high += low
    return np.copysign(high, x)


@elementwise(-700.0, 700.0, lambda x: np.copysign(_half_of_exp(np.abs(x)), x))
def sinh(x: Array) -> Array:
    """(m + m / (1 + m)) / 2 with m = e**|x| - 1, and the sign of x."""
    m, m_low = fast_two_sum(*_expm1_pair(np.abs(x)))
    total, error = two_sum(m, 1.0)
    quotient, rest = divide((m, m_low), (total, error + m_low))
    high, low = fast_two_sum(m, quotient)
    return np.copysign((high + (low + (m_low + rest))) / 2, x)


@elementwise(-700.0, 700.0, lambda x: _half_of_exp(np.abs(x)))
def cosh(x: Array) -> Array:
    """(p + 1 / p) / 2 with p = e**|x|."""
    k, (high, low) = exp_pair(np.abs(x))
    p, p_low = np.ldexp(high, k), np.ldexp(low, k)
    inverse, rest = divide((1.0, 0.0), fast_two_sum(p, p_low))
    high, low = fast_two_sum(p, inverse)
    return (high + (low + (p_low + rest))) / 2


@elementwise(0.0, 711.0, lambda x: np.inf)
def _half_of_exp(x: Array) -> Array:
    """e**x / 2, also where e**x is too large for a float."""
    k, (high, low) = exp_pair(x)
    return np.ldexp(high + low, k - 1)

"""sin, cos and tan, for arguments of any size, and arctan."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .elementwise import elementwise
from .pairs import (
    BITS,
    ONE,
    Array,
    Pair,
    divide,
    fast_two_sum,
    inverse_factorials,
    inverse_tangent,
    parts_of,
    pi,
    polynomial,
    shorten,
    to_pairs,
    two_sum,
)

STEPS = 256  #: of a full turn
_QUARTER = STEPS // 4
_STEP = pi(BITS) * 2 // STEPS
_PARTS = parts_of(_STEP, (31, 31, 31, 53))
_STEPS_PER_ONE = ONE / _STEP
_NEAR = 65536.0  # n has 22 bits up to here: n times 31 bits is exact


@functools.cache
def _turn() -> tuple[Array, Array, Array, Array]:
    """The pair sin, 1 - |cos| and the sign of cos, for each of 256 steps of a turn."""
    of_step, term = [0, 0], ONE  # cos and sin of one step: 1 + x - x²/2 - x³/6 + ...
    for k in range(40):
        of_step[k % 2] += term if k % 4 < 2 else -term
        term = term * _STEP // ((k + 1) * ONE)
    c, s = ONE, 0
    quarter = [0]
    for _ in range(_QUARTER - 1):  # turn by one step
        c, s = c * of_step[0] - s * of_step[1] >> BITS, s * of_step[0] + c * of_step[1] >> BITS
        quarter.append(s)
    half = [*quarter, ONE, *quarter[:0:-1]]
    sines = half + [-s for s in half]
    cosines = sines[_QUARTER:] + sines[:_QUARTER]
    shortfall = np.array([(ONE - abs(c)) / ONE for c in cosines])
    signs = np.array([1.0 if c >= 0 else -1.0 for c in cosines])
    return *to_pairs(sines), shortfall, signs


def _reduce(x: Array) -> tuple[Array, Pair]:
    """``(n, r)``: x is n π/128 + r (Cody and Waite 1980: subtract π in exact parts)."""
    n = np.rint(x * _STEPS_PER_ONE)
    high, error = two_sum(x - n * _PARTS[0], -n * _PARTS[1])
    high, low = two_sum(high, -n * _PARTS[2])
    low += error
    low -= n * _PARTS[3]
    return n.astype(np.int64), fast_two_sum(high, low)


def _reduce_in_whole_numbers(x: Array) -> tuple[Array, Pair]:
    """The same for any x. Its lowest bit may stand for 2**971, so π needs that many more bits.

    (Payne and Hanek 1983 multiply by the bits of 1/π that matter; Python divides by all of π.)
    """
    step = _long_step()
    steps, rests = [], []
    for number in x.tolist():
        numerator, denominator = number.as_integer_ratio()
        n, rest = divmod(2 * (numerator << _LONG) // denominator + step, 2 * step)
        steps.append(n % STEPS)
        rests.append((rest - step) >> (_LONG - BITS + 1))
    return np.array(steps, np.int64), to_pairs(rests)


_LONG = 1400


@functools.cache
def _long_step() -> int:
    return pi(_LONG) * 2 // STEPS


_SIN_SERIES = [-a if k % 2 == 0 else a for k, a in enumerate(inverse_factorials(3, 7, 2))]
_COS_SERIES = [-a if k % 2 else a for k, a in enumerate(inverse_factorials(2, 6, 2))]


def _sine(n: Array, r: Pair) -> Pair:
    """sin(c + r) = sin(c) cos(r) + cos(c) sin(r) at the tabled c = n π/128.

    With u = sin(r) - r and v = 1 - |cos(c)|, the largest summands, sin(c) ± r, stand alone.
    """
    j = n & (STEPS - 1)
    s, s_low, v, sign = (table.take(j) for table in _turn())
    r_high, r_low = sign * r[0], sign * r[1]
    square = r_high * r_high
    u = r_high * square * polynomial(square, _SIN_SERIES)
    high, low = fast_two_sum(s, r_high)
    small = u - v * (r_high + u) - s * (square * polynomial(square, _COS_SERIES))
    # d sin(c + r) is cos(c + r) dr: what r_low adds.
    return high, low + (s_low + ((1.0 - v) - s * r_high) * r_low + small)


def _from_angle(is_odd: bool) -> Callable[[Callable[[Array, Pair], Pair]], Any]:
    """A function of the reduced angle becomes one of x: by floats, or far away by integers."""

    def decorate(function: Callable[[Array, Pair], Pair]) -> Callable[[ArrayLike], Array]:
        def of(x: Array, reduced: tuple[Array, Pair]) -> Array:
            high, low = function(*reduced)
            return (high + low) * np.copysign(1.0, x) if is_odd else high + low

        def nearby(x: Array) -> Array:
            return of(x, _reduce(np.abs(x)))

        def far_away(x: Array) -> Array:
            is_finite = np.isfinite(x)
            size = np.where(is_finite, np.abs(x), 0.0)
            return np.where(is_finite, of(x, _reduce_in_whole_numbers(size)), np.nan)

        return functools.wraps(function)(elementwise(-_NEAR, _NEAR, far_away)(nearby))

    return decorate


@_from_angle(is_odd=True)
def sin(n: Array, r: Pair) -> Pair:
    """The sine: x is n π/128 + r, and the addition theorem starts from a table."""
    return _sine(n, r)


@_from_angle(is_odd=False)
def cos(n: Array, r: Pair) -> Pair:
    """The cosine: the sine, a quarter of a turn further on."""
    return _sine(n + _QUARTER, r)


@_from_angle(is_odd=True)
def tan(n: Array, r: Pair) -> Pair:
    """The tangent: the quotient of two pairs, sine and cosine."""
    return divide(_sine(n, r), _sine(n + _QUARTER, r))


# Back from the slope to the angle.

SLOPES = 64


@functools.cache
def _angle_table() -> tuple[Array, Array]:
    """arctan(j / 64) for j = 0 .. 64, then π/2 - arctan(j / 64) for j = 63 .. 0.

    From one to the next it is arctan(64 / (64² + j (j + 1))) further.
    """
    angles = [0]
    for j in range(SLOPES):
        step = inverse_tangent(SLOPES, SLOPES**2 + j * (j + 1), BITS)
        angles.append(angles[-1] + step)
    right = pi(BITS) // 2
    return to_pairs(angles + [right - angle for angle in angles[-2::-1]])


@elementwise(-1e17, 1e17, lambda x: np.copysign(math.pi / 2, x))
def arctan(x: Array) -> Array:
    """By the addition theorem at the nearest c = j/64: the rest has tangent (x - c) / (1 + c x).

    If |x| > 1, c is near 1/x: from π/2 - arctan(c), the rest has tangent (c x - 1) / (x + c).
    """
    size = np.abs(x)
    is_steep = size > 1.0
    j = np.rint(np.minimum(size, 1.0 / size) * SLOPES)
    c, index = j / SLOPES, np.where(is_steep, 2 * SLOPES - j, j).astype(np.intp)
    size_high, size_low = shorten((size, 0.0))
    product, product_low = c * size_high, c * size_low  # both exact
    above = np.where(is_steep, product - 1.0, size - c), np.where(is_steep, product_low, 0.0)
    below = np.where(is_steep, c, product), np.where(is_steep, size, 1.0)
    total, error = two_sum(*below)
    d, d_low = divide(above, (total, error + np.where(is_steep, 0.0, product_low)))
    d, d_low = fast_two_sum(d, d_low)
    square = d * d
    bend = d * square * polynomial(square, (-1 / 3, 1 / 5, -1 / 7))
    base, base_low = (table.take(index) for table in _angle_table())
    high, low = fast_two_sum(base, d)
    return np.copysign(high + (low + (base_low + (d_low + bend))), x)

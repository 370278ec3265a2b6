"""Numbers of about 100 bits: the unevaluated sum of two floats.

One ``float64`` holds 53 bits. What a sum or a product rounds off can be computed by a few more
operations, without error (Knuth, Dekker), and carried along as a second float. In decimals of three
digits: ``1.23 + 0.0456`` rounds to ``1.28``, and ``(1.23 - 1.28) + 0.0456`` is the ``-0.0044``
that the rounding added; the pair ``(1.28, -0.0044)`` is the sum itself.

A pair here is any ``(high, low)`` whose ``low`` is much the smaller one, not always below half a
unit of ``high``. Products want a ``high`` of 26 bits, because 26 times 26 bits fit into a float and
are exact; :func:`shorten` moves the other bits to ``low``.

Sources: T. J. Dekker, "A floating-point technique for extending the available precision", 1971;
D. E. Knuth, The Art of Computer Programming, volume 2, section 4.2.2; J.-M. Muller et al.,
Handbook of Floating-Point Arithmetic, 2018.

Constants come from Python's integers: ``n`` stands for ``n / 2**200``, and a pair takes the leading
106 bits. So there is no table of mysterious digits to trust.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[Any, Any]

# Sums.


def two_sum(a: Any, b: Any) -> Pair:
    """``a + b`` as the rounded sum and its error, exactly (Knuth, Møller)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def fast_two_sum(a: Any, b: Any) -> Pair:
    """The same where ``|a| >= |b|`` or ``a`` is 0 (Dekker)."""
    total = a + b
    return total, b - (total - a)


# Products and quotients.


def short(a: Array) -> Array:
    """``a`` rounded to 26 bits, on the integer that its bits spell: 27 of the 53 are cleared."""
    bits = a.view(np.int64) + (1 << 26)
    bits &= -(1 << 27)
    return bits.view(np.float64)


def shorten(x: Pair) -> Pair:
    """The same number with a ``high`` of 26 bits."""
    high = short(x[0] + x[1])
    return high, (x[0] - high) + x[1]


def multiply(x: Pair, y: Pair) -> Pair:
    """The product of two shortened pairs: the first part is exact, all else is 2**-26 of it."""
    return x[0] * y[0], x[0] * y[1] + x[1] * (y[0] + y[1])


def two_product(a: Array, b: Array) -> Pair:
    """``a * b`` as the rounded product and its error, exactly (Dekker, Veltkamp)."""
    product = a * b
    a_high, b_high = short(a), short(b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def divide(x: Pair, y: Pair) -> Pair:
    """``x / y``, shortened: 26 bits of the quotient, and what they leave of ``x``, divided."""
    y_high, y_low = shorten(y)
    about = y[0] + y[1]
    quotient = short((x[0] + x[1]) / about)
    rest = ((x[0] - quotient * y_high) + x[1]) - quotient * y_low
    return quotient, rest / about


def centred(x: Array) -> tuple[Array, Array]:
    """``(m, k)``: x is 2**k m, with |m| between sqrt(1/2) and sqrt(2)."""
    fraction, k = np.frexp(x)
    is_small = np.abs(fraction) < math.sqrt(0.5)
    return np.where(is_small, fraction * 2, fraction), k - is_small


# Constants: a whole number n stands for n / 2**200.

BITS = 200
ONE = 1 << BITS
LN2 = sum((1 << (BITS + 20)) // (k << k) for k in range(1, BITS + 20)) >> 20  # sum of 1 / (k 2^k)


def inverse_tangent(numerator: int, denominator: int, bits: int, sign: int = -1) -> int:
    """The series x - x³/3 + x⁵/5 ... of a fraction, times ``2**bits``; artanh for sign = 1."""
    power, total, odd = (numerator << bits) // denominator, 0, 1
    while power:
        total += power // odd
        power = sign * power * numerator**2 // denominator**2
        odd += 2
    return total


def pi(bits: int) -> int:
    """π times ``2**bits``, by Machin's formula of 1706."""
    more = bits + 20
    return 4 * (4 * inverse_tangent(1, 5, more) - inverse_tangent(1, 239, more)) >> 20


def to_pair(number: int) -> tuple[float, float]:
    """``number / 2**200`` as a pair."""
    high = number / ONE
    over, under = high.as_integer_ratio()
    return high, (number * under - (over << BITS)) / (under << BITS)


def to_pairs(numbers: Iterable[int]) -> tuple[Array, Array]:
    """Two arrays, for looking up the high and the low parts of a table."""
    highs, lows = zip(*map(to_pair, numbers), strict=True)
    return np.array(highs), np.array(lows)


def parts_of(number: int, widths: tuple[int, ...]) -> list[float]:
    """``number / 2**200`` in floats of so few bits that a whole number times one is exact."""
    parts = []
    for width in widths:
        drop = max(number.bit_length() - width, 0)
        part = number >> drop << drop
        parts.append(part / ONE)
        number -= part
    return parts


def to_short_pair(number: int) -> Pair:
    """The same with a ``high`` of 26 bits, for products."""
    high, low = parts_of(number, (26, 53))
    return high, low


def inverse_factorials(first: int, last: int, step: int = 1) -> list[float]:
    """1/first!, ..., 1/last!: the coefficients of e^x, sin and cos."""
    return [1.0 / math.factorial(k) for k in range(first, last + 1, step)]


def polynomial(x: Array, coefficients: Iterable[float]) -> Array:
    """``c0 + c1 x + c2 x² + ...`` by Horner's rule."""
    last, *others = reversed(list(coefficients))
    total = x * last
    for c in others[:-1]:
        total += c
        total *= x
    total += others[-1]
    return total

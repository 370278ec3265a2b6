"""Whole powers, and the length of a vector of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import GraphError
from .elementwise import common_dtype, in_blocks, of_two
from .pairs import Array, Pair, centred, divide, fast_two_sum, multiply, shorten, two_product

LARGEST_EXPONENT = 1024


def power(a: ArrayLike, b: ArrayLike) -> Array:
    """``a ** b`` for whole ``b`` of at most 1024, by squaring in pairs.

    Raises:
        GraphError: for other exponents; ``sqrt`` covers one half.
    """
    exponent = np.asarray(b)
    size = np.abs(exponent)
    if (size != np.rint(size)).any() or (size > LARGEST_EXPONENT).any():
        raise GraphError(
            "power has a reproducible version for whole exponents up to 1024 only: "
            "write x.sqrt() for x ** 0.5, or exp(b * log(x))"
        )
    dtype = common_dtype(a, b)
    if dtype.kind != "f":
        return _power_of_integers(np.asarray(a, dtype), exponent)
    base, exponent = np.broadcast_arrays(np.asarray(a, dtype), exponent.astype(np.float64))
    return in_blocks(_power, base, exponent)


def _power_of_integers(base: Array, exponent: Array) -> Array:
    base, exponent = np.broadcast_arrays(base, exponent)
    size = np.abs(exponent).astype(np.int64)
    result, square = np.ones_like(base), base
    with np.errstate(all="ignore"):
        for bit in range(int(size.max(initial=0)).bit_length()):
            result = np.where(size >> bit & 1, result * square, result)
            square = square * square
        return np.where(exponent < 0, 1 / result, result) if (exponent < 0).any() else result


def _power(base: Array, exponent: Array) -> Array:
    """Exponents of -1 .. 2 take one operation at most, which is correctly rounded."""
    if (exponent == 2).all():  # by far the most frequent
        return base * base
    result = np.where(exponent == 2, base * base, np.where(exponent == 1, base, 1.0))
    result = np.where(exponent == -1, 1.0 / base, result)
    is_long = np.abs(exponent - 0.5) > 1.5
    if is_long.any():
        result[is_long] = _long_power(base[is_long], exponent[is_long])
    return result


def _long_power(base: Array, exponent: Array) -> Array:
    """(2**k m)**b = 2**(k b) m**b, where m is so close to 1 that no power of it overflows."""
    is_ordinary = np.isfinite(base) & (base != 0)
    m, k = centred(np.where(is_ordinary, base, 1.0))
    size, is_negative = np.abs(exponent).astype(np.int64), exponent < 0
    high, low = _pair_power(m, size)
    result = high + low
    if is_negative.any():
        inverse, rest = divide((1.0, 0.0), (high, low))
        result = np.where(is_negative, inverse + rest, result)
    scale = np.clip(k * exponent, -5000, 5000).astype(np.intc)
    result = np.ldexp(result, scale)
    if is_ordinary.all():
        return result
    limit = np.where(size & 1 == 1, base, np.abs(base))  # the power of 0, inf and nan
    return np.where(is_ordinary, result, np.where(is_negative, 1.0 / limit, limit))


def _pair_power(m: Array, exponent: Array) -> Pair:
    result: Pair = (np.ones_like(m), np.zeros_like(m))
    square: Pair = shorten((m, 0.0))
    for bit in range(int(exponent.max()).bit_length()):
        square = square if bit == 0 else shorten(multiply(square, square))
        is_factor = exponent >> bit & 1 == 1
        product = shorten(multiply(result, square))
        result = tuple(np.where(is_factor, *both) for both in zip(product, result, strict=True))
    return result


@of_two
def hypot(a: Array, b: Array) -> Array:
    """sqrt(a² + b²): one Newton step from the root of the rounded sum."""
    a, b = np.abs(a), np.abs(b)
    large, small = np.maximum(a, b), np.minimum(a, b)
    is_ordinary = (large > 0) & (large < np.inf)
    large = np.where(is_ordinary, large, 1.0)
    large, k = np.frexp(large)
    small = np.ldexp(np.where(is_ordinary, small, 0.0), -k)
    square, error = two_product(large, large)
    other, other_error = two_product(small, small)
    total, sum_error = fast_two_sum(square, other)
    error += sum_error + other_error
    root = np.sqrt(total)
    back, back_error = two_product(root, root)
    root += (((total - back) - back_error) + error) / (2 * root)
    is_infinite = (a == np.inf) | (b == np.inf)  # even beside a nan
    return np.where(is_ordinary, np.ldexp(root, k), np.where(is_infinite, np.inf, a + b))

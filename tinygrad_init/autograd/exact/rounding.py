"""The last step of an exact sum: its digits are added up, and rounded once.

A digit is a float64 that holds a sum of many terms without error; :mod:`products` tells how digits
come to be. To round the sum of a few of them:

1. Add the digits, the finest first, and keep the error of each addition: it is a floating-point
   number itself, and two subtractions find it.
2. Add the errors, then add that to the sum. With up to three digits only this last addition rounds.
   With more, adding the errors rounds too, but a bound on the loss proves nearly always that it
   does not matter: the sum less the bound and plus the bound round to the same number.
3. Where they do not, ``math.fsum`` adds the digits, which is exact but takes them one by one.

Digits far below the last bit of the result hardly ever matter either. So they may be left out at
first: what they can come to at the most goes into the bound, and they are made for those sums alone
that it leaves open.

Sources: rounding to odd before a narrower rounding: Boldo and Melquiond (2008). When the error of
an addition is found by two subtractions: Boldo, Graillat and Muller, "On the robustness of the 2Sum
and Fast2Sum algorithms" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIGNIFICAND = 53  #: bits of a float64; integers below 2**53 are exact
#: So many entries are rounded at once: what that needs on the way fits into a processor's cache.
BLOCK = 2**13
#: Left-out digits are made for single sums while these are fewer than one in so many.
FEW = 64


class LeftOut(NamedTuple):
    """Digits below the others that were not made, as they hardly ever matter.

    Attributes:
        bound: for each sum more than they come to.
        of: the left-out digits of the sum with that number.
    """

    bound: Array
    of: Callable[[int], list[float]]


def round_sums(
    digits: Array, bits: int, dtype: np.dtype[Any], left_out: LeftOut | None = None
) -> Array | None:
    """The sums over the first axis, rounded once to ``dtype``.

    Args:
        digits: the finest first, each a multiple of a unit of its own and within 2**53 of it.
        bits: the next finer unit is smaller by ``2**bits``.
        dtype: what comes back is float64; for a narrower dtype it is rounded to odd, so that one
            more rounding gives the right result.
        left_out: digits that are missing at the finer end.

    Returns:
        None if so many sums depend on what was left out that it is quicker to make it for all.
    """
    flat = digits.reshape(len(digits), -1)
    rounded = []
    for start in range(0, flat.shape[1], BLOCK):
        block = flat[:, start : start + BLOCK]
        bound = None if left_out is None else left_out.bound[start : start + BLOCK]
        nearest, places = _round_block(block, bits, dtype, bound)
        if left_out is not None and len(places) * FEW > block.shape[1]:
            return None
        for place in places:
            finer = [] if left_out is None else left_out.of(start + int(place))
            nearest[place] = _round_one([*finer, *block[:, place].tolist()], dtype)
        rounded.append(nearest)
    whole = rounded[0] if len(rounded) == 1 else np.concatenate(rounded)
    return whole.reshape(digits.shape[1:])


def round_all(digits: Array, bits: int, dtype: np.dtype[Any]) -> Array:
    """The same where nothing was left out."""
    rounded = round_sums(digits, bits, dtype)
    assert rounded is not None
    return rounded


def _round_block(
    digits: Array, bits: int, dtype: np.dtype[Any], bound: Array | None
) -> tuple[Array, Sequence[Any] | Array]:
    """Sums that fit into the cache, each rounded, and the places where that may be wrong."""
    errors = np.empty((len(digits) - 1, digits.shape[1]))
    total = digits[0]
    for error, digit in zip(errors, digits[1:], strict=True):
        below, total = total, digit + total
        # The digit is a multiple of the last bit of what lies below, so the error is exact.
        np.subtract(total, digit, out=error)
        np.subtract(below, error, out=error)
    low = np.add.reduce(errors, axis=0)
    # All errors together are about a unit of the coarsest digit, and multiples of the finest unit:
    if bound is None and len(errors) * bits < SIGNIFICAND:
        return round_pair(total, low, dtype), ()
    # Otherwise the additions just made have lost less than this.
    lost = np.maximum.reduce(np.abs(errors), axis=0, initial=0.0)
    lost *= len(digits) ** 2 * 2.0**-SIGNIFICAND
    if bound is not None:
        lost += bound
    most, least = round_pair(total, low + lost, dtype), round_pair(total, low - lost, dtype)
    with np.errstate(over="ignore"):
        is_open = most.astype(dtype, copy=False) != least.astype(dtype, copy=False)
    return most, np.flatnonzero(is_open)


def _round_one(digits: list[float], dtype: np.dtype[Any]) -> Any:
    """The sum of the digits, by exact addition."""
    nearest = math.fsum(digits)
    rest = 0.0 if dtype.itemsize >= 8 else math.fsum([*digits, -nearest])
    return to_odd(np.array(nearest), rest)


def round_pair(high: Array, low: Array, dtype: np.dtype[Any]) -> Array:
    """``high + low``, rounded once; for a dtype narrower than float64 rounded to odd."""
    nearest: Array = high + low
    nearest += 0.0  # a zero is +0
    if dtype.itemsize >= 8:
        return nearest
    error = nearest - high
    return to_odd(nearest, np.subtract(low, error, out=error))


def to_odd(nearest: Array, error: Any) -> Array:
    """Where rounding was inexact, the neighbour on the side of the error whose last bit is 1.

    In a format with two bits less, or fewer, that is no tie and on the right side of each, so
    rounding once more gives what rounding the exact value would have given. ``nearest`` is
    overwritten.
    """
    is_inexact = error != 0
    is_too_far = is_inexact & ((error < 0) != (nearest < 0))  # from zero
    bits = nearest.view(np.int64)
    bits -= is_too_far
    bits |= is_inexact
    return nearest

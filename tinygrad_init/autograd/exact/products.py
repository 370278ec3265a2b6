"""Sums and matrix products that are exact, rounded once at the very end.

The idea is *error-free splitting*. A ``float64`` holds integers up to 2**53 exactly. So if both
factors of a product are small integers, of so few bits that no sum of their products can pass
2**53, then the fastest product there is computes it without any rounding, in whatever order it
likes. Small multiples of a power of two, the *unit*, are as good as small integers, and any number
can be cut into slices that are such multiples, each slice with a finer unit than the one before.

A worked example, with units 1/4, 1/16, 1/64 ... To multiply the row ``[13/16, 3/16]`` with the
column ``[11/16, 1/16]``, round every number to quarters, and take the rest (which may be negative)
as a second slice:

    13/16 = 3/4 + 1/16        3/16 = 1/4 - 1/16        11/16 = 3/4 - 1/16        1/16 = 0/4 + 1/16

The first slices of the row are ``[3, 1]`` quarters, the second ``[1, -1]`` sixteenths; of the
column ``[3, 0]`` and ``[-1, 1]``. Their products are small integers, each of them exact:

    [3,  1] . [3, 0] = 9      worth 1/16        [3,  1] . [-1, 1] = -2     worth 1/64
    [1, -1] . [3, 0] = 3      worth 1/64        [1, -1] . [-1, 1] = -2     worth 1/256

Products of equal worth add up as integers; laid end to end, the slices are added in passing:
``[3, 1, 1, -1] . [-1, 1, 3, 0] = -2 + 3 = 1``. What comes out are the *digits* of the result,
9/16 + 1/64 - 2/256 = 146/256, which is 13/16 * 11/16 + 3/16 * 1/16. To round the sum of these few
numbers once:

1. Add the digits, the finest first, and keep the error of each addition: it is a floating-point
   number itself, and two subtractions find it.
2. Add the errors, then add that to the sum. With up to three digits only this last addition rounds.
   With more, adding the errors rounds too, but a bound on the loss proves nearly always that it
   does not matter: the sum less the bound and plus the bound round to the same number.
3. Where they do not, ``math.fsum`` adds the digits, which is exact but takes them one by one.

Cost, by ``python -m benchmarks.arithmetic`` on one thread of an AMD EPYC: 10 times BLAS for uniform
data of 512x512x512 (three slices), 18 times for rows that span 2**20 (four).

Sources: Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using
fast routines of matrix multiplication" (2012); Mukunoki et al., "DGEMM using tensor cores, and its
accurate and reproducible versions" (2020). Rounding to odd before a narrower rounding: Boldo and
Melquiond (2008). When the error of an addition is found by two subtractions: Boldo, Graillat and
Muller, "On the robustness of the 2Sum and Fast2Sum algorithms" (2017).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..axes import axes_of

Array = NDArray[Any]

SIGNIFICAND = 53  #: bits of a float64; integers below 2**53 are exact
#: How many slices a row may take: nearly always, and before Python's integers are quicker.
SLICES = (4, 16)
#: So many entries are rounded at once: what that needs on the way fits into a processor's cache.
BLOCK = 2**13
#: Rows whose largest entry lies within 2**-100 and 2**100 neither overflow nor underflow on the
#: way: 16 slices of 25 bits on either side leave every digit above 2**-1022.
MODERATE = 100


def matmul(a: ArrayLike, b: ArrayLike) -> Array:
    """``a @ b`` for the operands that ``np.matmul`` takes, exact and rounded once to nearest even.

    An exact zero is +0. It overflows only where the exact value does. nan, infinity times zero and
    opposing infinities give nan.

    >>> matmul([[1e16, 1.0, -1e16]], [[1.0], [1.0], [1.0]])
    array([[1.]])
    """
    a, b = np.asarray(a), np.asarray(b)
    dtype = np.result_type(a, b)
    if dtype.kind != "f":
        return np.matmul(a, b)  # integers do not round
    left = a[np.newaxis, :] if a.ndim == 1 else a
    right = b[:, np.newaxis] if b.ndim == 1 else b
    if 0 in (a.ndim, b.ndim) or left.shape[-1] != right.shape[-2]:
        return np.matmul(a, b)  # raises NumPy's error
    product = _product(
        left.astype(np.float64, copy=False), right.astype(np.float64, copy=False), dtype
    )
    if b.ndim == 1:
        product = product[..., 0]
    if a.ndim == 1:
        product = product[..., 0] if b.ndim == 1 else product[..., 0, :]
    return product


def sum(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> Array:
    """The sum over ``axis``, exact and rounded once.

    >>> terms = [1e16, 1.0, -1e16]
    >>> float(sum(terms)), float(np.sum(terms))
    (1.0, 0.0)
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))
    axes = axes_of(axis, x.ndim)
    total = _moderate_sum(x.astype(np.float64, copy=False), axes, x.dtype.newbyteorder("="))
    if total is None:  # a product with a column of ones takes all numbers
        kept = [index for index in range(x.ndim) if index not in axes]
        shape = [x.shape[index] for index in kept]
        length = math.prod(x.shape[index] for index in axes)
        rows = np.transpose(x, (*kept, *axes)).reshape(math.prod(shape), length)
        total = matmul(rows, np.ones((length, 1), x.dtype)).reshape(shape)
    return np.expand_dims(total, axes) if keepdims else total


def cumsum(x: ArrayLike, axis: int | None = None) -> Array:
    """All the sums of the first entries along ``axis``, each exact: a product with a triangle."""
    x = np.asarray(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    is_finite = np.isfinite(x)
    if not is_finite.all():  # what is not finite reaches the sums behind it alone
        with np.errstate(invalid="ignore"):
            special = np.cumsum(np.where(is_finite, 0, x), axis=axis)
        return np.where(np.isfinite(special), cumsum(np.where(is_finite, x, 0), axis), special)
    last = np.moveaxis(x, axis, -1)
    n = last.shape[-1]
    return np.moveaxis(matmul(last, np.triu(np.ones((n, n), x.dtype))), -1, axis)


def scatter(g: ArrayLike, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``g`` added at ``index``; what meets is summed exactly."""
    g = np.asarray(g)
    into = np.zeros(shape, g.dtype)
    places = np.arange(into.size).reshape(shape)[index].ravel()
    targets, which, counts = np.unique(places, return_inverse=True, return_counts=True)
    if len(targets) == len(places):
        into[index] = g + 0.0  # a sum that is zero is +0
        return into
    # One row per target, padded with zeros, which change no sum.
    order = np.argsort(which, kind="stable")
    column = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.zeros((len(targets), int(counts.max())), g.dtype)
    rows[which[order], column] = np.broadcast_to(g, np.shape(into[index])).ravel()[order]
    into.reshape(-1)[targets] = sum(rows, axis=1)
    return into


# The way for rows of moderate size: slices, digits, one rounding.


def _product(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    """The exact product of two float64 matrices (or stacks of them), rounded to ``dtype``."""
    if not (a.size and b.size):
        return np.zeros(np.matmul(a, b).shape, dtype)
    exponent_a, exponent_b = _exponents(a, (-1,)), _exponents(b, (-2,))
    if exponent_a is None or exponent_b is None:
        return _product_of_any_size(a, b, dtype)
    rounded = _moderate_product(a, b, exponent_a, exponent_b, dtype)
    return _by_integers(a, b, dtype) if rounded is None else rounded.astype(dtype, copy=False)


def _moderate_product(
    a: Array, b: Array, exponent_a: Array, exponent_b: Array, dtype: np.dtype[Any]
) -> Array | None:
    """The product as :func:`_round` leaves it; None where the slices would be too many.

    The numbers of a slice are within ``2**(bits - 1)`` units, and a digit adds ``terms * limit``
    products of two of them at the most. That it stays within 2**53 decides about the bits.
    """
    for limit in SLICES:
        bits = (SIGNIFICAND + 2 - _ceil_log2(a.shape[-1] * limit)) // 2
        left = _split(a, exponent_a, bits, limit)
        right = None if left is None else _split(b, exponent_b, bits, limit)
        if left is not None and right is not None:
            return _round(_digits(left, right), bits, dtype)
    return None


def _moderate_sum(x: Array, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
    """The sum over ``axes``; None without terms, or if a row is extreme or the slices too many."""
    exponent = _exponents(x, axes) if x.size else None
    if exponent is None:
        return None
    bits = min(SIGNIFICAND + 1 - _ceil_log2(x.size // exponent.size), SIGNIFICAND - 1)
    slices = _split(x, exponent, bits, SLICES[0])
    if slices is None:
        return None
    digits = np.add.reduce(slices, axis=tuple(axis + 1 for axis in axes))
    return _round(digits, bits, dtype).astype(dtype, copy=False)


def _exponents(x: Array, axes: tuple[int, ...]) -> Array | None:
    """The exponent of the power of two above each row (along ``axes``, which are kept).

    None if the largest entry of a row is not of moderate size.
    """
    largest = np.maximum.reduce(np.abs(x), axis=axes, keepdims=True)
    exponent = np.asarray(np.frexp(largest)[1])
    is_moderate = largest.max() < 2.0**MODERATE and exponent.min() > -MODERATE  # not so for nan
    return exponent if is_moderate else None


def _ceil_log2(n: int) -> int:
    return (n - 1).bit_length()


def _split(x: Array, exponent: Array, bits: int, limit: int) -> Array | None:
    """Slices that add up to ``x`` exactly, the finest first; None if ``limit`` do not suffice.

    The unit of the coarsest is ``2**(exponent + 1 - bits)``, and each further one is smaller by
    ``2**bits``. So all slices are within ``2**(bits - 1)`` of their units.
    """
    # The floats around 1.5 * 2**52 units lie one unit apart, so adding that number rounds to a
    # multiple of the unit, and taking it away again is exact.
    anchor = np.ldexp(1.5, exponent + (SIGNIFICAND - bits))
    slices = np.empty((limit, *x.shape))
    rest = x.copy()
    for place in range(limit - 1, -1, -1):
        piece = np.add(rest, anchor, out=slices[place, ...])
        piece -= anchor
        rest -= piece
        if not rest.any():
            return slices[place:]
        anchor *= 2.0**-bits
    return None


def _digits(left: Array, right: Array) -> Array:
    """The digits of the product, the finest first.

    Count the slices from 0, the coarsest. All pairs whose numbers add up to ``d`` have products of
    equal worth. With the left slices side by side and the right ones, in reverse order, one above
    the other, they are a part of the one and a part of the other, and one product adds them up.
    """
    p, q, terms = len(left), len(right), left.shape[-1]
    row = np.concatenate(left[::-1], axis=-1)
    column = np.concatenate(right, axis=-2)
    batch = np.broadcast_shapes(row.shape[:-2], column.shape[:-2])
    digits = np.empty((p + q - 1, *batch, row.shape[-2], column.shape[-1]))
    for d in range(p + q - 1):
        first, last = max(0, d - q + 1), min(d, p - 1)
        in_row = slice(first * terms, (last + 1) * terms)
        in_column = slice((q - 1 - d + first) * terms, (q - d + last) * terms)
        np.matmul(row[..., in_row], column[..., in_column, :], out=digits[-1 - d])
    return digits


def _round(digits: Array, bits: int, dtype: np.dtype[Any]) -> Array:
    """The sum of the digits, rounded once to ``dtype``.

    Each digit is a multiple of a unit of its own and within 2**53 of it; the next finer unit is
    smaller by ``2**bits``. What comes back is float64; for a narrower dtype it is rounded to odd,
    so that one more rounding gives the right result.
    """
    flat = digits.reshape(len(digits), -1)
    blocks = range(0, flat.shape[1], BLOCK)
    rounded = [_round_block(flat[:, start:start + BLOCK], bits, dtype) for start in blocks]
    whole = rounded[0] if len(rounded) == 1 else np.concatenate(rounded)
    return whole.reshape(digits.shape[1:])


def _round_block(digits: Array, bits: int, dtype: np.dtype[Any]) -> Array:
    """The same for so many sums, shape (digits, sums), that all arrays fit into the cache."""
    errors = np.empty((len(digits) - 1, digits.shape[1]))
    total = digits[0]
    for error, digit in zip(errors, digits[1:], strict=True):
        below, total = total, digit + total
        # The digit is a multiple of the last bit of what lies below, so the error is exact.
        np.subtract(total, digit, out=error)
        np.subtract(below, error, out=error)
    low = np.add.reduce(errors, axis=0)
    # All errors together are about a unit of the coarsest digit, and multiples of the finest unit:
    if len(errors) * bits < SIGNIFICAND:
        return _round_pair(total, low, dtype)
    # Otherwise the additions just made have lost less than this.
    lost = np.maximum.reduce(np.abs(errors), axis=0) * (len(digits) ** 2 * 2.0**-SIGNIFICAND)
    rounded = _round_pair(total, low + lost, dtype)
    is_open = rounded != _round_pair(total, low - lost, dtype)
    for place in np.flatnonzero(is_open):
        terms = digits[:, place].tolist()
        nearest = math.fsum(terms)
        rest = 0.0 if dtype.itemsize >= 8 else math.fsum([*terms, -nearest])
        rounded[place] = _to_odd(np.float64(nearest), rest)
    return rounded


def _round_pair(high: Array, low: Array, dtype: np.dtype[Any]) -> Array:
    """``high + low``, rounded once; for a dtype narrower than float64 rounded to odd."""
    nearest: Array = high + low
    nearest += 0.0  # a zero is +0
    return nearest if dtype.itemsize >= 8 else _to_odd(nearest, low - (nearest - high))


def _to_odd(nearest: Any, error: Any) -> Array:
    """Where rounding was inexact, the neighbour on the side of the error whose last bit is 1.

    In a format with two bits less, or fewer, that is no tie and on the right side of each, so
    rounding once more gives what rounding the exact value would have given.
    """
    is_inexact = error != 0
    is_too_far = is_inexact & ((error < 0) != (nearest < 0))  # from zero
    bits: Array = nearest.view(np.int64)
    return ((bits - is_too_far) | is_inexact).view(np.float64)


# The ways for all other numbers, which are slower.


def _product_of_any_size(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    """Rows scaled to moderate size, and the result scaled back; what is not finite stands apart."""
    is_finite_a, is_finite_b = np.isfinite(a), np.isfinite(b)
    if not (is_finite_a.all() and is_finite_b.all()):
        # Terms with nan or infinity decide the entries that they reach. Signs stand in for the
        # finite numbers there, because a finite product might overflow to an infinity of its own.
        signs = (np.where(is_finite_a, np.sign(a), a), np.where(is_finite_b, np.sign(b), b))
        with np.errstate(invalid="ignore"):
            special = np.einsum("...ik,...kj->...ij", *signs)
        finite = _product(np.where(is_finite_a, a, 0), np.where(is_finite_b, b, 0), dtype)
        return np.where(np.isfinite(special), finite, special).astype(dtype)
    scaled_a, shift_a = _scale(a, -1)
    scaled_b, shift_b = _scale(b, -2)
    if (np.ldexp(scaled_a, shift_a) == a).all() and (np.ldexp(scaled_b, shift_b) == b).all():
        exponents = np.zeros_like(shift_a), np.zeros_like(shift_b)
        rounded = _moderate_product(scaled_a, scaled_b, *exponents, dtype)
        if rounded is not None:
            shift = shift_a + shift_b
            order = np.frexp(rounded)[1] + shift
            # Among the subnormal numbers ldexp rounds once more; what lies below them is 0.
            is_subnormal = (rounded != 0) & (order < -1020) & (order > -1076)
            if dtype.itemsize < 8 or not is_subnormal.any():
                return np.ldexp(rounded, shift).astype(dtype, copy=False)
    return _by_integers(a, b, dtype)


def _scale(x: Array, axis: int) -> tuple[Array, Array]:
    """Rows with a largest entry between 1/2 and 1, and the exponents that this took away."""
    _, shift = np.frexp(np.abs(x).max(axis=axis, keepdims=True))
    return np.ldexp(x, -shift), shift


def _by_integers(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    """The product by Python's integers, which have any number of bits."""
    left, left_exponent = _as_python_integers(a)
    right, right_exponent = _as_python_integers(b)
    whole = np.asarray(np.matmul(left, right))
    shift = left_exponent + right_exponent
    rounded = np.frompyfunc(lambda number: _nearest_float(number, shift, dtype), 1, 1)(whole)
    return np.asarray(rounded, dtype=np.float64).astype(dtype, copy=False)


def _as_python_integers(x: Array) -> tuple[Array, int]:
    """``x == integers * 2**exponent``, exactly."""
    fraction, exponent = np.frexp(x)
    lowest = int(exponent[x != 0].min(initial=0))
    whole = np.ldexp(fraction, SIGNIFICAND).astype(np.int64).astype(object)
    shift = np.where(x != 0, exponent - lowest, 0).astype(object)
    return whole << shift, lowest - SIGNIFICAND


def _nearest_float(whole: int, shift: int, dtype: np.dtype[Any]) -> float:
    """``whole * 2**shift``, rounded to nearest even (as Python's integer division does).

    For a dtype narrower than float64 rounded to odd, as in :func:`_to_odd`.
    """
    excess = whole.bit_length() - SIGNIFICAND
    if dtype.itemsize < 8 and excess > 0:
        is_inexact = whole & ((1 << excess) - 1) != 0
        whole, shift = (whole >> excess) | is_inexact, shift + excess
    try:
        return float(whole << shift) if shift >= 0 else whole / (1 << -shift)
    except OverflowError:
        return math.inf if whole > 0 else -math.inf

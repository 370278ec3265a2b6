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
9/16 + 1/64 - 2/256 = 146/256, which is 13/16 * 11/16 + 3/16 * 1/16. The module :mod:`digits` makes
them, and :mod:`rounding` rounds the sum of these few numbers once.

Cost, by ``python -m benchmarks --section arithmetic`` on one thread of an AMD EPYC: 9 times BLAS
for uniform data of 512x512x512 (three slices), 11 times for rows that span 2**20 (four).

Sources: Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using
fast routines of matrix multiplication" (2012); Mukunoki et al., "DGEMM using tensor cores, and its
accurate and reproducible versions" (2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..axes import axes_of
from .digits import Digits, ceil_log2
from .rounding import SIGNIFICAND, round_all
from .scratch import LINE, Scratch

Array = NDArray[Any]

#: How many slices a row may take: nearly always, and before Python's integers are quicker.
SLICES = (4, 16)
#: So many entries are summed at once: their slices fit into a processor's cache.
PART = 2**15
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
    if not axes:
        return np.asarray(x + 0.0)  # a sum that is zero is +0
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
    scale_a, scale_b = _scales(a, (-1,)), _scales(b, (-2,))
    if scale_a is None or scale_b is None:
        return _product_of_any_size(a, b, dtype)
    rounded = _moderate_product(a, b, scale_a, scale_b, dtype)
    return _by_integers(a, b, dtype) if rounded is None else rounded.astype(dtype, copy=False)


def _moderate_product(
    a: Array, b: Array, scale_a: Array, scale_b: Array, dtype: np.dtype[Any]
) -> Array | None:
    """The product as :func:`round_sums` leaves it; None where the slices would be too many.

    The numbers of a slice are within ``2**(bits - 1)`` units, and a digit adds ``terms * limit``
    products of two of them at the most. That it stays within 2**53 decides about the bits.
    """
    terms = a.shape[-1]
    for limit in SLICES:
        bits = (SIGNIFICAND + 2 - ceil_log2(terms * limit)) // 2
        with Scratch() as scratch:
            # With a gap: rows that are a power of two apart would share a few lines of the cache.
            row = scratch.empty(*a.shape[:-1], limit * terms + LINE)
            left = [row[..., s * terms : (s + 1) * terms] for s in range(limit)]
            column = scratch.empty(*b.shape[:-2], limit * terms, b.shape[-1])
            right = [column[..., s * terms : (s + 1) * terms, :] for s in reversed(range(limit))]
            p = _split(a, scale_a, bits, left, scratch)
            q = p and _split(b, scale_b, bits, right, scratch)
            if p and q:
                row, column = row[..., : p * terms], column[..., -q * terms :, :]
                return Digits(row, column, terms, bits, scratch).rounded(scale_a, scale_b, dtype)
    return None


def _moderate_sum(x: Array, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
    """The sum over ``axes``; None without terms, or if a row is extreme or the slices too many."""
    scale = _scales(x, axes) if x.size else None
    if scale is None:
        return None
    bits = min(SIGNIFICAND + 1 - ceil_log2(x.size // scale.size), SIGNIFICAND - 1)
    digits = _digits_of_sum(x, scale, bits, axes)
    return None if digits is None else round_all(digits, bits, dtype).astype(dtype, copy=False)


def _digits_of_sum(x: Array, scale: Array, bits: int, axes: tuple[int, ...]) -> Array | None:
    """The slices, each added up, the finest first; None if they are too many."""
    rows = max(1, PART * len(x) // x.size)
    if len(x) > rows:  # one part after the other, so that the slices stay in the cache
        kept = [length for axis, length in enumerate(x.shape) if axis not in axes]
        digits, most = np.zeros((SLICES[0], *kept)), 0
        for start in range(0, len(x), rows):
            here = slice(start, start + rows)
            part = _digits_of_sum(x[here], scale if 0 in axes else scale[here], bits, axes)
            if part is None:
                return None
            digits[-len(part) :, ... if 0 in axes else here] += part
            most = max(most, len(part))
        return digits[-most:]
    with Scratch() as scratch:
        slices = scratch.empty(SLICES[0], *x.shape)
        count = _split(x, scale, bits, [slices[-1 - s] for s in range(SLICES[0])], scratch)
        if not count:
            return None
        return np.asarray(np.add.reduce(slices[-count:], axis=tuple(axis + 1 for axis in axes)))


def _scales(x: Array, axes: tuple[int, ...]) -> Array | None:
    """The power of two above each row (along ``axes``, which are kept), or 0 for a row of zeros.

    None if the largest entry of a row is not of moderate size.
    """
    largest = np.maximum.reduce(np.abs(x), axis=axes, keepdims=True)
    fraction, exponent = np.frexp(largest)
    is_moderate = (  # not so for nan
        np.maximum.reduce(largest, axis=None) < 2.0**MODERATE
        and np.minimum.reduce(exponent, axis=None) > -MODERATE
    )
    return np.asarray(np.ldexp(np.sign(fraction), exponent)) if is_moderate else None


def _split(
    x: Array, scale: Array, bits: int, into: Sequence[Array], scratch: Scratch
) -> int:
    """Slices that add up to ``x`` exactly, the coarsest in ``into[0]``, the next in ``into[1]``.

    The result is how many there are; 0 if ``into`` has too few places. The unit of the coarsest
    is ``2**(1 - bits)`` of the row's scale, and each further one is smaller by ``2**bits``. So all
    slices are within ``2**(bits - 1)`` of their units.
    """
    # The floats around 1.5 * 2**52 units lie one unit apart, so adding that number rounds to a
    # multiple of the unit, and taking it away again is exact.
    anchor = scale * (1.5 * 2.0 ** (SIGNIFICAND - bits))
    rest, left_over = x, scratch.empty(*x.shape)
    for count, piece in enumerate(into, 1):
        np.add(rest, anchor, out=piece)
        np.subtract(piece, anchor, out=piece)
        rest = np.subtract(rest, piece, out=left_over)
        if not np.count_nonzero(rest):
            return count
        anchor *= 2.0**-bits
    return 0


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
        scales = np.ones(shift_a.shape), np.ones(shift_b.shape)
        rounded = _moderate_product(scaled_a, scaled_b, *scales, dtype)
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

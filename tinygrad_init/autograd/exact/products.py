"""Sums and matrix products that are exact, rounded once at the very end.

The idea is *error-free splitting*. A ``float64`` holds integers up to 2**53 exactly. So if both
factors of a product are small integers, of so few bits that no sum of their products can pass
2**53, then the fastest product there is computes it without any rounding, in whatever order it
likes. Numbers that are not small integers are cut into slices that are.

A worked example, with slices of 2 bits and room for 6. To multiply the row ``[13/16, 3/16]`` with
the column ``[11/16, 1/16]``, write every number in slices, each worth a quarter of the one before
(slices are rounded to nearest, so they may be negative):

    13/16 = 3/4 + 1/16        3/16 = 1/4 - 1/16        11/16 = 3/4 - 1/16        1/16 = 0/4 + 1/16

The first slices of the row are ``[3, 1]``, the second ``[1, -1]``; of the column ``[3, 0]`` and
``[-1, 1]``. Their products are small integers, each of them exact:

    [3,  1] . [3, 0] = 9      worth 1/16        [3,  1] . [-1, 1] = -2     worth 1/64
    [1, -1] . [3, 0] = 3      worth 1/64        [1, -1] . [-1, 1] = -2     worth 1/256

and 9/16 + (-2 + 3)/64 - 2/256 = 146/256, which is 13/16 * 11/16 + 3/16 * 1/16. Products of equal
worth are added as integers; what comes out is a long integer in base 4, and rounding it to the
result's dtype is the only rounding there is.

Sources: Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using
fast routines of matrix multiplication" (2012); Mukunoki et al., "DGEMM using tensor cores, and its
accurate and reproducible versions" (2020). Rounding to odd before a narrower rounding: Boldo and
Melquiond (2008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

SIGNIFICAND = 53  #: bits of a float64; integers below 2**53 are exact
#: Binary orders within one row beyond which Python's integers take over. They round to float64
#: first, which is right only because no row of float32 (277 orders and 24 bits) comes there.
WIDEST_SPAN = 400


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
    product = _product(left.astype(np.float64), right.astype(np.float64), dtype)
    if b.ndim == 1:
        product = product[..., 0]
    if a.ndim == 1:
        product = product[..., 0] if b.ndim == 1 else product[..., 0, :]
    return product


def sum(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> Array:
    """The sum over ``axis``, exact and rounded once: the product with a column of ones.

    >>> terms = [1e16, 1.0, -1e16]
    >>> float(sum(terms)), float(np.sum(terms))
    (1.0, 0.0)
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))
    reduced = axes_of(axis, x.ndim)
    kept = [index for index in range(x.ndim) if index not in reduced]
    length = math.prod(x.shape[index] for index in reduced)
    count = math.prod(x.shape[index] for index in kept)
    rows = np.transpose(x, (*kept, *reduced)).reshape(count, length)
    total = matmul(rows, np.ones((length, 1), x.dtype))
    shape = [x.shape[i] if i in kept else 1 for i in range(x.ndim) if keepdims or i in kept]
    return total.reshape(shape)


def cumsum(x: ArrayLike, axis: int | None = None) -> Array:
    """All the sums of the first entries along ``axis``, each exact: a product with a triangle."""
    x = np.asarray(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    last = np.moveaxis(x, axis, -1)
    n = last.shape[-1]
    return np.moveaxis(matmul(last, np.triu(np.ones((n, n), x.dtype))), -1, axis)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that ``axis`` means, none of them negative; a number has, as in NumPy, an axis 0."""
    axes = normalize_axis_tuple(range(ndim) if axis is None else axis, max(ndim, 1))
    return axes if ndim else ()


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


# The product of two float64 matrices (or stacks of them), step by step.


def _product(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    """The exact product, rounded to ``dtype``."""
    finite_a, finite_b = np.isfinite(a), np.isfinite(b)
    if finite_a.all() and finite_b.all():
        return _finite_product(a, b, dtype)
    # Terms with nan or infinity decide the entries that they reach. Signs stand in for the finite
    # numbers there, because a finite product might overflow to an infinity of its own.
    signs = (np.where(finite_a, np.sign(a), a), np.where(finite_b, np.sign(b), b))
    with np.errstate(invalid="ignore"):
        special = np.einsum("...ik,...kj->...ij", *signs)
    finite = _finite_product(np.where(finite_a, a, 0), np.where(finite_b, b, 0), dtype)
    return np.where(np.isfinite(special), finite, special).astype(dtype)


def _finite_product(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    terms = a.shape[-1]
    if not (a.size and b.size):
        return np.zeros(np.matmul(a, b).shape, dtype)
    if max(_span(a, -1), _span(b, -2)) > WIDEST_SPAN:
        return _by_integers(a, b).astype(dtype)
    bits = (SIGNIFICAND - math.ceil(math.log2(terms))) // 2 if terms > 1 else SIGNIFICAND // 2
    left, left_exponent = _split(a, -1, bits)
    right, right_exponent = _split(b, -2, bits)
    digits = _multiply_slices(left, right)
    return _round(digits, bits, left_exponent + right_exponent - 2 * bits, dtype)


def _span(x: Array, axis: int) -> int:
    """Over how many binary orders the bits of one row (along ``axis``) reach, at the most."""
    magnitude = np.abs(x)
    largest = magnitude.max(axis=axis)
    smallest = np.where(magnitude > 0, magnitude, np.inf).min(axis=axis)
    smallest = np.where(largest > 0, smallest, largest)
    orders = np.frexp(largest)[1] - np.frexp(smallest)[1]
    return int(orders.max()) + SIGNIFICAND


def _split(x: Array, axis: int, bits: int) -> tuple[list[Array], Array]:
    """Slices of integers, none above 2**bits, and the exponent of each row.

    ``x == sum(slices[s] * 2.0 ** (exponent - (s + 1) * bits))``, exactly.
    """
    _, exponent = np.frexp(np.abs(x).max(axis=axis, keepdims=True))
    rest = np.ldexp(x, bits - exponent)
    slices = []
    while True:
        whole = np.rint(rest)
        slices.append(whole)
        rest = rest - whole
        if not rest.any():
            return slices, exponent
        rest = rest * 2.0**bits


def _multiply_slices(left: list[Array], right: list[Array]) -> Array:
    """All slices of the left times all of the right; products of equal worth added as integers.

    One product of stacked slices is quicker than many small ones. Entry ``[d]`` of the result
    belongs to the pairs of slices whose numbers add up to ``d``.
    """
    products = np.matmul(np.concatenate(left, axis=-2), np.concatenate(right, axis=-1))
    *batch, rows, columns = products.shape
    n, m = rows // len(left), columns // len(right)
    whole = products.astype(np.int64).reshape(*batch, len(left), n, len(right), m)
    by_slice = np.moveaxis(whole, (-4, -2), (0, 1))
    digits = np.zeros((len(left) + len(right) - 1, *batch, n, m), np.int64)
    for s in range(len(left)):
        digits[s : s + len(right)] += by_slice[s]
    return digits


def _round(digits: Array, bits: int, exponent: Array, dtype: np.dtype[Any]) -> Array:
    """``sum(digits[d] * 2.0 ** (exponent - d * bits))``, rounded once to ``dtype``."""
    shape = digits.shape[1:]
    # All entries of a row are below 2**bits before they are cut, so a whole product is below
    # terms * 2**(2 * bits) <= 2**53 in units of the first digit: so many digits hold it and a sign.
    head = -(-(SIGNIFICAND + 2) // bits) - 1
    width = -(-(SIGNIFICAND + 1) // bits) + 1
    length = head + len(digits)
    padded = np.zeros((length + width, math.prod(shape)), np.int64)
    padded[head:length] = digits.reshape(len(digits), -1)
    exponent = np.broadcast_to(exponent, shape).ravel() + head * bits
    _carry(padded[:length], bits)
    is_negative = padded[0] < 0
    np.negative(padded, out=padded, where=is_negative)
    _carry(padded[:length], bits)

    # A window that starts at the first nonzero digit and holds two bits more than any result: all
    # that lies behind it can only break a tie, so one "sticky" bit stands for it.
    first = (padded[:length] != 0).argmax(axis=0)
    start = first * padded.shape[1] + np.arange(padded.shape[1])
    window = [padded.take(start + place * padded.shape[1]) for place in range(width)]
    in_head = SIGNIFICAND // bits
    leading, trailing = _as_integer(window[:in_head], bits), _as_integer(window[in_head:], bits)
    last_nonzero = length - 1 - (padded[length - 1 :: -1] != 0).argmax(axis=0)
    trailing |= (leading > 0) & (last_nonzero >= first + width)

    # Both parts are exact as floats, so this addition is where the one rounding happens.
    high, low = np.ldexp(leading.astype(float), (width - in_head) * bits), trailing.astype(float)
    nearest = high + low
    if dtype != np.float64:
        nearest = _to_odd(nearest, low - (nearest - high))
    scale = exponent - (first + width - 1) * bits
    result = np.ldexp(nearest, scale.astype(np.intc))
    if dtype == np.float64:  # where ldexp meets a subnormal number it would round once more
        is_subnormal = (nearest > 0) & (np.frexp(nearest)[1] + scale < -1020)
        for place in np.flatnonzero(is_subnormal):
            whole = _as_integer([int(digit) for digit in padded[:length, place]], bits)
            result[place] = _nearest_float(whole, int(exponent[place]) - (length - 1) * bits)
    return np.where(is_negative, -result, result).astype(dtype).reshape(shape)


def _carry(digits: Array, bits: int) -> None:
    """Bring all digits but the first into [0, 2**bits), in place."""
    for d in range(len(digits) - 1, 0, -1):
        digits[d - 1] += digits[d] >> bits
        digits[d] &= (1 << bits) - 1


def _as_integer(digits: list[Any], bits: int) -> Any:
    """Digits, most significant first, as one integer."""
    whole = digits[0]
    for digit in digits[1:]:
        whole = (whole << bits) | digit
    return whole


def _to_odd(nearest: Array, error: Array) -> Array:
    """Where rounding was inexact, the neighbour whose last bit is odd.

    In a format with two bits less, or fewer, that is no tie and on the right side of each, so
    rounding once more gives what rounding the exact value would have given.
    """
    is_even = (nearest.view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, 0.0)  # all numbers here are positive
    return np.where(is_even & (error != 0), np.nextafter(nearest, towards), nearest)


# The slow way, for rows whose entries lie hundreds of binary orders apart: Python's integers.


def _by_integers(a: Array, b: Array) -> Array:
    left, left_exponent = _as_python_integers(a)
    right, right_exponent = _as_python_integers(b)
    whole = np.asarray(np.matmul(left, right))
    shift = left_exponent + right_exponent
    rounded = np.frompyfunc(lambda number: _nearest_float(number, shift), 1, 1)(whole)
    return np.asarray(rounded, dtype=np.float64)


def _as_python_integers(x: Array) -> tuple[Array, int]:
    """``x == integers * 2**exponent``, exactly."""
    fraction, exponent = np.frexp(x)
    lowest = int(exponent[x != 0].min(initial=0))
    whole = np.ldexp(fraction, SIGNIFICAND).astype(np.int64).astype(object)
    shift = np.where(x != 0, exponent - lowest, 0).astype(object)
    return whole << shift, lowest - SIGNIFICAND


def _nearest_float(whole: int, shift: int) -> float:
    """``whole * 2**shift``, rounded to nearest even (as Python's integer division does)."""
    try:
        return float(whole << shift) if shift >= 0 else whole / (1 << -shift)
    except OverflowError:
        return math.inf if whole > 0 else -math.inf

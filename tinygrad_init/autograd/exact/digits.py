"""The digits of a matrix product: exact sums of products of slices.

:mod:`products` tells what slices and digits are. Those far below the last bit of the result hardly
ever decide how it is rounded, and are left out at first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rounding import SIGNIFICAND, LeftOut, round_all, round_sums
from .scratch import Scratch

Array = NDArray[Any]

#: For each entry so many products of numbers must be saved, or else no digit is left out.
WORTH = 64


class Digits:
    """The digits of a product, of which the finest are seldom looked at.

    Count the slices from 0, the coarsest. All pairs whose numbers add up to ``d`` have products of
    equal worth: together they are digit ``d``. With the left slices side by side, the coarsest
    first, and the right ones one above the other, the finest first, they are a part of the one and
    a part of the other, and one product adds them up.
    """

    def __init__(
        self, row: Array, column: Array, terms: int, bits: int, scratch: Scratch
    ) -> None:
        self.row, self.column, self.terms, self.bits = row, column, terms, bits
        self.p, self.q = row.shape[-1] // terms, column.shape[-2] // terms
        self.scratch, self.count = scratch, self.p + self.q - 1
        stacks = row.shape[:-2], column.shape[:-2]
        batch = np.broadcast_shapes(*stacks) if any(stacks) else ()
        self.shape = (*batch, row.shape[-2], column.shape[-1])
        self.made = scratch.empty(self.count, *self.shape)  #: the finest first

    def rounded(self, scale_a: Array, scale_b: Array, dtype: np.dtype[Any]) -> Array:
        """The product, as :func:`round_sums` leaves it."""
        first = self._enough(dtype)
        left_out = range(first, self.count)
        self._make(range(min(first, self.count)))
        if left_out:
            # Slice s is within 2**(-bits * s) of its row's scale, or the scale itself.
            most = math.fsum(self._pairs(d) * 2.0 ** (-self.bits * d) for d in left_out)
            bound = self.scratch.empty(*self.shape)
            np.multiply(1.01 * self.terms * most * scale_a, scale_b, out=bound)
            of = partial(self._of_one, left_out)
            rounded = round_sums(
                self.made[-first:], self.bits, dtype, LeftOut(bound.reshape(-1), of)
            )
            if rounded is not None:
                return rounded
            self._make(left_out)
        return round_all(self.made, self.bits, dtype)

    def _make(self, numbers: range) -> None:
        """Compute these digits."""
        for d in numbers:
            left, right = self._parts(d)
            np.matmul(self.row[..., left], self.column[..., right, :], out=self.made[-1 - d])

    def _of_one(self, numbers: range, place: int) -> list[float]:
        """These digits of one entry alone."""
        *stack, i, j = np.unravel_index(place, self.shape)
        row, column = _of_stack(self.row, stack)[i], _of_stack(self.column, stack)[:, j]
        return [float(row[left] @ column[right]) for left, right in map(self._parts, numbers)]

    def _parts(self, d: int) -> tuple[slice, slice]:
        """Where the factors of digit ``d`` are: in the row, and in the column."""
        first, last = max(0, d - self.q + 1), min(d, self.p - 1)
        left = slice(first * self.terms, (last + 1) * self.terms)
        return left, slice((self.q - 1 - d + first) * self.terms, (self.q - d + last) * self.terms)

    def _pairs(self, d: int) -> int:
        """Of how many products of slices digit ``d`` consists."""
        return min(d, self.p - 1) - max(0, d - self.q + 1) + 1

    def _enough(self, dtype: np.dtype[Any]) -> int:
        """How many digits decide nearly all entries.

        A last bit of the result is worth about ``sqrt(terms) * 2**-precision``, and what is left
        out comes to about ``terms * 2**(-bits * digits)``, times a few. The spare bits see to it
        that the entries that this leaves open cost less than what is saved. Where that is little,
        it is not worth the bound.
        """
        precision = min(np.finfo(dtype).nmant + 1, SIGNIFICAND)
        first = -(-(precision + 26 - ceil_log2(self.terms) // 2) // self.bits)
        saved = math.fsum(map(self._pairs, range(first, self.count)))
        return first if saved * self.terms >= WORTH else self.count


def _of_stack(matrices: Array, place: Sequence[Any]) -> Array:
    """The matrix at that place of a stack whose axes may have been broadcast."""
    own = matrices.shape[:-2]
    index = zip(own, place[len(place) - len(own) :], strict=True)
    return matrices[tuple(0 if length == 1 else i for length, i in index)]


def ceil_log2(n: int) -> int:
    """The exponent of the smallest power of two that is not below ``n``."""
    return (n - 1).bit_length()

"""Memory for arrays that are needed for a moment.

Slices and digits are several times as large as the operands. An allocator gives so much back to the
system after every product, and asks for it again at the next: then the system clears and maps every
page anew, which takes as long as the arithmetic of a product of 64x64 matrices. So one piece of
memory is kept, from which such arrays are cut.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

KEPT = 2**20  #: numbers; what is larger has enough to do besides
LINE = 8  #: float64 numbers in a line of the cache, with which every array begins

#: Pieces that nobody uses. Taking from the end of a list and giving back to it is safe in threads:
#: there is one piece for each thread that was at it at the same time.
_free: list[Array] = []


class Scratch:
    """A block in which arrays are taken from the piece; nothing of them may be used after it.

    >>> with Scratch() as scratch:
    ...     a, b = scratch.empty(2, 3), scratch.empty(4)
    >>> a.shape, b.shape, np.shares_memory(a, b)
    ((2, 3), (4,), False)
    """

    def __enter__(self) -> Self:
        self._piece = _free.pop() if _free else np.empty(KEPT)
        self._used = 0
        return self

    def __exit__(self, *exception: object) -> None:
        _free.append(self._piece)

    def empty(self, *shape: int) -> Array:
        """Float64 numbers of any value, in C order."""
        size = math.prod(shape)
        start, self._used = self._used, self._used + -(-size // LINE) * LINE
        if self._used > KEPT:
            self._used = start
            return np.empty(shape)
        return self._piece[start : start + size].reshape(shape)

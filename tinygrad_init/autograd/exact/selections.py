"""The larger and the smaller of numbers, with one kind of zero.

``np.maximum(-0.0, 0.0)`` may be either zero, as the processor likes it. Adding 0 makes it +0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def maximum(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    """The larger of each pair.

    >>> float(maximum(-0.0, -0.0))
    0.0
    """
    return np.maximum(a, b) + 0


def minimum(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    """The smaller of each pair."""
    return np.minimum(a, b) + 0


def max(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> NDArray[Any]:
    """The largest along ``axis``."""
    return np.asarray(np.max(x, axis=axis, keepdims=keepdims)) + 0

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
    return _with_one_zero(np.maximum(a, b))


def minimum(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    """The smaller of each pair."""
    return _with_one_zero(np.minimum(a, b))


def max(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> NDArray[Any]:
    """The largest along ``axis``."""
    return _with_one_zero(np.max(x, axis=axis, keepdims=keepdims))


def min(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> NDArray[Any]:
    """The smallest along ``axis``."""
    return _with_one_zero(np.min(x, axis=axis, keepdims=keepdims))


def _with_one_zero(x: Any) -> NDArray[Any]:
    return np.asarray(x + x.dtype.type(0))


def clip(a: ArrayLike, a_min: Any, a_max: Any) -> NDArray[Any]:
    """``a`` held between two bounds."""
    return _with_one_zero(np.clip(a, a_min, a_max))

"""From a formula for ordinary floats to a function of any array."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .pairs import Array

BLOCK = 8192  #: numbers at a time: intermediate results of this size stay in the cache


def elementwise(
    lowest: float, highest: float, beyond: Callable[[Array], Any]
) -> Callable[[Callable[[Array], Array]], Callable[[ArrayLike], Array]]:
    """Make a function of any array from one for a row of float64 in ``lowest .. highest``.

    ``beyond`` gives the values outside, infinities included. A nan stays what it is. The result
    has the floating dtype of the argument (float32 is computed in float64), or else float64.
    """

    def decorate(function: Callable[[Array], Array]) -> Callable[[ArrayLike], Array]:
        def anywhere(x: Array) -> Array:
            if lowest <= x.min() and x.max() <= highest:  # never true of a nan
                return function(x)
            is_ordinary = (x >= lowest) & (x <= highest)
            result = function(np.where(is_ordinary, x, 1.0))
            others = x[~is_ordinary]
            result[~is_ordinary] = np.where(np.isnan(others), others, beyond(others))
            return result

        @functools.wraps(function)
        def on_any_array(x: ArrayLike) -> Array:
            return in_blocks(anywhere, np.asarray(x))

        return on_any_array

    return decorate


def of_two(function: Callable[[Array, Array], Array]) -> Callable[[ArrayLike, ArrayLike], Array]:
    """Make a function of any two arrays, broadcast, from one for two rows of float64."""

    @functools.wraps(function)
    def on_any_arrays(a: ArrayLike, b: ArrayLike) -> Array:
        dtype = common_dtype(a, b)
        pair = np.broadcast_arrays(np.asarray(a, dtype), np.asarray(b, dtype))
        return in_blocks(function, *pair)

    return on_any_arrays


def common_dtype(a: ArrayLike, b: ArrayLike) -> np.dtype[Any]:
    """NumPy's, where a Python number has no dtype of its own: float32 ** 2 stays float32."""
    return np.result_type(*(x if np.isscalar(x) else np.asarray(x) for x in (a, b)))


def in_blocks(function: Callable[..., Array], *arrays: Array) -> Array:
    """``function`` of rows of float64, for arrays of one shape and any layout."""
    first = arrays[0]
    # The scalar type stands for the native byte order, whatever the argument's.
    result = np.empty(first.size, first.dtype.type if first.dtype.kind == "f" else np.float64)
    rows = [np.ascontiguousarray(array, np.float64).reshape(-1) for array in arrays]
    with np.errstate(all="ignore"):  # of values that are thrown away, or meant
        for start in range(0, first.size, BLOCK):
            part = slice(start, start + BLOCK)
            result[part] = function(*(row[part] for row in rows))
    return result.reshape(first.shape)

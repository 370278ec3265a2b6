"""Many numbers in, one out, along some axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .. import errors
from ..axes import axes_of
from ..exact import products, selections
from ..inputs import as_array, floating
from ..operation import composed
from ..table import F

_reduced = lru_cache(maxsize=256)(axes_of)  # saves 2 us of a step with the mean squared error


def kept_shape(x: Any, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction of ``x`` with ``keepdims``."""
    reduced = _reduced(axis, len(x.shape))
    return tuple(1 if i in reduced else length for i, length in enumerate(x.shape))


def count_of(x: Any, axis: Any, ddof: int = 0) -> Any:
    """How many entries go into one entry of the result, less ``ddof``; by none, 0/0 is nan."""
    return max(math.prod([x.shape[i] for i in _reduced(axis, len(x.shape))]) - ddof, 0)


def _spread(g: Any, x: Any, axis: Any) -> Any:
    """Every entry of ``x`` gets the gradient of the result that it went into."""
    return F.broadcast_to(F.reshape(g, shape=kept_shape(x, axis)), shape=x.shape)


#: Rows that are short and many, such as the scores of few classes: NumPy's loop for each row costs
#: ten times what its entries do.
SHORT, MANY = 16, 256


def _has_short_rows(x: Any, axis: Any) -> bool:
    return (
        type(x) is np.ndarray and x.size > MANY and x.dtype.char in "fd" and x.ndim > 1
        and 1 < x.shape[-1] <= SHORT and x.size >= MANY * x.shape[-1]
        and _reduced(axis, x.ndim) == (x.ndim - 1,) and x.flags.c_contiguous
    )  # fmt: skip


def sum_over(x: Any, axis: Any, keepdims: bool) -> Any:
    """``np.sum`` without its wrapper, which takes 1 us; of short rows, a product with ones."""
    if _has_short_rows(x, axis):
        sums = np.dot(x, _ones(x.shape[-1], x.dtype.char))
        return sums[..., np.newaxis] if keepdims else sums
    add_up: Any = np.add.reduce  # of which the stubs know no bool
    return add_up(x, axis=axis, keepdims=keepdims)


def _extreme_by(ufunc: Any) -> Callable[..., Any]:
    """``np.max`` without its wrapper; of short rows, column by column."""

    def extreme(x: Any, axis: Any, keepdims: bool) -> Any:
        if not _has_short_rows(x, axis):
            return ufunc.reduce(x, axis=axis, keepdims=keepdims)
        found = ufunc(x[..., 0], x[..., 1])
        for k in range(2, x.shape[-1]):
            ufunc(found, x[..., k], out=found)
        return found[..., np.newaxis] if keepdims else found

    return extreme


def _sum_rows(x: Any) -> Any:
    if type(x) is not np.ndarray:
        x = np.asarray(x)
    if x.dtype.char not in "fd":
        return np.add.reduce(x, axis=-2)
    ones = _ones(x.shape[-2], x.dtype.char)
    return ones.dot(x) if x.ndim == 2 else np.matmul(ones, x)


@lru_cache(maxsize=64)
def _ones(length: int, dtype: str) -> Any:
    return np.ones(length, dtype)


@composed
def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_array(x)
    return F.sum(x, axis=axis, keepdims=keepdims) / count_of(x, axis)


def _share_of_extreme(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    is_extreme = F.where(F.equal(x, F.reshape(y, shape=kept_shape(x, axis))), 1.0, 0.0)
    ties = F.sum(is_extreme, axis=axis, keepdims=True)
    return _spread(g, x, axis) * (is_extreme / ties)


_SETTINGS = {"axis": None, "keepdims": False}
_AXES = "axes that it has, each named once, and entries to reduce"
_ONE_AXIS = "one axis that it has, and entries along it"

F.define(
    "sum", sum_over, products.sum,
    lambda g, _y, _x, *, axis, keepdims: _spread(g, _x, axis),
    wants=_AXES, params=_SETTINGS, formula=r"\sum_i x_i", symbol="Σ",
)
# A product with ones has BLAS add up the rows of a matrix: for 64x128 in 1 instead of 3 us.
F.define(
    "sum_rows", _sum_rows, lambda x: products.sum(x, axis=-2),
    lambda g, _y, _x: _spread(g, _x, -2),
    wants="two axes or more", formula=r"\sum_i x_{i,j}", symbol="Σ",
)
F.define(
    "mean", _mean, _mean,
    lambda g, _y, _x, *, axis, keepdims: _spread(g, _x, axis) / count_of(_x, axis),
    wants=_AXES, params=_SETTINGS, formula=r"\frac{1}{n} \sum_i x_i",
)
F.define(
    "max", _extreme_by(np.maximum), selections.max, _share_of_extreme,
    wants=_AXES, params=_SETTINGS, also=(np.amax,), formula=r"\max_i x_i",
    at_kinks="equal entries share the gradient equally",
)
F.define(
    "min", _extreme_by(np.minimum), selections.min, _share_of_extreme,
    wants=_AXES, params=_SETTINGS, also=(np.amin,), formula=r"\min_i x_i",
    at_kinks="equal entries share the gradient equally",
)
F.define(
    "argmax", np.argmax, np.argmax, None,
    wants=_ONE_AXIS, params={"axis": None}, formula=r"\arg\max_i x_i",
)
F.define(
    "argmin", np.argmin, np.argmin, None,
    wants=_ONE_AXIS, params={"axis": None}, formula=r"\arg\min_i x_i",
)
F.define(
    "argsort", np.argsort, lambda x, axis: np.argsort(x, axis=axis, kind="stable"), None,
    wants=_ONE_AXIS, params={"axis": -1}, formula=r"\operatorname{argsort} x",
)

# Spread: variance, standard deviation, length.


def _along(g: Any, length: Any, x: Any, axis: Any) -> Any:
    """``g`` along ``x`` as a vector of length one; no direction where the length is 0."""
    is_zero = F.equal(length, 0)
    towards = F.where(_spread(is_zero, x, axis), 0, x)
    return _spread(g / F.where(is_zero, 1, length), x, axis) * towards


@composed
def _var(x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    x = floating(as_array(x))
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    squares = F.sum(deviation * deviation, axis=axis, keepdims=keepdims)
    return squares / count_of(x, axis, ddof)


def _slope_of_var(g: Any, _y: Any, x: Any, *, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    return _spread(g, x, axis) * (deviation * 2 / count_of(x, axis, ddof))


@composed
def _std(x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    return F.sqrt(F.var(x, axis=axis, ddof=ddof, keepdims=keepdims))


def _slope_of_std(g: Any, y: Any, x: Any, *, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    return _along(g / count_of(x, axis, ddof), y, deviation, axis)


_SPREAD = {"axis": None, "ddof": 0, "keepdims": False}

F.define(
    "var", _var, _var, _slope_of_var,
    wants=_AXES, params=_SPREAD, formula=r"\frac{1}{n} \sum_i (x_i - \bar x)^2",
)
F.define(
    "std", _std, _std, _slope_of_std,
    wants=_AXES, params=_SPREAD, formula=r"\sqrt{\operatorname{var} x}",
    at_kinks="0 where all are equal",
)


@composed
def _norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    x = floating(as_array(x))
    is_length = axis is not None or len(x.shape) == 1
    if ord not in ((None, 2) if is_length and not isinstance(axis, tuple) else (None, "fro")):
        euclidean = "None or 2 for vectors, None or 'fro' for matrices, other lengths are not here"
        raise errors.wrong_setting("norm", "ord", ord, euclidean)
    return F.sqrt(F.sum(x * x, axis=axis, keepdims=keepdims))


def _slope_of_norm(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool, **_ord: Any) -> Any:
    return _along(g, y, x, axis)


F.define(
    "norm", _norm, _norm, _slope_of_norm,
    wants=_AXES, params={"ord": None, **_SETTINGS}, also=(np.linalg.norm,),
    formula=r"\sqrt{\sum_i x_i^2}", at_kinks="0 at 0",
)

# Products and sums along the way.


def _product_of_others(x: Any, axis: Any) -> Any:
    """For every entry the product of all others; nothing is divided, so zeros do no harm.

    Products of pairs, of pairs of pairs and so on make a tree. Going down it, what multiplies a
    node from outside multiplies each of its two halves, together with the other half.
    """
    ndim = len(x.shape)
    reduced = axes_of(axis, ndim)
    order = (*(i for i in range(ndim) if i not in reduced), *reduced)
    rows = F.transpose(x, axes=order)
    kept = rows.shape[: ndim - len(reduced)]
    levels = [F.reshape(rows, shape=(*kept, math.prod(rows.shape[len(kept) :])))]
    while levels[-1].shape[-1] > 1:
        level = _even(levels[-1])
        levels[-1] = level
        levels.append(level[..., 0::2] * level[..., 1::2])
    outside = F.broadcast_to(x.dtype.type(1), shape=levels[-1].shape)
    for level in reversed(levels[:-1]):
        halves = F.reshape(level, shape=(*kept, level.shape[-1] // 2, 2))
        above = outside[..., : halves.shape[-2]]
        others = F.reshape(above, shape=(*above.shape, 1)) * halves[..., ::-1]
        outside = F.reshape(others, shape=level.shape)
    others = F.reshape(outside[..., : math.prod(rows.shape[len(kept) :])], shape=rows.shape)
    return F.transpose(others, axes=tuple(int(i) for i in np.argsort(order)))


def _even(level: Any) -> Any:
    """With a one behind it, if the last axis has an odd length."""
    if level.shape[-1] % 2 == 0:
        return level
    one = np.ones((*level.shape[:-1], 1), level.dtype)
    return F.concatenate([level, one], axis=-1)


F.define(
    "prod", np.prod, None,
    lambda g, _y, x, *, axis, keepdims: _spread(g, x, axis) * _product_of_others(x, axis),
    wants=_AXES, params=_SETTINGS, formula=r"\prod_i x_i", symbol="Π",
)


def _reversed_cumsum(g: Any, x: Any, axis: Any) -> Any:
    if axis is None or not x.shape:
        return F.reshape(_reversed_cumsum(F.reshape(g, shape=(-1,)), g, 0), shape=x.shape)
    backwards = (*(slice(None),) * (axis % len(x.shape)), slice(None, None, -1))
    return F.getitem(F.cumsum(F.getitem(g, index=backwards), axis=axis), index=backwards)


F.define(
    # A number counts as a row of one entry.
    "cumsum", np.cumsum, lambda x, axis: products.cumsum(np.atleast_1d(x), axis=axis),
    lambda g, _y, _x, *, axis: _reversed_cumsum(g, _x, axis),
    wants=_ONE_AXIS, params={"axis": None}, formula=r"\sum_{j \le i} x_j",
)


def _exponentials(x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """The exponentials of ``x`` less a shift that keeps them from overflow, their sum, the shift.

    The shift is the largest entry, or 0 where that is infinite, since inf - inf is nan.
    """
    largest = F.max(x, axis=axis, keepdims=True)
    shift = F.where(F.equal(F.absolute(largest), np.inf), 0, largest)
    powers = F.exp(x - shift)
    return powers, F.sum(powers, axis=axis, keepdims=True), shift


@composed
def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    x = floating(as_array(x))
    if not count_of(x, axis):
        return F.sum(x, axis=axis, keepdims=keepdims) - np.inf  # the logarithm of nothing
    _, total, shift = _exponentials(x, axis)
    is_nothing = F.equal(total, 0)
    result = F.where(is_nothing, -np.inf, shift + F.log(F.where(is_nothing, 1, total)))
    return result if keepdims else F.sum(result, axis=axis, keepdims=False)


def _slope_of_logsumexp(g: Any, _y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    spread = _spread(g, x, axis)
    if not count_of(x, axis):
        return spread
    powers, total, _ = _exponentials(x, axis)
    return spread * (powers / F.where(F.equal(total, 0), 1, total))


F.define(
    "logsumexp", _logsumexp, _logsumexp,
    _slope_of_logsumexp,
    wants=_AXES, params=_SETTINGS, formula=r"\ln \sum_i e^{x_i}",
)

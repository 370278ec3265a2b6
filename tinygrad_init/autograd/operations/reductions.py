"""Many numbers in, one out, along some axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exact import products, selections
from ..exact.products import axes_of
from ..tape import F


def _kept(x: Any, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction of ``x`` with ``keepdims``."""
    reduced = axes_of(axis, len(x.shape))
    return tuple(1 if i in reduced else length for i, length in enumerate(x.shape))


def _count(x: Any, axis: Any) -> int:
    """How many entries go into one entry of the result."""
    return math.prod(x.shape[i] for i in axes_of(axis, len(x.shape)))


def _spread(g: Any, x: Any, axis: Any) -> Any:
    """Every entry of ``x`` gets the gradient of the result that it went into."""
    return F.broadcast_to(F.reshape(g, shape=_kept(x, axis)), shape=x.shape)


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    x = np.asarray(x)
    return F.sum(x, axis=axis, keepdims=keepdims) / _count(x, axis)


def _share_of_extreme(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    is_extreme = F.where(F.equal(x, F.reshape(y, shape=_kept(x, axis))), 1.0, 0.0)
    ties = F.sum(is_extreme, axis=axis, keepdims=True)
    return _spread(g, x, axis) * (is_extreme / ties)


_SETTINGS = {"axis": None, "keepdims": False}

F.define(
    "sum", np.sum, products.sum,
    lambda g, _y, _x, *, axis, keepdims: _spread(g, _x, axis),
    params=_SETTINGS, formula=r"\sum_i x_i", symbol="Σ",
)
F.define(
    "mean", _mean, _mean,
    lambda g, _y, _x, *, axis, keepdims: _spread(g, _x, axis) / _count(_x, axis),
    params=_SETTINGS, formula=r"\frac{1}{n} \sum_i x_i",
)
F.define(
    "max", np.max, selections.max, _share_of_extreme,
    params=_SETTINGS, formula=r"\max_i x_i", at_kinks="equal entries share the gradient equally",
)
F.define(
    "min", np.min, selections.min, _share_of_extreme,
    params=_SETTINGS, formula=r"\min_i x_i", at_kinks="equal entries share the gradient equally",
)
F.define(
    "argmax", np.argmax, np.argmax, None,
    params={"axis": None}, formula=r"\arg\max_i x_i",
)
F.define(
    "argmin", np.argmin, np.argmin, None,
    params={"axis": None}, formula=r"\arg\min_i x_i",
)
F.define(
    "argsort", np.argsort, lambda x, axis: np.argsort(x, axis=axis, kind="stable"), None,
    params={"axis": -1}, formula=r"\operatorname{argsort} x",
)

# Spread: variance, standard deviation, length.


def _var(x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    squares = F.sum(deviation * deviation, axis=axis, keepdims=keepdims)
    return squares / (_count(x, axis) - ddof)


def _slope_of_var(g: Any, _y: Any, x: Any, *, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    return _spread(g, x, axis) * (deviation * (2 / (_count(x, axis) - ddof)))


def _std(x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    return F.sqrt(F.var(x, axis=axis, ddof=ddof, keepdims=keepdims))


def _slope_of_std(g: Any, y: Any, x: Any, *, axis: Any, ddof: int, keepdims: bool) -> Any:
    deviation = x - F.mean(x, axis=axis, keepdims=True)
    safe = F.where(F.equal(y, 0), 1, y) * (_count(x, axis) - ddof)
    return _spread(g / safe, x, axis) * deviation


_SPREAD = {"axis": None, "ddof": 0, "keepdims": False}

F.define(
    "var", _var, _var, _slope_of_var,
    params=_SPREAD, formula=r"\frac{1}{n} \sum_i (x_i - \bar x)^2",
)
F.define(
    "std", _std, _std, _slope_of_std,
    params=_SPREAD, formula=r"\sqrt{\operatorname{var} x}", at_kinks="0 where all are equal",
)


def _norm(x: Any, axis: Any, keepdims: bool) -> Any:
    return F.sqrt(F.sum(x * x, axis=axis, keepdims=keepdims))


def _slope_of_norm(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    return _spread(g / F.where(F.equal(y, 0), 1, y), x, axis) * x


F.define(
    "norm", _norm, _norm, _slope_of_norm,
    params=_SETTINGS, formula=r"\sqrt{\sum_i x_i^2}", at_kinks="0 at 0",
)

# Products and sums along the way.


def _product_of_others(x: Any, axis: Any) -> Any:
    """For every entry the product of all others; nothing is divided, so zeros do no harm."""
    ndim = len(x.shape)
    reduced = axes_of(axis, ndim)
    kept = tuple(i for i in range(ndim) if i not in reduced)
    order = (*kept, *reduced)
    last = F.reshape(
        F.transpose(x, axes=order), shape=(*(x.shape[i] for i in kept), _count(x, axis))
    )
    n = last.shape[-1]
    rows = F.broadcast_to(
        F.reshape(last, shape=(*last.shape[:-1], 1, n)), shape=(*last.shape, n)
    )
    others = F.prod(F.where(np.eye(n, dtype=bool), 1.0, rows), axis=-1, keepdims=False)
    back = F.reshape(others, shape=tuple(x.shape[i] for i in order))
    return F.transpose(back, axes=tuple(int(i) for i in np.argsort(order)))


F.define(
    "prod", np.prod, None,
    lambda g, _y, x, *, axis, keepdims: _spread(g, x, axis) * _product_of_others(x, axis),
    params=_SETTINGS, formula=r"\prod_i x_i", symbol="Π",
)


def _reversed_cumsum(g: Any, x: Any, axis: Any) -> Any:
    if axis is None:
        return F.reshape(_reversed_cumsum(g, g, 0), shape=x.shape)
    backwards = (*(slice(None),) * (axis % len(x.shape)), slice(None, None, -1))
    return F.getitem(F.cumsum(F.getitem(g, index=backwards), axis=axis), index=backwards)


F.define(
    "cumsum", np.cumsum, products.cumsum,
    lambda g, _y, _x, *, axis: _reversed_cumsum(g, _x, axis),
    params={"axis": None}, formula=r"\sum_{j \le i} x_j",
)


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    largest = F.max(x, axis=axis, keepdims=True)
    total = F.sum(F.exp(x - largest), axis=axis, keepdims=True)
    result = largest + F.log(total)
    return result if keepdims else F.sum(result, axis=axis, keepdims=False)


F.define(
    "logsumexp", _logsumexp, _logsumexp,
    lambda g, y, x, *, axis, keepdims: _spread(g, x, axis)
    * F.exp(x - F.reshape(y, shape=_kept(x, axis))),
    params=_SETTINGS, formula=r"\ln \sum_i e^{x_i}",
)

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


def _share_of_max(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    is_max = F.where(F.equal(x, F.reshape(y, shape=_kept(x, axis))), 1.0, 0.0)
    ties = F.sum(is_max, axis=axis, keepdims=True)
    return _spread(g, x, axis) * (is_max / ties)


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
    "max", np.max, selections.max, _share_of_max,
    params=_SETTINGS, formula=r"\max_i x_i", at_kinks="equal entries share the gradient equally",
)
F.define(
    "argmax", np.argmax, np.argmax, None,
    params={"axis": None}, formula=r"\arg\max_i x_i",
)

"""Choices: comparisons have no derivative, a selection passes it on to what was selected."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..operation import REQUIRED
from ..table import F

F.define(
    "equal", np.equal, np.equal, None, None,
    scalar=operator.eq, formula="x = y",
)
F.define(
    "not_equal", np.not_equal, np.not_equal, None, None,
    scalar=operator.ne, formula=r"x \ne y",
)
for _compare, _operator, _sign in [
    (np.less, operator.lt, "<"), (np.less_equal, operator.le, r"\le"),
    (np.greater, operator.gt, ">"), (np.greater_equal, operator.ge, r"\ge"),
]:
    F.define(
        _compare.__name__, _compare, _compare, None, None, scalar=_operator,
        formula=f"x {_sign} y", operator=_operator.__name__,
    )



def _where(condition: Any, a: Any, b: Any) -> Any:
    """``np.where``, for masks of floats without its tests of every entry.

    A mask times the bits of a float is that float, or +0: 3 instead of 10 us for 64x128 of them.
    """
    is_mask = type(condition) is type(a) is np.ndarray and condition.dtype == bool
    if not (is_mask and type(b) is int and b == 0 and a.dtype.kind == "f" and a.dtype.isnative):
        return np.where(condition, a, b)
    if condition.shape != a.shape[a.ndim - condition.ndim :]:  # one mask for all members will do
        return np.where(condition, a, b)
    bits = np.dtype(f"i{a.dtype.itemsize}")
    masked = condition.astype(bits)
    place = masked if masked.shape == a.shape else None
    return np.multiply(masked, a.view(bits), out=place).view(a.dtype)


F.define(
    "where", _where, _where,
    None,
    lambda g, _y, condition, *_: F.where(condition, g, 0),
    lambda g, _y, condition, *_: F.where(condition, 0, g),
    # In the common type of both, as in an array: a Fraction or 0 is a Fraction.
    scalar=lambda condition, a, b: type(a + b)(a if condition else b),
    formula=r"x \text{ if } c \text{ else } y",
)


def check_labels(labels: NDArray[Any], count: int) -> None:
    """Raise unless ``labels`` are integers from 0 to ``count - 1``."""
    if labels.dtype.kind not in "iu":
        raise DataError(f"labels are integers, got dtype {labels.dtype}: convert them")
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise DataError(
            f"labels go from 0 to {count - 1} here, got {labels.min()} to {labels.max()}"
        )


def _one_hot(labels: Any, count: int) -> Any:
    labels = np.asarray(labels)
    check_labels(labels, count)
    return np.equal(labels[..., np.newaxis], np.arange(count))


F.define(
    "one_hot", _one_hot, _one_hot, None,
    params={"count": REQUIRED}, formula=r"[x = j]_{j < n}", wants="labels, which are integers",
)

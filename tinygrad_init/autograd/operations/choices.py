"""Choices: comparisons have no derivative, a selection passes it on to what was selected."""

from __future__ import annotations

import operator

import numpy as np

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

F.define(
    "where", np.where, np.where,
    None,
    lambda g, _y, condition, *_: F.where(condition, g, 0),
    lambda g, _y, condition, *_: F.where(condition, 0, g),
    # In the common type of both, as in an array: a Fraction or 0 is a Fraction.
    scalar=lambda condition, a, b: type(a + b)(a if condition else b),
    formula=r"x \text{ if } c \text{ else } y",
)

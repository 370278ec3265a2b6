"""Choices: comparisons have no derivative, a selection passes it on to what was selected."""

from __future__ import annotations

import operator

import numpy as np

from ..tape import F

for _name, _sign in [
    ("equal", "="), ("not_equal", r"\ne"), ("less", "<"),
    ("less_equal", r"\le"), ("greater", ">"), ("greater_equal", r"\ge"),
]:
    _compare = getattr(np, _name)
    _python = {"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le",
               "greater": "gt", "greater_equal": "ge"}[_name]
    F.define(
        _name, _compare, _compare, None, None,
        scalar=getattr(operator, _python), formula=f"x {_sign} y",
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

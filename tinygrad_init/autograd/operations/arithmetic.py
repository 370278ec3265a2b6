"""Arithmetic on numbers, place by place."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import errors
from ..exact import elementary, selections
from ..table import F

# Arithmetic.

F.define(
    "add", np.add, np.add,
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: g,
    scalar=operator.add, formula="x + y", symbol="+", operator="add",
)
F.define(
    "subtract", np.subtract, np.subtract,
    lambda g, _y, _a, _b: g,
    lambda g, _y, _a, _b: -g,
    scalar=operator.sub, formula="x - y", symbol="−", operator="sub",
)
F.define(
    "multiply", np.multiply, np.multiply,
    lambda g, _y, _a, b: g * b,
    lambda g, _y, a, _b: g * a,
    scalar=operator.mul, formula=r"x \cdot y", symbol="×", operator="mul",
)
F.define(
    "divide", np.divide, np.divide,
    lambda g, _y, _a, b: g / b,
    lambda g, y, _a, b: -g * (y / b),
    scalar=operator.truediv, formula=r"x / y", symbol="÷", operator="truediv",
)
F.define(
    "negative", np.negative, np.negative,
    lambda g, *_: -g,
    scalar=operator.neg, formula="-x", symbol="−", operator="neg",
)


def _unless_both_zero(a: Any, b: Any) -> Any:
    return F.where(F.equal(b, 0), F.where(F.equal(a, 0), 1, a), a)


def _power(a: Any, b: Any) -> Any:
    dtype = np.result_type(a, b)
    if dtype.kind in "iub" and np.min(b, initial=0) < 0:
        limit = "0 or more (convert with .astype(float) for others)"
        raise errors.wrong_kind(f"the exponent of {dtype}", limit, b)
    return np.power(a, b)


def _power_of_numbers(a: Any, b: Any) -> Any:
    result = a**b
    if isinstance(result, complex):
        raise ValueError("a root of a negative number is not real")
    return result


F.define(
    "power", _power, elementary.power,
    # At b = 0 the power of a is one, whatever a: at a = 0, too, the derivative is 0, not 0 / 0.
    lambda g, _y, a, b: g * (b * F.power(_unless_both_zero(a, b), b - 1)),
    lambda g, y, a, _b: g * (y * F.log(F.where(F.equal(a, 0), 1, a))),
    scalar=_power_of_numbers, formula="x^y",
    at_kinks="d/dx x**0 = 0 everywhere; d/dy 0**y = 0", symbol="**", operator="pow",
)
F.define(
    "positive", np.positive, np.positive,
    lambda g, *_: g,
    scalar=operator.pos, formula="+x", symbol="+", operator="pos",
)
F.define(
    "reciprocal", lambda a: 1 / np.asarray(a), lambda a: 1 / np.asarray(a),
    lambda g, y, _a: -g * (y * y),
    scalar=lambda a: 1 / a, formula="1 / x",
)
F.define(
    "square", np.square, np.square,
    lambda g, _y, a: g * (a + a),
    scalar=lambda a: a * a, formula="x^2",
)
F.define(
    "hypot", np.hypot, elementary.hypot,
    # At (0, 0) every slope from -1 to 1 would do; 0 is the one that treats all directions alike.
    lambda g, y, a, _b: g * _share_of_length(a, y),
    lambda g, y, _a, b: g * _share_of_length(b, y),
    scalar=math.hypot, formula=r"\sqrt{x^2 + y^2}", at_kinks="0 at (0, 0)",
)
F.define(
    "absolute", np.absolute, np.absolute,
    lambda g, _y, a: g * F.sign(a),
    scalar=abs, formula="|x|", at_kinks="0 at 0", symbol="abs", operator="abs",
)
F.define(
    "sign", np.sign, np.sign, None,
    scalar=lambda a: (a > 0) - (a < 0), formula=r"\operatorname{sign} x",
)
F.define(
    "maximum", np.maximum, selections.maximum,
    lambda g, _y, a, b: g * _twice_the_share(a, b) / 2,
    lambda g, _y, a, b: g * _twice_the_share(b, a) / 2,
    scalar=max, formula=r"\max(x, y)", at_kinks="equal arguments share the gradient equally",
    symbol="max",
)
F.define(
    "minimum", np.minimum, selections.minimum,
    lambda g, _y, a, b: g * _twice_the_share(b, a) / 2,
    lambda g, _y, a, b: g * _twice_the_share(a, b) / 2,
    scalar=min, formula=r"\min(x, y)", at_kinks="equal arguments share the gradient equally",
    symbol="min",
)


def _clip(a: Any, a_min: Any, a_max: Any) -> Any:
    return np.clip(a, a_min, a_max)


def _clip_number(a: Any, a_min: Any, a_max: Any) -> Any:
    above = a if a_min is None else max(a, a_min)
    return above if a_max is None else min(above, a_max)


def _is_inside(a: Any, a_min: Any, a_max: Any) -> Any:
    """Whether ``a`` lies between the bounds or on one of them; ``None`` is no bound."""
    inside = F.equal(a, a) if a_min is None else F.greater_equal(a, a_min)
    return inside if a_max is None else F.where(inside, F.less_equal(a, a_max), False)


F.define(
    "clip", _clip, selections.clip,
    lambda g, _y, a, *, a_min, a_max: F.where(_is_inside(a, a_min, a_max), g, 0),
    params={"a_min": None, "a_max": None}, scalar=_clip_number,
    wants="bounds that are numbers, or arrays that broadcast to its shape",
    formula=r"\min(\max(x, a), b)", at_kinks="1 at the bounds",
)


def _share_of_length(side: Any, length: Any) -> Any:
    """``side / length``, and 0 where there is no length."""
    is_zero = F.equal(length, 0)
    return F.where(is_zero, 0, side) / F.where(is_zero, 1, length)


def _twice_the_share(winner: Any, other: Any) -> Any:
    """2 where ``winner`` is larger, 1 at a tie, 0 elsewhere: integers, so fractions stay exact."""
    return F.where(F.greater(winner, other), 2, F.where(F.equal(winner, other), 1, 0))

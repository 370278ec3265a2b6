"""One number in, one number out, at every place: arithmetic, elementary functions, comparisons."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..exact import elementary, selections
from ..tape import F

# Arithmetic.

F.define(
    "add", np.add, np.add,
    lambda g, *_: g,
    lambda g, *_: g,
    scalar=operator.add, formula="x + y", symbol="+",
)
F.define(
    "subtract", np.subtract, np.subtract,
    lambda g, *_: g,
    lambda g, *_: -g,
    scalar=operator.sub, formula="x - y", symbol="−",
)
F.define(
    "multiply", np.multiply, np.multiply,
    lambda g, _y, _a, b: g * b,
    lambda g, _y, a, _b: g * a,
    scalar=operator.mul, formula=r"x \cdot y", symbol="×",
)
F.define(
    "divide", np.divide, np.divide,
    lambda g, _y, _a, b: g / b,
    lambda g, y, _a, b: -g * (y / b),
    scalar=operator.truediv, formula=r"x / y", symbol="÷",
)
F.define(
    "negative", np.negative, np.negative,
    lambda g, *_: -g,
    scalar=operator.neg, formula="-x", symbol="−",
)
F.define(
    "power", np.power, elementary.power,
    # At b = 0 the power of a is one, whatever a: the derivative is 0, not 0 * a**-1.
    lambda g, _y, a, b: g * (b * F.power(a, F.where(F.equal(b, 0), 1, b - 1))),
    lambda g, y, a, _b: g * (y * F.log(F.where(F.equal(a, 0), 1, a))),
    scalar=operator.pow, formula="x^y",
    at_kinks="d/dx x**0 = 0 everywhere; d/dy 0**y = 0", symbol="**",
)
F.define(
    "absolute", np.absolute, np.absolute,
    lambda g, _y, a: g * F.sign(a),
    scalar=abs, formula="|x|", at_kinks="0 at 0", symbol="abs",
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


def _twice_the_share(winner: Any, other: Any) -> Any:
    """2 where ``winner`` is larger, 1 at a tie, 0 elsewhere: integers, so fractions stay exact."""
    return F.where(F.greater(winner, other), 2, F.where(F.equal(winner, other), 1, 0))


# Elementary functions.

F.define(
    "exp", np.exp, elementary.exp,
    lambda g, y, _a: g * y,
    scalar=math.exp, formula=r"e^{x}",
)
F.define(
    "log", np.log, elementary.log,
    lambda g, _y, a: g / a,
    scalar=math.log, formula=r"\ln x",
)
F.define(
    "sqrt", np.sqrt, np.sqrt,
    lambda g, y, _a: g / (y + y),
    scalar=math.sqrt, formula=r"\sqrt{x}", at_kinks="infinite at 0",
)
F.define(
    "tanh", np.tanh, elementary.tanh,
    lambda g, y, _a: g * (1 - y * y),
    scalar=math.tanh, formula=r"\tanh x",
)
F.define(
    "sin", np.sin, None,
    lambda g, _y, a: g * F.cos(a),
    scalar=math.sin, formula=r"\sin x",
)
F.define(
    "cos", np.cos, None,
    lambda g, _y, a: -g * F.sin(a),
    scalar=math.cos, formula=r"\cos x",
)

# Choices: comparisons have no derivative, a selection passes it on to what was selected.

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

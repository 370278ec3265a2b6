"""The elementary functions: exponential, logarithmic, trigonometric, hyperbolic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exact import elementary
from ..table import F

LN2, LN10 = math.log(2), math.log(10)

# Exponentials and logarithms.

F.define(
    "exp", np.exp, elementary.exp,
    lambda g, y, _a: g * y,
    scalar=math.exp, formula=r"e^{x}",
)
F.define(
    "exp2", np.exp2, elementary.exp2,
    lambda g, y, _a: g * (y * LN2),
    scalar=math.exp2, formula="2^{x}",
)
F.define(
    "expm1", np.expm1, elementary.expm1,
    lambda g, y, _a: g * (y + 1),
    scalar=math.expm1, formula="e^{x} - 1",
)
F.define(
    "log", np.log, elementary.log,
    lambda g, _y, a: g / a,
    scalar=math.log, formula=r"\ln x",
)
F.define(
    "log2", np.log2, elementary.log2,
    lambda g, _y, a: g / (a * LN2),
    scalar=math.log2, formula=r"\log_2 x",
)
F.define(
    "log10", np.log10, elementary.log10,
    lambda g, _y, a: g / (a * LN10),
    scalar=math.log10, formula=r"\log_{10} x",
)
F.define(
    "log1p", np.log1p, elementary.log1p,
    lambda g, _y, a: g / (1 + a),
    scalar=math.log1p, formula=r"\ln(1 + x)",
)


def _logaddexp(a: Any, b: Any) -> Any:
    return F.maximum(a, b) + F.log1p(F.exp(-F.absolute(a - b)))


F.define(
    "logaddexp", np.logaddexp, elementary.logaddexp,
    lambda g, _y, a, b: g * F.sigmoid(a - b),
    lambda g, _y, a, b: g * F.sigmoid(b - a),
    scalar=_logaddexp,
    formula=r"\ln(e^{x} + e^{y})",
)

# Roots.

F.define(
    "sqrt", np.sqrt, np.sqrt,
    lambda g, y, _a: g / (y + y),
    scalar=math.sqrt, formula=r"\sqrt{x}", at_kinks="infinite at 0",
)
F.define(
    "cbrt", np.cbrt, None,
    lambda g, y, _a: g / (3 * (y * y)),
    scalar=math.cbrt, formula=r"\sqrt[3]{x}", at_kinks="infinite at 0",
)

# Trigonometric functions and their inverses.

F.define(
    "sin", np.sin, elementary.sin,
    lambda g, _y, a: g * F.cos(a),
    scalar=math.sin, formula=r"\sin x",
)
F.define(
    "cos", np.cos, elementary.cos,
    lambda g, _y, a: -g * F.sin(a),
    scalar=math.cos, formula=r"\cos x",
)
F.define(
    "tan", np.tan, elementary.tan,
    lambda g, y, _a: g * (1 + y * y),
    scalar=math.tan, formula=r"\tan x",
)
F.define(
    "arcsin", np.arcsin, None,
    lambda g, _y, a: g / F.sqrt((1 - a) * (1 + a)),
    scalar=math.asin, formula=r"\arcsin x", at_kinks="infinite at -1 and 1",
)
F.define(
    "arccos", np.arccos, None,
    lambda g, _y, a: -g / F.sqrt((1 - a) * (1 + a)),
    scalar=math.acos, formula=r"\arccos x", at_kinks="minus infinite at -1 and 1",
)
F.define(
    "arctan", np.arctan, elementary.arctan,
    lambda g, _y, a: g / (1 + a * a),
    scalar=math.atan, formula=r"\arctan x",
)
F.define(
    "arctan2", np.arctan2, None,
    lambda g, _y, a, b: g * (b / (a * a + b * b)),
    lambda g, _y, a, b: -g * (a / (a * a + b * b)),
    scalar=math.atan2, formula=r"\operatorname{atan2}(x, y)", at_kinks="nan at (0, 0)",
)

# Hyperbolic functions and their inverses.

F.define(
    "sinh", np.sinh, elementary.sinh,
    lambda g, _y, a: g * F.cosh(a),
    scalar=math.sinh, formula=r"\sinh x",
)
F.define(
    "cosh", np.cosh, elementary.cosh,
    lambda g, _y, a: g * F.sinh(a),
    scalar=math.cosh, formula=r"\cosh x",
)
F.define(
    "tanh", np.tanh, elementary.tanh,
    lambda g, y, _a: g * (1 - y * y),
    scalar=math.tanh, formula=r"\tanh x",
)
F.define(
    "arcsinh", np.arcsinh, None,
    lambda g, _y, a: g / F.hypot(a, 1.0),
    scalar=math.asinh, formula=r"\operatorname{arsinh} x",
)
F.define(
    "arccosh", np.arccosh, None,
    lambda g, _y, a: g / (F.sqrt(a - 1) * F.sqrt(a + 1)),
    scalar=math.acosh, formula=r"\operatorname{arcosh} x", at_kinks="infinite at 1",
)
F.define(
    "arctanh", np.arctanh, None,
    lambda g, _y, a: g / ((1 - a) * (1 + a)),
    scalar=math.atanh, formula=r"\operatorname{artanh} x",
)

r"""The local derivatives of operations as formulas: of numbers, or entry by entry.

>>> from tinygrad_init import Value
>>> slope(Value(0.5).tanh(), 0, "y", ["x"])
'1 - y^2'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import F, Node
from ..autograd.operations.activations import SELU_ALPHA, SELU_SCALE
from ..autograd.tape import data_of
from .symbols import factor, number, partial
from .text import DIGITS

#: ``%(x)s`` and ``%(y)s`` are the operands, ``%(z)s`` is the result, other names are settings; one
#: formula for each operand. As in Iverson's notation, [...] is 1 where it is true, else 0.
SLOPES: dict[str, tuple[str, ...]] = {
    "add": ("1", "1"),
    "subtract": ("1", "-1"),
    "multiply": ("%(y)s", "%(x)s"),
    "divide": (r"\frac{1}{%(y)s}", r"-\frac{%(x)s}{%(y)s^2}"),
    "power": (r"%(y)s \, %(x)s^{%(y)s - 1}", r"%(z)s \ln %(x)s"),
    "negative": ("-1",),
    "positive": ("1",),
    "reciprocal": (r"-\frac{1}{%(x)s^2}",),
    "square": (r"2 %(x)s",),
    "hypot": (r"\frac{%(x)s}{%(z)s}", r"\frac{%(y)s}{%(z)s}"),
    "absolute": (r"\operatorname{sign}(%(x)s)",),
    "maximum": (
        r"[%(x)s > %(y)s] + \frac{1}{2} [%(x)s = %(y)s]",
        r"[%(y)s > %(x)s] + \frac{1}{2} [%(x)s = %(y)s]",
    ),
    "minimum": (
        r"[%(x)s < %(y)s] + \frac{1}{2} [%(x)s = %(y)s]",
        r"[%(y)s < %(x)s] + \frac{1}{2} [%(x)s = %(y)s]",
    ),
    "exp": ("%(z)s",),
    "exp2": (r"%(z)s \ln 2",),
    "expm1": ("%(z)s + 1",),
    "log": (r"\frac{1}{%(x)s}",),
    "log2": (r"\frac{1}{%(x)s \ln 2}",),
    "log10": (r"\frac{1}{%(x)s \ln 10}",),
    "log1p": (r"\frac{1}{1 + %(x)s}",),
    "logaddexp": ("e^{%(x)s - %(z)s}", "e^{%(y)s - %(z)s}"),
    "sqrt": (r"\frac{1}{2 %(z)s}",),
    "cbrt": (r"\frac{1}{3 %(z)s^2}",),
    "sin": (r"\cos(%(x)s)",),
    "cos": (r"-\sin(%(x)s)",),
    "tan": ("1 + %(z)s^2",),
    "arcsin": (r"\frac{1}{\sqrt{1 - %(x)s^2}}",),
    "arccos": (r"-\frac{1}{\sqrt{1 - %(x)s^2}}",),
    "arctan": (r"\frac{1}{1 + %(x)s^2}",),
    "arctan2": (
        r"\frac{%(y)s}{%(x)s^2 + %(y)s^2}",
        r"-\frac{%(x)s}{%(x)s^2 + %(y)s^2}",
    ),
    "sinh": (r"\cosh(%(x)s)",),
    "cosh": (r"\sinh(%(x)s)",),
    "tanh": ("1 - %(z)s^2",),
    "arcsinh": (r"\frac{1}{\sqrt{%(x)s^2 + 1}}",),
    "arccosh": (r"\frac{1}{\sqrt{%(x)s^2 - 1}}",),
    "arctanh": (r"\frac{1}{1 - %(x)s^2}",),
    "relu": (r"[%(x)s > 0]",),
    "leaky_relu": (r"[%(x)s > 0] + %(slope)s \, [%(x)s \le 0]",),
    "elu": (r"[%(x)s > 0] + %(alpha)s \, e^{%(x)s} \, [%(x)s \le 0]",),
    "selu": (r"%(scale)s \, [%(x)s > 0] + %(scale_alpha)s \, e^{%(x)s} \, [%(x)s \le 0]",),
    "sigmoid": (r"%(z)s (1 - %(z)s)",),
    "softplus": (r"\sigma(%(x)s)",),
    "silu": (r"\sigma(%(x)s) + %(z)s (1 - \sigma(%(x)s))",),
    "normal_cdf": (r"\frac{e^{-%(x)s^2 / 2}}{\sqrt{2 \pi}}",),
    "gelu": (r"\Phi(%(x)s) + %(x)s \, \frac{e^{-%(x)s^2 / 2}}{\sqrt{2 \pi}}",),
    "softsign": (r"\frac{1}{(1 + |%(x)s|)^2}",),
    "hardtanh": (r"[|%(x)s| \le 1]",),
}
_CONSTANTS = {"scale": SELU_SCALE, "scale_alpha": SELU_SCALE * SELU_ALPHA}

ONE, MINUS_ONE = "1", "-1"


def slope(
    node: Node, position: int, result: str, operands: Sequence[str], digits: int | None = DIGITS
) -> str:
    """The local derivative of an operation on numbers, or entry by entry, as a formula.

    Without one in the table it is only named: ∂z/∂x.
    """
    named = partial(result, operands[position])
    operation = node.operation
    if operation is None or F.rows.get(operation.name) is not operation:
        return named
    exponent = data_of(node.arguments[-1])
    is_constant = not isinstance(node.arguments[-1], Node) and np.ndim(exponent) == 0
    if operation.name == "power" and position == 0 and is_constant:
        return _slope_of_power(operands[0], exponent, digits)
    if operation.name == "where":
        return _slope_of_where(node, position, operands[0])
    if operation.name == "clip":
        return _slope_of_clip(operands[0], **node.params) or named
    if operation.name not in SLOPES:
        return named
    settings = {
        name: factor(value, digits) for name, value in {**_CONSTANTS, **node.params}.items()
    }
    known = {**settings, **dict(zip("xy", operands, strict=False)), "z": result}
    return SLOPES[operation.name][position] % known


def _slope_of_power(x: str, exponent: Any, digits: int | None) -> str:
    """``3 x^2``: nobody writes ``3 x^{3 - 1}``."""
    if exponent == 1:
        return ONE
    raised = x if exponent == 2 else f"{x}^{{{number(exponent - 1, digits)}}}"
    return rf"{number(exponent, digits)} \, {raised}"


def _slope_of_where(node: Node, position: int, condition: str) -> str:
    """Whether it is this one that was chosen."""
    is_bool = np.asarray(data_of(node.arguments[0])).dtype == bool
    chosen = f"[{condition}]" if is_bool else rf"[{condition} \ne 0]"
    return chosen if position == 1 else f"1 - {chosen}"


def _slope_of_clip(x: str, a_min: Any, a_max: Any) -> str:
    """Whether x is within the bounds, if these are numbers."""
    if np.ndim(a_min) or np.ndim(a_max):
        return ""
    low = "" if a_min is None else rf"{number(a_min)} \le "
    high = "" if a_max is None else rf" \le {number(a_max)}"
    return f"[{low}{x}{high}]" if low or high else ONE

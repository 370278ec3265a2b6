"""exp, log, tanh and their kin, from operations that IEEE 754 rounds correctly on every machine.

NumPy's own ``exp`` or ``tanh`` may differ in the last bit from one processor to the next, since
each has its own fast version. Addition, multiplication, division, square root, rounding to an
integer, scaling by powers of two and work on integers may not. From these alone, every function
here is built, in three steps:

1. *Reduce the argument*: the nearest point of a table leaves a rest of about 0.001.
2. *Add up a Taylor series* of the rest. It is so small that a few terms are enough.
3. *Undo the reduction* by an addition theorem: e**(c + r) = e**c e**r, and likewise ln(c m),
   tanh(c + r), sin(c + r), arctan.

For e**1, the table has 2**(j/256). One is 369 steps of ln(2)/256 and a rest; 369 is once 256 and
113 more, so e is 2 times the root number 113 times e**rest:

>>> from math import log
>>> rest = 1 - 369 * log(2) / 256
>>> round(rest, 6)
0.000893
>>> round(2 * 2 ** (113 / 256) * (1 + rest + rest**2 / 2), 7)
2.7182818

One ``float64`` is too short to keep the small errors on the way out of the last bit. So the table
and the large summands are pairs of floats (:mod:`pairs`), and the series only adds a small
correction, whose own rounding errors are far below. So the error is little more than that of the
last rounding: 0.5 to 0.6 units in the last place, and up to 0.75 among the subnormal numbers, which
are rounded a second time. Tables are made from integers of 200 bits at their first use.

Every result depends on its own input alone: no sum runs over several entries.

Sources: W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980 (reduction in
exact parts); M. Payne and R. Hanek, "Radian reduction for trigonometric functions", 1983; P. T. P.
Tang, "Table-driven implementation of the exponential function", 1989; J.-M. Muller, Elementary
Functions, 2016.
"""

from __future__ import annotations

from .angles import arctan, cos, sin, tan
from .exponential import cosh, exp, exp2, expm1, sigmoid, silu, sinh, tanh
from .logarithm import log, log1p, log2, log10, logaddexp, softplus
from .normal import gelu, normal_cdf
from .powers import hypot, power

__all__ = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp",
    "sinh", "cosh", "tanh", "sigmoid", "silu", "softplus", "normal_cdf", "gelu",
    "sin", "cos", "tan", "arctan", "power", "hypot",
]

"""What a neuron does with the sum of its inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exact import elementary, selections
from ..tape import F


def _sigmoid(a: Any) -> Any:
    # e**-|x| is at most 1, so nothing overflows on either side of zero.
    small = np.exp(-np.abs(a))
    return np.where(np.greater_equal(a, 0), 1 / (1 + small), small / (1 + small))


def _sigmoid_of_number(a: Any) -> float:
    small = math.exp(-abs(a))
    return 1 / (1 + small) if a >= 0 else small / (1 + small)


F.define(
    "relu", lambda a: np.maximum(a, 0), lambda a: selections.maximum(a, 0),
    lambda g, _y, a: F.where(F.greater(a, 0), g, 0),
    scalar=lambda a: type(a)(0) if a <= 0 else a, formula=r"\max(x, 0)", at_kinks="0 at 0",
)
F.define(
    "sigmoid", _sigmoid, elementary.sigmoid,
    lambda g, y, _a: g * (y * (1 - y)),
    scalar=_sigmoid_of_number, formula=r"\frac{1}{1 + e^{-x}}",
)


def _log_softmax(a: Any, axis: int) -> Any:
    # Subtracting the maximum changes nothing but keeps the exponentials at 1 or below. Written in
    # rows of F, the same lines serve both arithmetics.
    shifted = a - F.max(a, axis=axis, keepdims=True)
    return shifted - F.log(F.sum(F.exp(shifted), axis=axis, keepdims=True))


F.define(
    "log_softmax", _log_softmax, _log_softmax,
    lambda g, y, _a, *, axis: g - F.exp(y) * F.sum(g, axis=axis, keepdims=True),
    params={"axis": -1}, formula=r"x - \ln \sum e^{x}",
)

"""What a neuron does with the sum of its inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exact import elementary, selections
from ..inputs import floating
from ..operation import composed
from ..table import F


@composed
def _sigmoid(a: Any) -> Any:
    a = floating(a)
    # No exponent is above 0, so nothing overflows on either side of zero.
    return F.exp(F.minimum(a, 0)) / (1 + F.exp(-F.absolute(a)))


def _sigmoid_of_number(a: Any) -> float:
    small = math.exp(-abs(a))
    return 1 / (1 + small) if a >= 0 else small / (1 + small)


F.define(
    "relu", lambda a: np.maximum(a, 0), lambda a: selections.maximum(a, 0),
    lambda g, y, _a: F.where(F.greater(y, 0), g, 0),  # y is kept in any case, the argument is not
    scalar=lambda a: type(a)(0) if a <= 0 else a, formula=r"\max(x, 0)", at_kinks="0 at 0",
)
F.define(
    "sigmoid", _sigmoid, elementary.sigmoid,
    lambda g, y, _a: g * (y * (1 - y)),
    scalar=_sigmoid_of_number, formula=r"\frac{1}{1 + e^{-x}}",
)

# Relatives of the relu.


@composed
def _leaky_relu(a: Any, slope: float) -> Any:
    return F.where(F.greater(a, 0), a, slope * a)


F.define(
    "leaky_relu", _leaky_relu, _leaky_relu,
    lambda g, _y, a, *, slope: F.where(F.greater(a, 0), g, slope * g),
    params={"slope": 0.01}, scalar=lambda a, slope: a if a > 0 else slope * a,
    formula=r"\max(x, 0) + s \min(x, 0)", at_kinks="the slope s at 0",
)


@composed
def _elu(a: Any, alpha: float) -> Any:
    return F.where(F.greater(a, 0), a, alpha * F.expm1(F.minimum(a, 0)))


def _decay(a: Any) -> Any:
    # On the right side it might overflow, only to be thrown away.
    return F.exp(F.where(F.greater(a, 0), 0, a))


F.define(
    "elu", _elu, _elu,
    lambda g, _y, a, *, alpha: F.where(F.greater(a, 0), g, g * (alpha * _decay(a))),
    params={"alpha": 1.0}, scalar=_elu,
    formula=r"x \text{ if } x > 0 \text{ else } \alpha (e^{x} - 1)", at_kinks="alpha at 0",
)

# The constants make 0 and 1 the fixed point of mean and variance (Klambauer et al. 2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@composed
def _selu(a: Any) -> Any:
    return SELU_SCALE * _elu(a, SELU_ALPHA)


F.define(
    "selu", _selu, _selu,
    lambda g, _y, a: SELU_SCALE * F.where(F.greater(a, 0), g, g * (SELU_ALPHA * _decay(a))),
    scalar=_selu, formula=r"\lambda \operatorname{elu}_\alpha x",
    at_kinks="lambda * alpha at 0",
)


# Smooth ones.


@composed
def _softplus(a: Any) -> Any:
    a = floating(a)
    return F.maximum(a, 0) + F.log1p(F.exp(-F.absolute(a)))


F.define(
    "softplus", _softplus, elementary.softplus,
    lambda g, _y, a: g * F.sigmoid(a),
    scalar=_softplus, formula=r"\ln(1 + e^{x})",
)


@composed
def _silu(a: Any) -> Any:
    a = floating(a)
    return a * F.sigmoid(a)


F.define(
    "silu", _silu, elementary.silu,
    lambda g, y, a: g * (F.sigmoid(a) + y * (1 - F.sigmoid(a))),
    scalar=_silu, formula=r"x \, \sigma(x)",
)

_erfc = np.frompyfunc(math.erfc, 1, 1)  # NumPy has no error function


def _normal_cdf(a: Any) -> Any:
    # erfc, not 1 + erf: far to the left their difference is all that is left.
    scaled = np.asarray(a) / -math.sqrt(2)
    return np.asarray(_erfc(scaled) / 2, dtype=scaled.dtype)


F.define(
    "normal_cdf", _normal_cdf, elementary.normal_cdf,
    lambda g, _y, a: g * (F.exp(a * a / -2) / math.sqrt(2 * math.pi)),
    scalar=lambda a: math.erfc(-a / math.sqrt(2)) / 2, formula=r"\Phi(x)",
)


@composed
def _gelu(a: Any) -> Any:
    return a * F.normal_cdf(a)


F.define(
    "gelu", _gelu, elementary.gelu,
    lambda g, _y, a: g * (F.normal_cdf(a) + a * F.exp(a * a / -2) / math.sqrt(2 * math.pi)),
    scalar=_gelu, formula=r"x \, \Phi(x)",
)


# Bounded ones without exponentials.


@composed
def _softsign(a: Any) -> Any:
    a = floating(a)
    return a / (1 + F.absolute(a))


F.define(
    "softsign", _softsign, _softsign,
    lambda g, _y, a: g / F.square(1 + F.absolute(a)),
    scalar=_softsign, formula=r"x / (1 + |x|)",
)


@composed
def _hardtanh(a: Any) -> Any:
    return F.clip(a, a_min=-1.0, a_max=1.0)


F.define(
    "hardtanh", _hardtanh, _hardtanh,
    lambda g, _y, a: F.where(F.less_equal(F.absolute(a), 1), g, 0),
    scalar=_hardtanh, formula=r"\min(\max(x, -1), 1)", at_kinks="1 at -1 and 1",
)


# From scores to probabilities. Subtracting the maximum changes nothing but keeps the exponentials
# at 1 or below. Written in rows of F, the same lines serve both arithmetics.


@composed
def _softmax(a: Any, axis: Any) -> Any:
    a = floating(a)
    powers = F.exp(a - F.max(a, axis=axis, keepdims=True))
    return powers / F.sum(powers, axis=axis, keepdims=True)


F.define(
    "softmax", _softmax, _softmax,
    lambda g, y, _a, *, axis: y * (g - F.sum(g * y, axis=axis, keepdims=True)),
    params={"axis": -1}, formula=r"e^{x} / \sum e^{x}",
    wants="axes that there are, each named once, and entries along them",
)


@composed
def _log_softmax(a: Any, axis: Any) -> Any:
    a = floating(a)
    shifted = a - F.max(a, axis=axis, keepdims=True)
    return shifted - F.log(F.sum(F.exp(shifted), axis=axis, keepdims=True))


F.define(
    "log_softmax", _log_softmax, _log_softmax,
    lambda g, y, _a, *, axis: g - F.exp(y) * F.sum(g, axis=axis, keepdims=True),
    params={"axis": -1}, formula=r"x - \ln \sum e^{x}",
    wants="axes that there are, each named once, and entries along them",
)

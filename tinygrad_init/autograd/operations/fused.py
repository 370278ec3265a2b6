"""Several operations in one row, for speed: fewer nodes, and no array in between.

``made_of`` says what each of them stands for, in rows of the table. The result has the bits of that,
and so has the gradient in reproducible arithmetic. Drawings and explanations show the parts: see
:mod:`~tinygrad_init.autograd.opened`.
"""

from __future__ import annotations

from typing import Any

from ..table import F
from .products import for_left, for_right
from .reductions import count_of, kept_shape

# A layer: with members, an axis of them stands in front of the matrix and of the bias.


def _affine(x: Any, w: Any, b: Any) -> Any:
    y = F.matmul(x, w)
    b = b if len(b.shape) == 1 else b[..., None, :]  # for each member, under its examples
    if y.dtype != b.dtype or not len(y.shape):
        return y + b
    y += b  # y is new, so it need not be copied: 5 us less for 128x256
    return y


def _layer(x: Any, w: Any, b: Any) -> Any:
    y = F.matmul(x, w)
    if len(b.shape) == 1:
        return y + b
    # The bias lines up where members stand next to neurons.
    return F.swapaxes(F.swapaxes(y, -3, -2) + b, -3, -2)


def _for_bias(g: Any, _y: Any, _x: Any, _w: Any, _b: Any) -> Any:
    if len(_b.shape) == 1:
        return g
    # A sum over the examples even if there is only one, as alone: an exact sum that is zero is +0.
    examples = len(g.shape) - 2
    in_front = range(examples + 1 - len(_b.shape))
    return F.sum(g, axis=(*in_front, examples), keepdims=False)


F.define(
    "affine", _affine, _affine,
    lambda g, _y, _x, w, _b: for_left(g, _y, _x, w),
    lambda g, _y, x, _w, _b: for_right(g, _y, x, _w),
    _for_bias,
    made_of=_layer, formula=r"X\,W + b",
    wants="a last axis of the first as long as the last but one of the second, whose last is as "
    "long as that of the third",
)


# A loss.


def _mse(a: Any, b: Any, axis: Any) -> Any:
    error = a - b
    return F.sum(error * error, axis=axis, keepdims=False) / count_of(error, axis)


def _mean_square(a: Any, b: Any, axis: Any) -> Any:
    error = a - b
    return F.mean(error * error, axis=axis, keepdims=False)


def _slope_of_mse(g: Any, a: Any, b: Any, axis: Any) -> Any:
    error = a - b
    share = F.reshape(g, shape=kept_shape(error, axis)) / count_of(error, axis)
    return share * 2 * error


F.define(
    "mse", _mse, _mse,
    lambda g, _y, a, b, *, axis: _slope_of_mse(g, a, b, axis),
    lambda g, _y, a, b, *, axis: -_slope_of_mse(g, a, b, axis),
    made_of=_mean_square, params={"axis": None}, formula=r"\frac{1}{n} \sum_i (x_i - y_i)^2",
    wants="arrays that broadcast, and axes that they have, each named once",
)

"""Several operations in one row, for speed: fewer nodes, and no array in between.

``made_of`` says what each of them stands for, in rows of the table. The result has the bits of
that, and so has the gradient in reproducible arithmetic. Drawings and explanations show the parts:
see :mod:`~tinygrad_init.autograd.opened`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exact import products
from ..operation import Function
from ..table import F
from .products import for_right, matrix_product
from .reductions import kept_shape, sum_over

# A layer: with members, an axis of them stands in front of the matrix and of the bias.


def _affine_by(multiply: Function) -> Function:
    def affine(x: Any, w: Any, b: Any) -> Any:
        y = multiply(x, w)
        b = b if b.ndim == 1 else b[..., np.newaxis, :]  # for each member, under its examples
        if y.dtype != b.dtype:
            return y + b
        y += b  # y is new, so it need not be copied: 5 us less for 128x256
        return y

    return affine


def _layer(x: Any, w: Any, b: Any) -> Any:
    y = F.matmul(x, w)
    if len(b.shape) == 1:
        return y + b
    # The bias lines up where members stand next to neurons.
    return F.swapaxes(F.swapaxes(y, -3, -2) + b, -3, -2)


def _for_bias(g: Any, _y: Any, _x: Any, _w: Any, _b: Any) -> Any:
    if len(g.shape) == len(_b.shape) + 1:
        return F.sum_rows(g)
    if len(_b.shape) == 1:
        return g
    # A sum over the examples even if there is only one, as alone: an exact sum that is zero is +0.
    examples = len(g.shape) - 2
    in_front = range(examples + 1 - len(_b.shape))
    return F.sum(g, axis=(*in_front, examples), keepdims=False)


F.define(
    "affine", _affine_by(matrix_product), _affine_by(products.matmul),
    lambda g, _y, _x, w, _b: F.matmul(g, w.mT),
    lambda g, _y, x, _w, _b: F.matmul(x.mT, g) if len(x.shape) > 1 else for_right(g, _y, x, _w),
    _for_bias,
    made_of=_layer, formula=r"X\,W + b",
    wants="a last axis of the first as long as the last but one of the second, whose last is as "
    "long as that of the third",
)


# A loss.


def _mse_by(add_up: Function) -> Function:
    def mse(a: Any, b: Any) -> Any:
        error = a - b
        total = add_up(error * error, _reduced(error), False)
        return total / _count(error, total)

    return mse


def _reduced(error: Any) -> tuple[int, ...]:
    """Examples and features; of a vector its only axis."""
    return (-2, -1)[-len(error.shape) :] if error.shape else ()


def _count(terms: Any, sums: Any) -> int:
    """How many terms each of the sums has."""
    return terms.size // (sums.size or 1)


def _mean_square(a: Any, b: Any) -> Any:
    error = a - b
    return F.mean(error * error, axis=_reduced(error), keepdims=False)


def _slope_of_mse(g: Any, a: Any, b: Any) -> Any:
    error = a - b
    share = g / _count(error, g)
    if g.shape:
        share = F.reshape(share, shape=kept_shape(error, _reduced(error)))
    return error * (share * 2)


F.define(
    "mse", _mse_by(sum_over), _mse_by(products.sum),
    lambda g, _y, a, b: _slope_of_mse(g, a, b),
    lambda g, _y, a, b: -_slope_of_mse(g, a, b),
    made_of=_mean_square, formula=r"\frac{1}{n} \sum_i (x_i - y_i)^2",
    wants="arrays that broadcast",
)

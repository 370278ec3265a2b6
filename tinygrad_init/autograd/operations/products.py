"""The matrix product, for operands of any number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exact import products
from ..tape import F


def _as_matrices(g: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """1-d operands as the one-row and one-column matrices that NumPy takes them for; ``g`` too."""
    if len(b.shape) == 1:
        b, g = F.reshape(b, shape=(*b.shape, 1)), F.reshape(g, shape=(*g.shape, 1))
    if len(a.shape) == 1:
        a = F.reshape(a, shape=(1, *a.shape))
        g = F.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    return g, a, b


def _transposed(matrices: Any) -> Any:
    """Swap the last two axes."""
    ndim = len(matrices.shape)
    return F.transpose(matrices, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def _for_left(g: Any, _y: Any, a: Any, b: Any) -> Any:
    g, a, b = _as_matrices(g, a, b)
    return F.matmul(g, _transposed(b))


def _for_right(g: Any, _y: Any, a: Any, b: Any) -> Any:
    was_vector = len(b.shape) == 1
    g, a, b = _as_matrices(g, a, b)
    found = F.matmul(_transposed(a), g)
    return F.reshape(found, shape=found.shape[:-1]) if was_vector else found


F.define(
    "matmul", np.matmul, products.matmul, _for_left, _for_right,
    formula=r"X\,Y", symbol="@",
)

"""The lowest eigenvalue of a symmetric matrix that is known only by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Product = Callable[[Array], Array]

ACCURACY = 1e-6  #: relative
MOST_PRODUCTS = 20_000  #: of power iteration, which may converge slowly


def lowest_eigenpair(product: Product, start: Array) -> tuple[float, Array]:
    """The most negative eigenvalue and a unit eigenvector, by Lanczos or by power iteration.

    The search stays among the vectors that products of ``start`` span. Lanczos' method comes from
    SciPy (ARPACK; Lehoucq, Sorensen and Yang 1998); power iteration takes its place where SciPy is
    not installed, and needs more products.

    Args:
        product: of the symmetric matrix with a vector of shape (n,).
        start: a vector of shape (n,), not zero.

    >>> import numpy as np
    >>> value, vector = lowest_eigenpair(lambda v: np.arange(-3, 4) * v, np.ones(7))
    >>> round(value, 4), np.abs(vector).round(3).tolist()
    (-3.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """
    if not product(start).any():
        return 0.0, start / np.linalg.norm(start)  # flat; Lanczos would have nothing to start from
    if len(start) > 2 and find_spec("scipy") is not None:
        return _by_lanczos(product, start)
    return by_power_iteration(product, start)


def _by_lanczos(product: Product, start: Array) -> tuple[float, Array]:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    matrix = LinearOperator((len(start), len(start)), matvec=product, dtype=np.float64)
    try:
        values, vectors = eigsh(matrix, k=1, which="SA", v0=start, tol=ACCURACY)
    except ArpackNoConvergence:
        return by_power_iteration(product, start)
    return float(values[0]), np.asarray(vectors[:, 0])


def by_power_iteration(product: Product, start: Array) -> tuple[float, Array]:
    """The same by multiplying until only the wanted direction is left.

    Multiplying lets the eigenvalue of largest size win. If that is not the most negative one, it
    is shifted below zero, and all others with it: then the most negative wins.

    >>> import numpy as np
    >>> value, _ = by_power_iteration(lambda v: np.array([5.0, 1.0, -2.0]) * v, np.ones(3))
    >>> round(value, 4)
    -2.0
    """
    value, vector = _largest(product, start)
    if value < 0:
        return value, vector
    shift = value
    value, vector = _largest(lambda v: product(v) - shift * v, start)
    return value + shift, vector


def _largest(product: Product, start: Array) -> tuple[float, Array]:
    """The eigenvalue of largest size, by Rayleigh's quotient, and its direction."""
    vector, value = start / np.linalg.norm(start), 0.0
    for _ in range(MOST_PRODUCTS):
        image = product(vector)
        length = float(np.linalg.norm(image))
        if length == 0.0:
            return 0.0, vector
        value = float(vector @ image)
        # The distance of a Rayleigh quotient from an eigenvalue is of the order of this, squared.
        if np.linalg.norm(image - value * vector) <= ACCURACY**0.5 * 0.1 * abs(value):
            break
        vector = image / length
    return value, vector

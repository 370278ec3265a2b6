"""What ``axis=`` means, read in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that ``axis`` means, none of them negative: one, several in a tuple, or all.

    A number has, as in NumPy's reductions, an axis 0 that stands for none.

    Raises:
        ShapeError: if there is no such axis, or if it is named twice.
        TypeError: if it is no integer.

    >>> axes_of(-1, 3), axes_of((0, -1), 3), axes_of(None, 3)
    ((2,), (0, 2), (0, 1, 2))
    """
    if axis is None:
        return tuple(range(ndim))
    named = axis if isinstance(axis, tuple) else (axis,)
    found = tuple(_place_of(each, max(ndim, 1)) for each in named)
    if len(set(found)) < len(found):
        raise errors.repeated_axis()
    return found if ndim else ()


def axis_of(axis: Any, ndim: int) -> int:
    """The one axis that ``axis`` means, not negative; errors as :func:`axes_of`."""
    return _place_of(axis, ndim)


def _place_of(axis: Any, ndim: int) -> int:
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise errors.not_an_axis(axis)
    if not -ndim <= axis < ndim:
        raise errors.no_such_axis(axis, ndim)
    return int(axis) % ndim

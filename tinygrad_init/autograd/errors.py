"""What can go wrong, by name. Each error is also the built-in that a reader would catch."""

from __future__ import annotations


class TinygradInitError(Exception):
    """The root of every error that this package raises on purpose."""


class ShapeError(TinygradInitError, ValueError, IndexError):
    """Shapes, axes or indices do not fit; like NumPy's AxisError, a ValueError and an IndexError.

    >>> from tinygrad_init import Tensor
    >>> Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
    Traceback (most recent call last):
    tinygrad_init.autograd.errors.ShapeError: add: shapes (2,) and (3,) do not fit: operands could \
not be broadcast together with shapes (2,) (3,)
    """


class GraphError(TinygradInitError, RuntimeError):
    """The recorded computation cannot be used as asked: changed, missing or foreign history."""


class GradientError(TinygradInitError, ArithmeticError):
    """A derivative is wrong: it disagrees with finite differences, or has the wrong shape."""


class DataError(TinygradInitError, ValueError):
    """A value, a name or a data set is not one that can be used."""

"""`Value`: a number with a history."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from .errors import DataError, GraphError
from .tape import Node, backpropagate, data_of

_NUMBERS = (int, float, np.floating, np.integer, numbers.Rational)


class Value(Node):
    """A number that remembers how it was computed.

    The number is kept as it is: a ``float``, an ``int`` or a ``fractions.Fraction``, so derivatives
    can be computed in exact rational arithmetic. (NumPy's numbers become Python's.)

    Args:
        data: a real number.
        label: a name for drawings.

    After ``backward()`` a leaf's ``.grad`` has grown by its gradient; inside the graph
    ``.grad`` shows the gradient of that backward pass.

    >>> from tinygrad_init import Value
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + a ** 2
    >>> c.backward()
    >>> c.data, a.grad, b.grad
    (-2.0, 1.0, 2.0)

    >>> from fractions import Fraction
    >>> x = Value(Fraction(1, 3))
    >>> (x * x).backward()
    >>> x.grad
    Fraction(2, 3)
    """

    __slots__ = ()
    kind = "Value"
    __array_ufunc__ = None  # so that numpy_number * value comes to __rmul__

    def __init__(self, data: Any, label: str = "") -> None:
        super().__init__(_one_number(data), True, label)
        self.grad: Any = 0

    @classmethod
    def _wrap(cls, data: Any) -> Any:
        if isinstance(data, np.ndarray) and data.ndim:
            raise GraphError(
                f"a Value and an array of shape {data.shape} do not mix in one operation: "
                f"use a Tensor"
            )
        data = _as_python(data)
        if isinstance(data, bool):  # a comparison has no derivative: it is an answer
            return data
        node = cls(data)
        node.requires_grad = False
        return node

    def _seed(self, gradient: Any, create_graph: bool = False) -> Any:
        one = type(self._data)(1)  # a Fraction, so that 1/3 of it is no float
        return one if gradient is None else one * (gradient if create_graph else data_of(gradient))

    def _fit(self, gradient: Any) -> Any:
        return _as_python(gradient)

    @property
    def data(self) -> Any:
        """The number. It is not checked whether it changed between forward and backward."""
        return self._data

    @data.setter
    def data(self, number: Any) -> None:
        self._data = _one_number(number)

    def backward(self) -> None:
        """Differentiate this number with respect to everything that it was computed from.

        Raises:
            GraphError: if the number was computed under ``no_grad``.
        """
        if not self.requires_grad:
            raise GraphError("this Value was computed under no_grad: it has no history to follow")
        for node, gradient in backpropagate(self, self._seed(None)).items():
            node.grad = node.grad + gradient if node.is_leaf else gradient

    def __float__(self) -> float:
        return float(self._data)

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        return f"Value({self._data!r}, grad={self.grad!r}{name})"


def _one_number(data: Any) -> Any:
    """``data`` as a Python number, if it is one real number."""
    if not isinstance(data, _NUMBERS):
        is_many = isinstance(data, (list, tuple, np.ndarray))
        advice = " (for arrays and lists there is Tensor)" if is_many else ""
        raise DataError(f"a Value holds one real number, got {type(data).__name__}{advice}")
    return _as_python(data)


def _as_python(number: Any) -> Any:
    """NumPy's numbers, and arrays of no axes, as the Python number that they hold."""
    return number.item() if isinstance(number, (np.generic, np.ndarray)) else number

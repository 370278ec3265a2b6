"""`Value`: a number with a history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import modes
from .inputs import one_number
from .tape import NEVER, Node, data_of


class Value(Node):
    """A number that remembers how it was computed.

    The number is kept as it is: a ``float``, an ``int`` or a ``fractions.Fraction``, so derivatives
    can be computed in exact rational arithmetic. (NumPy's numbers become Python's.)

    Args:
        data: a real number.
        label: a name for drawings.

    After ``backward()`` a leaf's ``.grad`` has grown by its gradient; inside the graph ``.grad``
    shows the gradient of that backward pass. ``==`` asks whether two Values are the same node.

    Raises:
        DataError: for anything but one real number.

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
    grad_of_none = 0
    _changes = NEVER
    __array_ufunc__ = None  # so that numpy_number * value comes to __rmul__

    def __init__(self, data: Any, label: str = "") -> None:
        super().__init__(one_number(data), True, label)

    @classmethod
    def _admit(cls, data: Any, made_by: str = "") -> Any:
        return one_number(data, made_by)

    def _seed(self, gradient: Any, create_graph: bool) -> Any:
        one = type(self._data)(1)  # a Fraction, so that 1/3 of it is no float
        seed = 1 if gradient is None else gradient if create_graph else data_of(gradient)
        return one * (seed if isinstance(seed, Node) else one_number(seed, "gradient="))

    def _fit(self, gradient: Any) -> Any:
        if type(gradient) is float or isinstance(gradient, Node):
            return gradient
        return one_number(gradient, "a rule")

    def _collect(self, found: Mapping[Node, Any]) -> None:
        self.grad = found[self] if self.operation else self.grad + found[self]

    @property
    def data(self) -> Any:
        """The number. It is not checked whether it changed between forward and backward."""
        modes.refuse_reading(".data")
        return self._data

    @data.setter
    def data(self, number: Any) -> None:
        modes.refuse_reading("assigning to .data")
        self._data = one_number(number)

    def __float__(self) -> float:
        modes.refuse_reading("float()")
        return float(self._data)

    def __bool__(self) -> bool:
        """True, as of any object; ``if a < b:`` asks an answer, which ``capture`` cannot record."""
        if isinstance(self._data, bool):
            modes.refuse_reading("bool(), or an `if`,")
        return True

    def __format__(self, how: str) -> str:
        """``f"{loss:.3f}"`` formats the number; without a format the Value is shown whole."""
        if how:
            modes.refuse_reading("a format")
        return format(self._data, how) if how else str(self)

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        return f"Value({self._data!r}, grad={self.grad!r}{name})"


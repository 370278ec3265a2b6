"""What makes a Tensor behave like an array: its shape, NumPy's functions, Python's built-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import errors, modes
from .inputs import Array
from .operations import F
from .table import add_method
from .tape import Node, data_of


class ArrayLike(Node):
    """The part of ``Tensor`` that has nothing to do with derivatives."""

    __slots__ = ()
    __hash__ = Node.__hash__

    shape = property(lambda self: self._data.shape, doc="The lengths of the axes.")
    dtype = property(lambda self: self._data.dtype, doc="The dtype of the data.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of entries.")
    T = property(F.transpose, doc="The axes in reverse order.")

    @property
    def mT(self) -> Any:  # noqa: N802 - NumPy's name
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise errors.no_matrix(self.shape)
        return F.transpose(self, axes=(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    # As one number.

    def item(self) -> Any:
        """The only entry, as a Python number.

        Raises:
            ShapeError: if there are more entries, or none.
        """
        return self._only_entry("item()")

    def _only_entry(self, asked: str) -> Any:
        modes.refuse_reading(asked)
        if self.size != 1:
            raise errors.not_one_entry(asked, self.shape)
        return self._data.item()

    def __float__(self) -> float:
        return float(self._only_entry("float()"))

    def __int__(self) -> int:
        return int(self._only_entry("int()"))

    def __bool__(self) -> bool:
        return bool(self._only_entry("bool(), or an `if`,"))

    def __format__(self, how: str) -> str:
        """``f"{loss:.3f}"`` formats the number; without a format the Tensor is shown whole."""
        return format(self._only_entry("a format"), how) if how else str(self)

    # As a sequence.

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor of shape () has no length: use .item() for its number")
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, entries: Any) -> None:
        raise errors.item_assignment()

    # As an operand of Python's and NumPy's operations.

    def __eq__(self, other: object) -> Any:
        return F.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return F.not_equal(self, other)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        return F.call_ufunc(ufunc, method, inputs, settings)

    def __array_function__(
        self, function: Callable[..., Any], _types: Any, args: Any, settings: Mapping[str, Any]
    ) -> Any:
        return F.call_numpy(function, args, settings)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise errors.cut_history()
        modes.refuse_reading("np.asarray(), or a function of NumPy's that is no operation,")
        return np.array(self._data, dtype=dtype, copy=copy)


def _in_place(name: str, sign: str) -> Callable[[Any, Any], Any]:
    """``t += other``: refused where it would overwrite a part of a graph."""
    row = next((row for row in F if row.operator == name), None)

    def method(self: Any, other: Any) -> Any:
        if self.requires_grad or (isinstance(other, Node) and other.requires_grad):
            raise errors.in_place(self, sign)
        if row is None:
            return NotImplemented
        self.data = row(self._data, data_of(other))
        return self

    return method


for _name, _sign in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "matmul": "@",
    "floordiv": "//", "mod": "%",
}.items():  # fmt: skip
    setattr(ArrayLike, f"__i{_name}__", _in_place(_name, _sign))
for _name, _function in F.compositions.items():
    if _name not in ("concatenate", "stack", "einsum"):  # no method of one array
        add_method(ArrayLike, _name, _function, _function.__doc__ or "")

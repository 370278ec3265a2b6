"""Rows: the parameters of a small model as one row of numbers, for optimisers.

An update that acts on each entry alone may treat all of them at once: the number of NumPy calls is
then the same for two layers and for twenty. So the arrays of the parameters become parts of one row
of memory. Nobody can tell, because an array is moved only if its parameter alone holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from ..autograd import Tensor
from ..autograd.tape import data_of, tick_of_change

Array = NDArray[Any]
State = dict[str, Any]

#: Entries of a row at the most: with more, collecting the gradients costs more than calls of NumPy.
LONGEST = 2**16
_HELD_ONCE = 2  #: references to an array that a parameter alone holds: this one, and the question's


class Row:
    """Parameters that are moved together, and what an optimiser remembers of them.

    Attributes:
        settings: of the group that they belong to.
        parameters: several that stand in a row of memory; or one, whatever its memory is like.
        state: what is remembered: arrays of the shape of ``data``, and numbers.
    """

    def __init__(
        self, settings: dict[str, Any], parameters: Sequence[Tensor], state: State | None = None
    ) -> None:
        self.settings, self.parameters = settings, parameters
        self.state: State = {} if state is None else state
        is_one = len(parameters) == 1
        self._parts = [] if is_one else [parameter.data for parameter in parameters]
        self._whole = None if is_one else _whole(self._parts)
        pairs = zip(parameters, self._parts, strict=not is_one)
        self._expected = [(parameter, part, part.shape, part.dtype) for parameter, part in pairs]
        self._clocks = [parameter._shared_changes() for parameter in parameters]
        #: Gradients that stand in a row themselves, and that row: a captured step leaves them so.
        self._ready: tuple[list[Array], Array] | None = None

    @property
    def data(self) -> Array:
        """All entries: those of several parameters in a row, those of one in its shape."""
        return self.parameters[0].data if self._whole is None else self._whole

    def gradient(self) -> Any:
        """Like ``data``; ``None`` if there is none; ``NotImplemented`` if not all are alike."""
        if self._whole is None:
            return data_of(self.parameters[0].grad)
        if self._ready is not None:
            known, row = self._ready
            is_known = all(map(is_, known, [parameter.grad for parameter in self.parameters]))
            if is_known and all(map(is_, self._parts, [one._data for one in self.parameters])):
                return row
        given = []
        for parameter, part, shape, dtype in self._expected:
            gradient = parameter.grad
            if (
                type(gradient) is not ndarray
                or gradient.shape != shape
                or (gradient.dtype is not dtype and gradient.dtype != dtype)
                or parameter._data is not part
            ):
                break
            given.append(gradient)
        else:
            if given[0].base is None or not _stand_in_a_row(given):
                return np.concatenate(given, axis=None)
            self._ready = given, _whole(given)
            return self._ready[1]
        gradients = [data_of(parameter.grad) for parameter in self.parameters]
        return None if all(gradient is None for gradient in gradients) else NotImplemented

    def move(self, change: Array) -> None:
        """Take ``change``, which is like ``data``, from all entries."""
        data = self.data
        data -= change
        now = tick_of_change()
        for clock in self._clocks:
            clock[0] = now

    def __reduce__(self) -> Any:
        return Row, (self.settings, self.parameters, self.state)

    def apart(self) -> list[Row]:
        """Each parameter in a row of its own, with a copy of what is remembered of it."""
        if self._whole is None:
            return [self]
        found, start = [], 0
        for parameter, part in zip(self.parameters, self._parts, strict=True):
            own = slice(start, start + part.size)
            state = {
                name: kept[own].reshape(part.shape).copy() if isinstance(kept, np.ndarray) else kept
                for name, kept in self.state.items()
            }
            found.append(Row(self.settings, [parameter], state))
            start += part.size
        return found


def joined(singles: Iterable[Row]) -> list[Row]:
    """Rows of one parameter each, made into rows of several where that can be done."""
    kinds: dict[Any, list[Row]] = {}
    for row in singles:
        numbers = {k: v for k, v in row.state.items() if not isinstance(v, np.ndarray)}
        kind = id(row.settings), row.data.dtype, frozenset(row.state), tuple(numbers.items())
        kinds.setdefault(kind, []).append(row)
    found: list[Row] = []
    for alike in kinds.values():
        parameters = [row.parameters[0] for row in alike]
        if len(alike) > 1 and (
            _stand_in_a_row([one.data for one in parameters]) or _can_be_moved(parameters)
        ):
            found.append(Row(alike[0].settings, parameters, _joined_state(alike)))
        else:
            found += alike
    return found


def _joined_state(alike: Sequence[Row]) -> State:
    return {
        name: np.concatenate([row.state[name] for row in alike], axis=None)
        if isinstance(kept, np.ndarray) else kept
        for name, kept in alike[0].state.items()
    }


# Memory.


def _stand_in_a_row(parts: Sequence[Array]) -> bool:
    """Whether that is so already, from an optimiser before this one or from a captured step."""
    parts = [part for part in parts if part.size]
    base = parts[0].base if parts else None
    if type(base) is not np.ndarray or base.ndim != 1 or not base.flags.carray:
        return False
    place = _address(parts[0])
    for part in parts:
        is_alike = part.base is base and part.dtype == base.dtype and part.flags.carray
        if not is_alike or _address(part) != place:
            return False
        place += part.nbytes
    return True


def _can_be_moved(parameters: Sequence[Tensor]) -> bool:
    """Move the parameters into a row, if nobody else holds the memory of any of them."""
    for parameter in parameters:
        array = parameter.data
        is_plain = type(array) is np.ndarray and array.flags.carray and array.base is None
        del array
        if not is_plain or getrefcount(parameter.data) > _HELD_ONCE:
            return False
    if sum(parameter.size for parameter in parameters) > LONGEST:
        return False
    whole, start = np.concatenate([parameter.data for parameter in parameters], axis=None), 0
    for parameter in parameters:
        part = whole[start : start + parameter.size].reshape(parameter.shape)
        parameter._move_to(part)
        start += part.size
    return True


def _whole(parts: Sequence[Array]) -> Array:
    """The row that these are the parts of, in this order."""
    with_entries = [part for part in parts if part.size]
    if not with_entries:
        return np.empty(0, parts[0].dtype)
    base = with_entries[0].base
    assert base is not None
    start = (_address(with_entries[0]) - _address(base)) // base.itemsize
    return base[start : start + sum(part.size for part in parts)]


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])

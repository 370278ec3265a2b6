"""``capture`` for functions of Values: record once, then compute many numbers with one NumPy call.

The way of a recording, to be read in this order:

- :mod:`scalar_tape`: the history of the loss as plain lists, and how to run it one by one;
- :mod:`scalar_levels`: operations that can be computed at once;
- :mod:`scalar_layout`: where their numbers stand;
- :mod:`scalar_plan`: one NumPy call for each group, forward and backward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import errors, modes
from ..inputs import Array, one_number, real
from ..operation import Operation
from ..tape import Node, backpropagate, data_of, tick
from ..value import Value
from .scalar_levels import Levels
from .scalar_plan import Plan
from .scalar_tape import OneByOne, Tape

#: Operations in a group, on average, from which on NumPy is faster than Python's numbers.
WIDE = 3


class CapturedValues:
    """What ``capture(fn, params)`` gives where the parameters are Values.

    ``fn`` receives each argument as Values: a number as a Value, an array as nested lists of them.
    Numbers that ``fn`` wraps itself are those of the recording. Other Values that it uses are read
    anew at every call.
    """

    def __init__(self, fn: Callable[..., Value], params: Sequence[Value]) -> None:
        for param in params:
            if not (isinstance(param, Value) and param.requires_grad and param.is_leaf):
                raise errors.no_parameter(param)
        self.fn, self.params = fn, list(dict.fromkeys(params))
        self.recordings: dict[Any, Replay] = {}

    def __call__(self, *arguments: Any) -> Any:
        """The loss as a number; sets ``.grad`` of every parameter."""
        arrays = [_numbers(argument) for argument in arguments]
        mode = modes.current()
        if mode.detecting:
            loss, gradients = self._eagerly(arrays)
        else:
            key = (mode.arithmetic, *(array.shape for array in arrays))
            if key not in self.recordings:
                self.recordings[key] = self._record(arrays)
            loss, gradients = self.recordings[key](arrays)
        for param, gradient in zip(self.params, gradients, strict=True):
            param.grad = gradient
        return loss

    def _record(self, arrays: Sequence[Array]) -> Replay:
        since, inputs = tick(), list(map(_values, arrays))
        with modes.Mode(recording=True, recorder=_Recorder()):
            loss = self.fn(*inputs)
        if not isinstance(loss, Value):
            raise errors.no_loss(loss)
        return compile(loss, self.params, list(_leaves(inputs)), since)

    def _eagerly(self, arrays: Sequence[Array]) -> tuple[Any, list[Any]]:
        """Without a plan, for ``detect_anomaly`` looks at every operation."""
        loss = self.fn(*map(_values, arrays))
        found = backpropagate(loss) if loss.requires_grad else {}
        return loss.data, [found.get(param, 0) for param in self.params]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.recordings.values())) or "not recorded yet"


class Replay:
    """A recorded computation, ready to be computed anew."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        levels = Levels(tape)
        is_wide = levels.operations >= WIDE * len(levels.kinds)
        has_floats = all(map(_fits, tape.leaves[tape.inputs.stop :]))
        self.plan = Plan(tape, levels) if is_wide and has_floats else None
        self._one_by_one: OneByOne | None = None

    def __call__(self, arrays: Sequence[Array] = ()) -> tuple[Any, list[Any]]:
        """The loss and the gradients of the parameters."""
        try:
            if self.plan is not None:
                return self.plan(arrays)
        except FloatingPointError:
            pass  # nan, infinities, fractions and mistakes are for the engine's own arithmetic
        self._one_by_one = self._one_by_one or OneByOne(self.tape)
        return self._one_by_one([number for array in arrays for number in array.ravel().tolist()])


def compile(
    loss: Value, params: Sequence[Value], inputs: Sequence[Value] = (), since: float = 0
) -> Replay:
    """A recorded computation as something that can be run again, see :class:`Tape`."""
    return Replay(Tape(loss, params, inputs, since))


def _fits(leaf: Any) -> bool:
    """Whether it is read anew, or a number that is the same as a finite float."""
    if isinstance(leaf, Node):
        return True
    try:
        return math.isfinite(leaf) and float(leaf) == leaf
    except OverflowError:
        return False


class _Recorder:
    """Refuses to give away numbers while Values are recorded."""

    def refuse(self, asked: str) -> None:
        raise errors.GraphError(asked)

    def compute(
        self, operation: Operation, args: tuple[Any, ...], params: Mapping[str, Any]
    ) -> Any:
        """A Tensor has no part in a function of Values: what it gives is a constant."""
        return operation.compute(list(map(data_of, args)), params)

    def as_index(self, part: Any) -> Any:
        return data_of(part)


def _numbers(argument: Any) -> Array:
    """An argument as an array, of Fractions if it must be."""
    try:
        array = np.asarray(data_of(argument))
    except ValueError as error:
        raise errors.not_an_array(argument, "capture") from error
    if array.dtype == object:
        for number in array.flat:
            one_number(number, "capture")
        return array
    return real(array, "capture")


def _values(array: Array) -> Any:
    """The numbers of an array as Values, in nested lists."""
    values = np.empty(array.size, object)
    values[:] = list(map(Value, array.ravel().tolist()))
    return values.reshape(array.shape).tolist()


def _leaves(nested: Any) -> Any:
    if isinstance(nested, list):
        for part in nested:
            yield from _leaves(part)
    else:
        yield nested

"""`capture` for functions of Values: recorded once, then many numbers with each NumPy call.

A recording goes through these stages, to be read in this order:

- :mod:`scalar_tape`: the history of the loss as plain lists, and how to run it one by one;
- :mod:`scalar_levels`: which operations can be computed at once;
- :mod:`scalar_layout`: where their numbers stand;
- :mod:`scalar_plan`: one NumPy call for each group of them, forward and backward.

>>> import tinygrad_init as tg
>>> w, b = tg.Value(0.5), tg.Value(0.0)
>>> def loss(xs, ys):
...     return sum((w * x + b - y) ** 2 for x, y in zip(xs, ys))
>>> step = CapturedValues(loss, [w, b])
>>> step([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 5.0, 7.0])
41.5
>>> w.grad, b.grad
(-70.0, -22.0)
>>> print(step)
parameters: 2, inputs: 8, operations: 17
level 1: 4 multiply
level 2: 4 sums of 2
level 3: 4 subtract
level 4: 4 power
level 5: 1 sum of 5
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import errors, modes
from ..inputs import Array, one_number, real
from ..operation import Operation
from ..tape import Node, backpropagate, data_of, tick
from ..value import Value
from . import complaints
from .scalar_levels import Levels
from .scalar_plan import Plan
from .scalar_tape import OneByOne, Tape

#: Operations in a group, on average, from which on NumPy is faster than Python's own numbers.
WIDE = 3


class CapturedValues:
    """What ``capture(fn, params)`` gives where the parameters are Values.

    Args:
        fn: computes the loss, a Value. Each argument reaches it as Values: a number as a Value, an
            array as nested lists of Values. Numbers that it wraps itself belong to the recording;
            other Values that it uses, and that are no parameters, are read anew at every call.
        params: Values that no operation made.

    Where NumPy and Python agree, so do the results with those of ``fn(...).backward()``, to the
    bit; elementary functions differ in their last bit in ordinary arithmetic, and not in
    reproducible arithmetic. Whole numbers become floats. Fractions stay what they are, and where
    nan or infinities occur, all is as without ``capture``, mistakes included: such numbers are
    computed one by one.
    """

    def __init__(self, fn: Callable[..., Value], params: Sequence[Value]) -> None:
        self.fn, self.params = fn, list(dict.fromkeys(params))
        for param in self.params:
            if not (isinstance(param, Value) and param.requires_grad and param.is_leaf):
                raise complaints.no_parameter(param)
        self.replays: dict[Any, Replay] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        """The loss as a number; every parameter gets its gradient in ``.grad``, set and not added.

        Args:
            arguments: numbers, arrays or lists. A new shape is recorded anew.
        """
        mode = modes.current()
        if mode.recorder is not None:
            raise complaints.captured_inside()
        arrays = [_numbers(argument) for argument in arguments]
        with self._lock:
            loss, gradients = self._eagerly(arrays) if mode.detecting else self._replay(arrays)
            for param, gradient in zip(self.params, gradients, strict=True):
                param.grad = gradient
        return loss

    def _replay(self, arrays: Sequence[Array]) -> tuple[Any, list[Any]]:
        key = (modes.current().arithmetic, *(array.shape for array in arrays))
        if key not in self.replays:
            self.replays[key] = self._record(arrays)
        return self.replays[key](arrays)

    def _record(self, arrays: Sequence[Array]) -> Replay:
        since, inputs = tick(), [_nested(array) for array in arrays]
        with modes.Mode(recording=True, recorder=_Recorder()):
            loss = self.fn(*inputs)
        if not isinstance(loss, Value):
            raise complaints.no_value(loss)
        return compile(loss, self.params, list(_flat(inputs)), since)

    def _eagerly(self, arrays: Sequence[Array]) -> tuple[Any, list[Any]]:
        """Without a recording, so that ``detect_anomaly`` can look at each operation."""
        with modes.Mode(recording=True):
            loss = self.fn(*map(_nested, arrays))
        found = backpropagate(loss) if loss.requires_grad else {}
        return loss.data, [found.get(param, 0) for param in self.params]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.replays.values())) or "not recorded yet"


class Replay:
    """A recorded computation that can be run again.

    Attributes:
        tape: what is computed.
        plan: how it is computed level by level; ``None`` if operations are too few for that.
    """

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
            pass  # nan, infinities and fractions are for Python's numbers
        self._one_by_one = self._one_by_one or OneByOne(self.tape)
        return self._one_by_one([number for array in arrays for number in array.ravel().tolist()])

    def __str__(self) -> str:
        tape = self.tape
        counts = len(tape.params), len(tape.inputs), len(tape.made_by)
        title = "parameters: {:,}, inputs: {:,}, operations: {:,}".format(*counts)
        levels = self.plan.groups if self.plan else ["one by one"]
        return "\n".join([title, *map(str, levels)])


def compile(
    loss: Value, params: Sequence[Value], inputs: Sequence[Value] = (), since: float = 0
) -> Replay:
    """What was recorded as something that can be run again; arguments as for :class:`Tape`."""
    return Replay(Tape(loss, params, inputs, since))


def _fits(leaf: Any) -> bool:
    """Whether it is read anew at every call, or else may become a float: no Fraction of 1/3."""
    if isinstance(leaf, Node):
        return True
    if isinstance(leaf, np.generic) and not isinstance(leaf, float):
        return False  # a float32 among Python's numbers makes float32
    try:
        return math.isfinite(leaf) and float(leaf) == leaf
    except OverflowError:
        return False


class _Recorder:
    """Refuses to give away numbers. Values are on the tape: nothing else is to be noted."""

    def refuse(self, asked: str) -> None:
        raise complaints.read_while_recording(asked)

    def compute(
        self, operation: Operation, args: tuple[Any, ...], params: Mapping[str, Any]
    ) -> Any:
        """The result of an operation on Tensors, which do not mix with Values: it is a constant."""
        return operation.compute([data_of(arg) for arg in args], params)

    def as_index(self, part: Any) -> Any:
        return data_of(part)


def _numbers(argument: Any) -> Array:
    """An argument as an array; of Python's objects, if there are Fractions or Values in it."""
    try:
        array = np.asarray(data_of(argument))
    except ValueError as error:
        raise errors.not_an_array(argument, "capture") from error
    if array.dtype != object:
        return real(array, "capture")
    numbers = np.empty(array.size, object)
    numbers[:] = [one_number(data_of(number), "capture") for number in array.flat]
    return numbers.reshape(array.shape)


def _nested(array: Array) -> Any:
    """The numbers of an array as Values, in lists as the axes say."""
    values = np.empty(array.size, object)
    values[:] = [Value(number) for number in array.ravel().tolist()]
    return values.reshape(array.shape).tolist()


def _flat(nested: Any) -> Iterator[Value]:
    if isinstance(nested, list):
        for part in nested:
            yield from _flat(part)
    else:
        yield nested

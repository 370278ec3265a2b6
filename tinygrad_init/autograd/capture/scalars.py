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
>>> step = tg.capture(loss, [w, b])
>>> step([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 5.0, 7.0])
41.5
>>> w.grad, b.grad
(-70.0, -22.0)
>>> print(step.plan)
2 parameters, 8 inputs, 20 operations
level 1: 4 multiply
level 2: 4 sums of 2
level 3: 4 subtract
level 4: 4 power
level 5: 1 sum of 5
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from .. import errors, modes
from ..inputs import Array, one_number, real
from ..tape import Node, backpropagate, data_of, tick
from ..value import Value
from . import complaints
from .captured import Captured
from .listing import Line
from .recording import Recorder
from .scalar_levels import Levels
from .scalar_plan import LevelByLevel
from .scalar_tape import OneByOne, Tape

#: Operations in a group, on average, from which on NumPy is faster than Python's own numbers.
WIDE = 3


class CapturedValues(Captured["ScalarPlan"]):
    """A captured function of Values: call it to get its loss, and gradients in ``.grad``.

    Args:
        fn: computes the loss, a Value. Each argument reaches it as Values: a number as a Value, an
            array as nested lists of Values. Numbers that it wraps itself belong to the recording;
            other Values that it uses, and that are no parameters, are read anew at every call.
        params: Values that no operation made.

    Attributes:
        params: the parameters.
        plans: what was recorded, a plan for each signature; the one used last comes first.

    Results are those of ``fn(...)`` and ``backward()``: to the bit where NumPy and Python round
    alike, which they do for ``+ - * /`` and not for ``exp``, and always in reproducible arithmetic.
    Whole numbers become floats. Fractions stay what they are, and nan and infinities, and the
    mistakes that make them, are as without ``capture``: such numbers are computed one by one.
    """

    def __init__(self, fn: Callable[..., Value], params: Sequence[Value]) -> None:
        if not callable(fn):
            raise complaints.not_a_function(fn)
        for param in params:
            if not (isinstance(param, Value) and param.requires_grad and param.is_leaf):
                raise complaints.no_parameter(param)
        super().__init__(fn, params)

    def __call__(self, *arguments: Any) -> Any:
        """The loss as a number; every parameter gets its gradient in ``.grad``, set and not added.

        Args:
            arguments: numbers, arrays or lists. Other shapes are recorded anew.
        """
        settings = modes.current()
        if settings.recorder is not None:
            raise complaints.captured_inside()
        arrays = [_numbers(argument) for argument in arguments]
        with self._lock:
            if settings.detecting:
                loss, gradients = self._eagerly(arrays)
            else:
                loss, gradients = self._find(settings.arithmetic, arrays).run(arrays)
            for param, gradient in zip(self.params, gradients, strict=True):
                param.grad = gradient
        return loss

    def _find(self, arithmetic: int, arrays: Sequence[Array]) -> ScalarPlan:
        """The plan for such arguments; it is put first."""
        signature = (arithmetic, *(array.shape for array in arrays))
        for k, plan in enumerate(self.plans):
            if plan.signature == signature:
                self.plans.insert(0, self.plans.pop(k))
                return plan
        self.plans.insert(0, self._record(signature, arrays))
        return self.plans[0]

    def _record(self, signature: Any, arrays: Sequence[Array]) -> ScalarPlan:
        since, inputs = tick(), [_nested(array) for array in arrays]
        with modes.Mode(recording=True, recorder=_Recorder()):
            loss = self._fn(*inputs)
        if not isinstance(loss, Value):
            raise complaints.no_value(loss)
        return ScalarPlan(Tape(loss, self.params, list(_flat(inputs)), since), signature)

    def _eagerly(self, arrays: Sequence[Array]) -> tuple[Any, list[Any]]:
        """Without a plan, so that ``detect_anomaly`` can look at each operation."""
        with modes.Mode(recording=True):
            loss = self._fn(*map(_nested, arrays))
        found = backpropagate(loss) if loss.requires_grad else {}
        return loss.data, [found.get(param, 0) for param in self.params]


class ScalarPlan:
    """A recorded computation of Values; printing it shows a line for each group of operations.

    Attributes:
        tape: what is computed.
        signature: for which arithmetic and which shapes of arguments.
    """

    def __init__(self, tape: Tape, signature: Any = ()) -> None:
        self.tape, self.signature = tape, signature
        levels = Levels(tape)
        is_wide = levels.operations >= WIDE * len(levels.kinds)
        has_floats = all(map(_fits, tape.leaves[tape.inputs.stop :]))
        self._level_by_level = LevelByLevel(tape, levels) if is_wide and has_floats else None
        self._one_by_one: OneByOne | None = None

    def run(self, arrays: Sequence[Array] = ()) -> tuple[Any, list[Any]]:
        """The loss and the gradients of the parameters, from their present numbers."""
        try:
            if self._level_by_level is not None:
                return self._level_by_level(arrays)
        except FloatingPointError:
            pass  # nan, infinities and fractions are for Python's numbers
        self._one_by_one = self._one_by_one or OneByOne(self.tape)
        return self._one_by_one([number for array in arrays for number in array.ravel().tolist()])

    @property
    def lines(self) -> list[Line]:
        """A line for each group of operations, from level 1 up, for drawings of the plan."""
        levels, tape = Levels(self.tape), self.tape
        leaves = {-1: "parameters", -2: "inputs", -3: "numbers"}
        where = np.full(tape.size, -3)
        where[: tape.inputs.stop] = -2
        where[: len(tape.params)] = -1
        lines: list[Line] = []
        for number, group in enumerate(levels.groups()):
            found = np.unique(where[levels.edges.reads[group.edges]]).tolist()
            sources = tuple(leaves.get(source, source) for source in found)
            names = tuple(lines[k].target if isinstance(k, int) else k for k in sources)
            where[group.places] = number
            lines.append(Line(
                f"level {group.level}", group.name, group.instruction.operation.symbol, names,
                sources, "", (len(group.places),), "float64",
                "loss" if tape.loss in group.places else "", "",
            ))  # fmt: skip
        return lines

    def __str__(self) -> str:
        tape = self.tape
        counts = len(tape.params), len(tape.inputs), len(tape.made_by)
        title = "{:,} parameters, {:,} inputs, {:,} operations".format(*counts)
        is_wide = self._level_by_level is not None
        return "\n".join([title, *map(str, Levels(tape).groups() if is_wide else ["one by one"])])


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


class _Recorder(Recorder):
    """Values are on the tape, so there is nothing to take down; only numbers must not get out."""

    def refuse(self, asked: str) -> NoReturn:
        raise complaints.value_read_while_recording(asked)

    def slot(self, operand: Any) -> NoReturn:
        raise complaints.tensor_among_values()

    def compute(self, *_: Any) -> NoReturn:
        raise complaints.tensor_among_values()


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

"""Plans: a recorded program, ready to be replayed, and how to read it.

A replay is one loop over functions and arguments. All that can be decided beforehand is: which
function, which memory. Only the arguments of the captured function are other arrays each time; a
plan knows the places where they go.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..inputs import Array
from . import kernels
from .memory import Layout, Storage, layout, root
from .passes import simplified
from .recording import ARGUMENT, MEMORY, NUMBER, RESULT, Call, Program, Slot


class Line(NamedTuple):
    """One call of a plan, for people.

    Attributes:
        target: the name of the memory that it writes to.
        operation: what is computed.
        operands: the names of what it reads.
        settings: such as ``"axis=0"``.
        shape, dtype: of the result.
        how: ``"view"``, ``"in place"``, ``"gradient"`` (of a parameter), or empty.
        scope: the part of the program that it belongs to, such as ``"MLP.Linear"``.
    """

    target: str
    operation: str
    operands: tuple[str, ...]
    settings: str
    shape: tuple[int, ...]
    dtype: str
    how: str
    scope: str


class Plan:
    """A recorded program with memory for all its results; :meth:`run` replays it."""

    def __init__(self, program: Program, homes: Sequence[Array]) -> None:
        program = simplified(program)
        self._layout = layout(program, homes)
        self._tensors, self._guards = program.tensors, program.guards
        self._arguments = [slot.array for slot in program.arguments]  # only their shapes matter
        self._steps: list[kernels.Step] = []
        self._origins: list[Call] = []  #: of each step
        self._views: list[tuple[int, Callable[[Array], Array]]] = []
        slots = list(program.arguments)
        for call in self._layout.calls:
            if call.is_view:
                if root(call.result).kind == ARGUMENT:
                    self._views.append((slots.index(call.operands[0]), _view(call)))
                    slots.append(call.result)
                continue
            steps = self._written(call)
            self._steps += steps
            self._origins += [call] * len(steps)
        self._places = [
            [(args, k) for _, args in self._steps for k, arg in enumerate(args) if arg is slot]
            for slot in slots
        ]
        self.loss = self._array(program.loss)

    def _written(self, call: Call) -> list[kernels.Step]:
        """What writes the result of a call, with arrays in place of slots."""
        is_one_enough = kernels.is_entry_by_entry(call) and call.result.array.shape == (
            np.broadcast_shapes(*(s.array.shape for s in call.operands
                                  if isinstance(s, Slot) and s.kind != NUMBER))
        )  # fmt: skip
        operands = [self._array(operand, is_one_enough) for operand in call.operands]
        params = call.params
        if isinstance(params.get("index"), tuple):
            params = {**params, "index": tuple(map(self._array, params["index"]))}
        return kernels.steps(replace(call, params=params), self._layout.arrays[call.result], operands)

    def _array(self, operand: Any, is_one_enough: bool = False) -> Any:
        """The array of a slot, if it is known before the replay; what is no slot stays."""
        if not isinstance(operand, Slot) or root(operand).kind == ARGUMENT:
            return operand
        if operand.kind == NUMBER:
            array = operand.array
            return np.array(array[(0,) * array.ndim] if is_one_enough else array)
        return operand.array if operand.kind == MEMORY else self._layout.arrays[operand]

    def holds(self) -> bool:
        """Whether all that the recording depended on is as it was."""
        for tensor, memory in self._tensors:
            if tensor._data is not memory:
                return False
        return all(read() == found for read, found in self._guards)

    def run(self, arrays: Sequence[Array]) -> None:
        """Replay on arguments of the recorded shapes and dtypes."""
        present = list(arrays)
        for source, view in self._views:
            present.append(view(present[source]))
        for array, places in zip(present, self._places, strict=True):
            for arguments, position in places:
                arguments[position] = array
        arguments = None
        try:
            for function, arguments in self._steps:
                function(*arguments)
        except errors.FROM_NUMPY as error:
            raise self._in_words(error, arguments) from error

    def _in_words(self, error: Exception, failed: Any) -> Exception:
        call = next(
            call for call, (_, arguments) in zip(self._origins, self._steps, strict=True)
            if arguments is failed
        )  # fmt: skip
        return errors.in_words(call.operation.name, call.operation.wants, error, failed, {})


def _view(call: Call) -> Callable[[Array], Array]:
    """What makes a view of an argument, the shortest way."""
    if call.operation.name == "transpose":
        axes = call.params["axes"]
        return operator.methodcaller("transpose", *(() if axes is None else (axes,)))
    return functools.partial(call.kernel, **call.params)
